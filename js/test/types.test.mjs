// The declarations, as a TypeScript project with the frameworks sees them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

for (const [name, more] of Object.entries({ strict: [], "strict, exact optional properties": ["--exactOptionalPropertyTypes"] })) {
  test(`a request that was let through has its token, typed: ${name}`, () => {
    const tsc = createRequire(import.meta.url).resolve("typescript/package.json").replace("package.json", "bin/tsc");
    const options = ["--ignoreConfig", "--noEmit", "--strict", ...more, "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", "node"];
    const file = fileURLToPath(new URL("frameworks.mts", import.meta.url));

    const { stdout } = spawnSync(process.execPath, [tsc, ...options, file], { encoding: "utf8" });

    assert.equal(stdout, "");
  });
}
