// The engine for pages that forbid WebAssembly: the same module, which binaryen writes as JavaScript.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// What the Rust compiler may use, and what JavaScript made of a module cannot have.
const FEATURES = ["bulk-memory", "mutable-globals", "nontrapping-float-to-int", "sign-ext"];
const LOWERED = ["llvm-memory-copy-fill-lowering", "llvm-nontrapping-fptoint-lowering", "signext-lowering"];

/** One function that gives what an instance of the module in `wasm` exports. Made once for each module: it takes a while. */
export function plainModule(wasm, packages) {
  const cache = join(packages, ".cache");
  const digest = createHash("sha256").update(readFileSync(wasm)).update(readFileSync(fileURLToPath(import.meta.url)));
  const made = join(cache, `plain-${digest.digest("hex").slice(0, 16)}.js`);
  if (existsSync(made)) return made;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "making-"));
  const at = (name) => join(folder, name);
  const options = [...FEATURES.map((name) => `--enable-${name}`), ...LOWERED.map((name) => `--${name}`), "-O1"];
  run(packages, "wasm-opt", [...options, wasm, "-o", at("lowered.wasm")]);
  run(packages, "wasm2js", ["-O", at("lowered.wasm"), "-o", at("translated.js")]);
  writeFileSync(at("module.js"), asFunction(readFileSync(at("translated.js"), "utf8")));
  renameSync(at("module.js"), made);
  rmSync(folder, { recursive: true });
  return made;
}

// The translation is a module that imports what it needs from files; what it needs is the glue, at run time.
function asFunction(text) {
  const needed = [];
  const body = text
    .replace(/^import \* as (\S+) from '([^']+)';$/gm, (_, name, module) => {
      needed.push(`  const ${name} = imports[${JSON.stringify(module)}];`);
      return "";
    })
    .replace(/^export var .*$/gm, "")
    // WebAssembly detaches the memory that has grown too small, and the glue asks whether it did.
    .replace(/^( *)buffer = newBuffer;$/m, "$1structuredClone(buffer, { transfer: [buffer] });\n$&");
  const expected = needed.length > 0 && body.includes("var retasmFunc = ") && body.includes("structuredClone(");
  if (!expected || /^(import|export) /m.test(body)) {
    throw new Error("wasm2js writes modules in another way than this script expects");
  }
  return `export function instantiate(imports) {\n${needed.join("\n")}\n${body}\n  return retasmFunc;\n}\n`;
}

function run(packages, program, options) {
  const { status, error } = spawnSync(process.execPath, [join(packages, ".bin", program), ...options], { stdio: "inherit" });
  if (status !== 0) throw new Error(`${program} failed`, { cause: error });
}
