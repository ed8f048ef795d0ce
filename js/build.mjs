// Makes dist/ from src/ and pkg/: one file per entry, ESM and CommonJS, and the types.

import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { embed } from "./embed.mjs";
import { entries } from "./entries.mjs";

// Declarations that no entry names.
const INTERNAL = ["answer", "embedded", "engine", "generations", "get", "keys", "memory", "metadata", "workerd"];

const here = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(here, ...parts);
const wasm = at("pkg", "keystone_verifier_wasm_bg.wasm");
const hostile = at("..", "tests", "vectors", "hostile.json");

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
for (const entry of entries) {
  const source = { ...shared, entryPoints: [`src/${entry}.ts`], plugins: [inlined()] };
  await build({ ...source, outfile: `dist/${entry}.js`, format: "esm" });
  // The glue's own loader, which asks for import.meta, is never called and falls out of the bundle.
  const logOverride = { "empty-import-meta": "silent" };
  await build({ ...source, outfile: `dist/cjs/${entry}.js`, format: "cjs", logOverride });
}
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

/** `wasm:embedded` becomes the module as text inside the bundle, `hostile:json` that of the hostile file. */
function inlined() {
  return {
    name: "inlined",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^wasm:embedded$/ }, () => ({ path: wasm, namespace: "embedded" }));
      onResolve({ filter: /^hostile:json$/ }, () => ({ path: hostile, namespace: "text" }));
      onLoad({ filter: /.*/, namespace: "embedded" }, ({ path }) => ({
        contents: JSON.stringify(embed(readFileSync(path))),
        loader: "json",
      }));
      onLoad({ filter: /.*/, namespace: "text" }, ({ path }) => ({
        // Without its white space, which is for people.
        contents: JSON.stringify(JSON.parse(readFileSync(path, "utf8"))),
        loader: "text",
      }));
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
  const options = ["--emitDeclarationOnly", "--stripInternal", "--outDir", at("dist", "types"), "--project", here];
  const { status } = spawnSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
  if (status !== 0) fail("the TypeScript sources have errors, see above");
  for (const name of INTERNAL) rmSync(at("dist", "types", `${name}.d.ts`));
  // The same declarations again, read as CommonJS because of the package.json beside them.
  cpSync(at("dist", "types"), at("dist", "cjs", "types"), { recursive: true });
  writeFileSync(at("dist", "cjs", "package.json"), '{ "type": "commonjs" }\n');
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
