// The package as users install it: packed, unpacked elsewhere, imported and required.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { codes } from "../dist/index.js";
import { codes as wasmCodes, initSync } from "../pkg/keystone_verifier_wasm.js";
import { reference } from "../api.mjs";
import { entries } from "../entries.mjs";
import { startIssuer } from "./issuer.mjs";

const run = promisify(execFile);
const project = fileURLToPath(new URL("..", import.meta.url));
let folder;
let packed;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "keystone-verifier-"));
  const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: project });
  [packed] = Object.values(JSON.parse(stdout));
  await run("tar", ["xzf", packed.filename], { cwd: folder });
  mkdirSync(join(folder, "node_modules", "@keystone-auth"), { recursive: true });
  renameSync(join(folder, "package"), join(folder, "node_modules", "@keystone-auth", "verifier"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program in the folder with the package installed, and gives what it printed once it has ended. */
async function program(name, text, ...args) {
  writeFileSync(join(folder, name), text);
  const { stdout } = await run(process.execPath, [name, ...args], { cwd: folder });
  return stdout.trim();
}

const ask = `
  const [issuer, bearer] = process.argv.slice(2);
  const verifier = await createVerifier({ issuer, audience: "orders" });
  const token = verifier.verify(bearer);
  process.stdout.write(token.subject + " " + token.has("orders:read"));
`;

async function real(t) {
  const issuer = await startIssuer(t);
  issuer.clock = Date.now();
  return issuer;
}

test("an ES module that imports it exits by itself", async (t) => {
  const issuer = await real(t);
  const text = `import { createVerifier } from "@keystone-auth/verifier"; ${ask}`;

  assert.equal(await program("import.mjs", text, issuer.url, issuer.token()), "alice true");
});

test("a CommonJS module that requires it exits by itself", async (t) => {
  const issuer = await real(t);
  const text = `const { createVerifier } = require("@keystone-auth/verifier"); (async () => { ${ask} })();`;

  assert.equal(await program("require.cjs", text, issuer.url, issuer.token()), "alice true");
});

test("a process that follows a revocation feed ends too", async (t) => {
  const issuer = await real(t);
  issuer.publishFeed();
  const text = `import { createVerifier } from "@keystone-auth/verifier"; ${ask} process.stdout.write(" " + verifier.feed.failure);`;

  assert.equal(await program("feed.mjs", text, issuer.url, issuer.token()), "alice true undefined");
});

test("a process whose issuer is away ends too", async (t) => {
  const issuer = await real(t);
  await issuer.stop();
  const text = `
    import { createVerifier } from "@keystone-auth/verifier";
    const verifier = await createVerifier({ issuer: process.argv[2], audience: "orders" });
    try { verifier.verify(process.argv[3]); } catch (error) { process.stdout.write(error.code); }
  `;

  assert.equal(await program("away.mjs", text, issuer.url, issuer.token()), "keys_unavailable");
});

test("a process with a gate ends too", async (t) => {
  const issuer = await real(t);
  const keys = { url: `${issuer.url}/.well-known/jwks.json` };
  const routes = [{ methods: ["GET"], path: "/orders", require: { all: ["orders:read"] } }];
  issuer.publishFeed();
  const path = `${issuer.url}/.well-known/keystone`;
  const revocation = { url: `${path}/revocations`, keys_url: `${path}/feed-jwks.json` };
  const policy = { version: 1, issuers: [{ issuer: issuer.url, audiences: ["orders"], keys, revocation }], routes };
  const text = `
    import { createGate } from "@keystone-auth/verifier/policy";
    const gate = await createGate({ policy: process.argv[2] });
    const request = { method: "GET", path: "/orders", authorization: "Bearer " + process.argv[3] };
    process.stdout.write(gate.decide(request).token.subject);
  `;

  assert.equal(await program("gate.mjs", text, JSON.stringify(policy), issuer.token()), "alice");
});

test("the TypeScript list of codes is the Rust list", () => {
  initSync({ module: new WebAssembly.Module(readFileSync(join(project, "pkg", "keystone_verifier_wasm_bg.wasm"))) });

  assert.deepEqual([...codes], wasmCodes().split(" "));
});

test("only the files of the list are published", () => {
  const paths = packed.files.map((file) => file.path).sort();
  const types = [
    ...[...entries, "decision", "errors", "gate", "options", "peek", "preflight", "public", "request", "token", "verifier"],
    ...["middleware/node", "middleware/lazy-guard", "testing/hostile", "testing/key"],
  ].map((name) => `types/${name}.d.ts`);

  assert.deepEqual(
    paths,
    [
      "API.md",
      "README.md",
      "dist/LICENSE-APACHE",
      "dist/LICENSE-MIT",
      ...[...types, ...entries.map((entry) => `${entry}.js`)].flatMap((name) => [`dist/${name}`, `dist/cjs/${name}`]),
      "dist/cjs/package.json",
      "dist/keystone_policy.wasm",
      "dist/keystone_verifier.wasm",
      "dist/policy.workerd.js",
      "dist/workerd.js",
      "package.json",
    ].sort(),
  );
});

test("publint and are-the-types-wrong find nothing", async () => {
  const tarball = join(folder, packed.filename);
  const tool = (name) => join(project, "node_modules", ".bin", name);

  await run(tool("publint"), ["--strict", tarball], { cwd: folder }).catch(({ stdout }) => assert.fail(stdout));
  await run(tool("attw"), [tarball, "--format", "ascii"]).catch(({ stdout }) => assert.fail(stdout));
});

test("API.md is what the declarations say", () => {
  assert.equal(readFileSync(join(project, "API.md"), "utf8"), reference(), "run `node api.mjs`");
});

test("a release that fits would publish exactly this package", async () => {
  const { stdout, stderr } = await run(process.execPath, ["release.mjs", "--dry-run"], { cwd: project });

  assert.match(stdout + stderr, /@keystone-auth\/verifier@/);
  assert.match(stderr, new RegExp(`total files: +${packed.files.length}`));
});

test("the entries keep their size limits", () => {
  const packed = (name) => gzipSync(readFileSync(join(project, "dist", name)), { level: 9 }).length;

  assert.ok(packed("index.js") <= 64_000, `${packed("index.js")} bytes`);
  for (const entry of entries.filter((name) => !["index", "policy", "testing", "webcrypto"].includes(name))) {
    assert.ok(packed(`${entry}.js`) <= 3_000, `${entry}: ${packed(`${entry}.js`)} bytes`);
  }
});

const wanted = { issuer: "https://login.example", audience: "orders", fetch: async () => assert.fail("no network here") };

test("the main entry compiles on import, in a page when needed", async (t) => {
  const here = t.mock.method(WebAssembly, "Module");
  const elsewhere = t.mock.method(WebAssembly, "compile");
  const beside = { index: "keystone_verifier.wasm", policy: "keystone_policy.wasm" };
  t.after(() => delete globalThis.window);

  for (const [place, compile] of Object.entries({ service: here, page: elsewhere })) {
    if (place === "page") globalThis.window = globalThis;
    for (const [entry, name] of Object.entries(beside)) {
      const wasm = readFileSync(join(project, "dist", name));
      const isCompiled = () => compile.mock.calls.some((call) => wasm.equals(call.arguments[0]));
      const { createVerifier } = await import(`../dist/${entry}.js?${place}`);
      assert.equal(isCompiled(), entry === "index" && place === "service", `${entry} in a ${place}, imported`);
      const verifier = await createVerifier(wanted);
      verifier.close();
      assert.ok(isCompiled(), `${entry} in a ${place}, started`);
    }
  }
});

test("forbidden WebAssembly is reported when a verifier starts", async (t) => {
  t.mock.method(WebAssembly, "Module", function off() {
    throw new Error("switched off");
  });

  const { createVerifier } = await import("../dist/index.js?off");

  await assert.rejects(createVerifier(wanted), ({ message, cause }) => {
    assert.match(message, /WebAssembly could not be started/);
    return cause.message === "switched off";
  });
});

test("every entry can be imported and required with types", async () => {
  const names = entries.map((entry) => (entry === "index" ? "" : `/${entry}`));
  const list = JSON.stringify(names.map((name) => `@keystone-auth/verifier${name}`));
  const kinds = "Object.values(entry).map((value) => typeof value).join()";

  const imported = await program("all.mjs", `for (const name of ${list}) { const entry = await import(name); console.log(${kinds}) }`);
  const required = await program("all.cjs", `for (const name of ${list}) { const entry = require(name); console.log(${kinds}) }`);

  assert.equal(imported, required);
  assert.equal(imported.split("\n").length, entries.length);
});

test("nothing is needed at run time", () => {
  const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.imports, undefined);

  for (const entry of entries) {
    const bundle = readFileSync(join(project, "dist", `${entry}.js`), "utf8");
    for (const foreign of ["import.meta", "require(", "console.", "import(", "import{"]) {
      assert.equal(bundle.includes(foreign), false, `${entry}: ${foreign}`);
    }
  }
});

test("the types are right for both module systems", async () => {
  const use = `
    const verifier: Verifier = await createVerifier({ issuer: "https://login.example", audience: ["orders"] });
    const token: Token = verifier.verify("");
    const held: boolean = token.has("orders:read") && token.hasAll(["a"]) && token.hasAny(["b"]);
    const session: string | undefined = token.session;
    const code: Code = new KeystoneError({} as never).code;
    if (code === "expired" && held && session) token.expiresAt.toFixed();
    // @ts-expect-error audience is never optional
    void createVerifier({ issuer: "https://login.example" });
    // @ts-expect-error results cannot be changed
    token.scopes.push("admin");
    // @ts-expect-error an object of the same shape is no verified token
    const forged: Token = { ...token, has: () => true, hasAll: () => true, hasAny: () => true };
    // @ts-expect-error there is no such code
    if (code === "expird") throw forged;
  `;
  const names = "type Code, createVerifier, KeystoneError, type Token, type Verifier";
  const load = `import { ${names} } from "@keystone-auth/verifier";`;
  writeFileSync(join(folder, "use.mts"), `${load} ${use}`);
  writeFileSync(join(folder, "use.cts"), `${load} export const used = async () => { ${use} };`);
  const tsc = createRequire(import.meta.url).resolve("typescript/package.json").replace("package.json", "bin/tsc");
  const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--module", "nodenext", "--target", "es2022"];

  const check = run(process.execPath, [tsc, ...options, "use.mts", "use.cts"], { cwd: folder });
  const { stdout } = await check.catch((error) => error);

  assert.equal(stdout, "");
});
