// Makes dist/ from src/ and pkg/: one file per entry, ESM and CommonJS, and the types.

import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { plainModule, smallerModule } from "./binaryen.mjs";
import { entries } from "./entries.mjs";

// Declarations that no entry names.
const INTERNAL = [
  ...["answer", "arguments", "bounded-fetch", "embedded", "engine", "feed", "issuer", "keys", "metadata"],
  ...["policy.workerd", "small", "start", "testing/feed", "text", "token-cache", "two-generation-cache", "wasm2js", "workerd"],
];

const here = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(here, ...parts);
const wasm = at("pkg", "keystone_verifier_wasm_bg.wasm");
const hostile = at("..", "tests", "vectors", "hostile.json");

if (!existsSync(wasm)) fail("js/pkg is missing: run `cargo xtask build` in the project's folder first");
rmSync(at("dist"), { recursive: true, force: true });
const small = smallerModule(at("pkg", "small", "keystone_verifier_wasm_bg.wasm"), at("node_modules"));

const shared = {
  absWorkingDir: here,
  bundle: true,
  target: "es2022",
  // The names too, though a stack trace would be easier to read with them: pages load this file. Members keep theirs.
  minify: true,
  // The glue warns about an older way of calling it; a library does not write to its user's console.
  drop: ["console"],
  inject: ["src/text.ts"],
  legalComments: "none",
  logLevel: "warning",
};
for (const entry of entries) {
  const engine =
    entry === "webcrypto"
      ? { plugins: [translated()], inject: [...shared.inject, "src/wasm2js.ts"] }
      : { plugins: [inlined()] };
  const source = { ...shared, ...engine, entryPoints: [`src/${entry}.ts`] };
  await build({ ...source, outfile: `dist/${entry}.js`, format: "esm" });
  // The glue's own loader, which asks for import.meta, is never called and falls out of the bundle.
  const logOverride = { "empty-import-meta": "silent" };
  await build({ ...source, outfile: `dist/cjs/${entry}.js`, format: "cjs", logOverride });
}
for (const entry of ["workerd", "policy.workerd"]) {
  const source = { ...shared, entryPoints: [`src/${entry}.ts`], plugins: [beside()] };
  await build({ ...source, outfile: `dist/${entry}.js`, format: "esm" });
}
copyFileSync(small, at("dist", "keystone_verifier.wasm"));
copyFileSync(wasm, at("dist", "keystone_policy.wasm"));
for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(at("..", name), at("dist", name));

types();

/**
 * `wasm:embedded` and `wasm:embedded-policy` become modules in hexadecimal digits inside the bundle: under gzip they are an eighth
 * shorter than base64, whose characters cut bytes apart. `hostile:json` becomes the hostile file.
 */
function inlined() {
  return {
    name: "inlined",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^wasm:embedded$/ }, () => ({ path: small, namespace: "embedded" }));
      onResolve({ filter: /^wasm:embedded-policy$/ }, () => ({ path: wasm, namespace: "embedded" }));
      onResolve({ filter: /^hostile:json$/ }, () => ({ path: hostile, namespace: "text" }));
      onLoad({ filter: /.*/, namespace: "embedded" }, ({ path }) => ({
        contents: readFileSync(path, "hex"),
        loader: "text",
      }));
      onLoad({ filter: /.*/, namespace: "text" }, ({ path }) => ({
        // Without its white space, which is for people.
        contents: JSON.stringify(JSON.parse(readFileSync(path, "utf8"))),
        loader: "text",
      }));
    },
  };
}

/** `wasm:module` and `wasm:policy-module` become static imports of the files next to the bundle. */
function beside() {
  return {
    name: "beside",
    setup({ onResolve }) {
      onResolve({ filter: /^wasm:module$/ }, () => ({ path: "./keystone_verifier.wasm", external: true }));
      onResolve({ filter: /^wasm:policy-module$/ }, () => ({ path: "./keystone_policy.wasm", external: true }));
    },
  };
}

/** The glue for a module that is JavaScript, and `wasm:plain`, that module. */
function translated() {
  return {
    name: "translated",
    setup({ onResolve, onLoad }) {
      const module = plainModule(at("pkg", "plain", "keystone_verifier_wasm_bg.wasm"), at("node_modules"));
      onResolve({ filter: /keystone_verifier_wasm\.js$/ }, () => ({ path: at("pkg", "plain", "keystone_verifier_wasm.js") }));
      onResolve({ filter: /^wasm:plain$/ }, () => ({ path: module }));
      // How many values of the glue's heap are none to be dropped: constants, in its own words.
      onResolve({ filter: /^__wbindgen_externref_xform__$/ }, ({ path }) => ({ path, namespace: "constants" }));
      onLoad({ filter: /.*/, namespace: "constants" }, () => ({
        contents: "export const __wbindgen_externref_statics_end = () => 1028;",
      }));
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
