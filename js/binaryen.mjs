// What binaryen makes of a module: a smaller one, and one that is JavaScript for pages that forbid WebAssembly.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// What the Rust compiler may use.
const FEATURES = ["bulk-memory", "mutable-globals", "nontrapping-float-to-int", "sign-ext"];
// What only a host with WebAssembly can have.
const WEBASSEMBLY_ONLY = ["multivalue", "reference-types", "simd"];
const LOWERED = ["llvm-memory-copy-fill-lowering", "llvm-nontrapping-fptoint-lowering", "signext-lowering"];
// A function with one caller stays a function. One that held them all would have hundreds of variables, and V8's first compiler
// keeps account of all of them at each branch: a first verification took a third longer. It is also shorter under gzip.
const INLINING = "--one-caller-inline-max-function-size=0";
// No address of a Rust program wraps around, so a constant may be added to one by the instruction that uses it.
const ADDRESSES = "--low-memory-unused";

/** The module in `wasm`, as small as it gets without becoming slower. */
export function smallerModule(wasm, packages) {
  return madeOnce("smaller.wasm", wasm, packages, (at) => {
    const options = [...[...FEATURES, ...WEBASSEMBLY_ONLY].map((name) => `--enable-${name}`), "-Os"];
    const strip = ["--strip-producers", "--strip-target-features"];
    run(packages, "wasm-opt", [...options, INLINING, ADDRESSES, ...strip, wasm, "-o", at("smaller.wasm")]);
  });
}

/** One function that gives what an instance of the module in `wasm` exports. */
export function plainModule(wasm, packages) {
  return madeOnce("plain.js", wasm, packages, (at) => {
    const options = [...FEATURES.map((name) => `--enable-${name}`), ...LOWERED.map((name) => `--${name}`), "-O1"];
    run(packages, "wasm-opt", [...options, wasm, "-o", at("lowered.wasm")]);
    run(packages, "wasm2js", ["-O", at("lowered.wasm"), "-o", at("translated.js")]);
    writeFileSync(at("plain.js"), asFunction(readFileSync(at("translated.js"), "utf8")));
  });
}

// Kept among the packages, once for each module: it takes a while.
function madeOnce(name, wasm, packages, make) {
  const cache = join(packages, ".cache");
  const digest = createHash("sha256").update(readFileSync(wasm)).update(readFileSync(fileURLToPath(import.meta.url)));
  const made = join(cache, `${digest.digest("hex").slice(0, 16)}-${name}`);
  if (existsSync(made)) return made;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "making-"));
  make((file) => join(folder, file));
  renameSync(join(folder, name), made);
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
