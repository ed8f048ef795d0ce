// Makes dist/ from src/ and pkg/: one file per entry, ESM and CommonJS, and the types.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(here, ...parts);
const wasm = at("pkg", "keystone_verifier_wasm_bg.wasm");

if (!existsSync(wasm)) fail("js/pkg is missing: run `cargo xtask build` in the project's folder first");
rmSync(at("dist"), { recursive: true, force: true });

const shared = {
  absWorkingDir: here,
  bundle: true,
  target: "es2022",
  // Not the names: a stack trace in a user's log should be readable.
  minifySyntax: true,
  minifyWhitespace: true,
  // The glue warns about an older way of calling it; a library does not write to its user's console.
  drop: ["console"],
  legalComments: "none",
  logLevel: "warning",
};
await build({
  ...shared,
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.js",
  format: "esm",
  plugins: [inlined()],
});
await build({
  ...shared,
  entryPoints: ["src/index.ts"],
  outfile: "dist/cjs/index.js",
  format: "cjs",
  plugins: [inlined()],
  // The glue's own loader, which asks for import.meta, is never called and falls out of the bundle.
  logOverride: { "empty-import-meta": "silent" },
});
await build({
  ...shared,
  entryPoints: ["src/workerd.ts"],
  outfile: "dist/workerd.js",
  format: "esm",
  plugins: [beside()],
});
copyFileSync(wasm, at("dist", "keystone_verifier.wasm"));
for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(at("..", name), at("dist", name));

types();

/** `wasm:base64` becomes the module's text inside the bundle. */
function inlined() {
  return {
    name: "inlined",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^wasm:base64$/ }, () => ({ path: wasm, namespace: "wasm" }));
      onLoad({ filter: /.*/, namespace: "wasm" }, () => ({ contents: readFileSync(wasm), loader: "base64" }));
    },
  };
}

/** `wasm:module` becomes a static import of the file next to the bundle. */
function beside() {
  return {
    name: "beside",
    setup({ onResolve }) {
      onResolve({ filter: /^wasm:module$/ }, () => ({ path: "./keystone_verifier.wasm", external: true }));
    },
  };
}

function types() {
  const tsc = at("node_modules", "typescript", "bin", "tsc");
  const options = ["--emitDeclarationOnly", "--stripInternal", "--outDir", at("dist"), "--project", here];
  const { status } = spawnSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
  if (status !== 0) fail("the TypeScript sources have errors, see above");
  for (const name of ["engine", "fetch", "keys", "metadata", "workerd"]) rmSync(at("dist", `${name}.d.ts`));
  // The same declarations again, read as CommonJS because of the package.json beside them.
  for (const name of readdirSync(at("dist")).filter((name) => name.endsWith(".d.ts"))) {
    copyFileSync(at("dist", name), at("dist", "cjs", name));
  }
  writeFileSync(at("dist", "cjs", "package.json"), '{ "type": "commonjs" }\n');
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
