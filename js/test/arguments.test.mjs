// Whatever a caller passes: a TypeError that names it, and an engine that goes on as before.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { transform } from "esbuild";
import { createVerifier } from "../dist/index.js";
import * as onPolicy from "../dist/policy.js";
import { createTestIssuer } from "../dist/testing.js";
import * as onWebCrypto from "../dist/webcrypto.js";
import * as glue from "../pkg/small/keystone_verifier_wasm.js";

const routes = [{ methods: ["GET"], path: "/me", authenticated: true }];
const entries = { index: { createVerifier }, policy: onPolicy, webcrypto: onWebCrypto };

// More than the module's stack of a megabyte had room for.
const TIMES = 25_000;

const hostile = [undefined, null, 5, 5n, true, Symbol("s"), () => "/me", {}, { length: 1e9 }, [], [undefined], new String("/me")];
const requests = [
  ...hostile.filter((value) => typeof value !== "object" || value === null).map((request) => [request, /request: expected/]),
  [{}, /method: expected a string, got undefined/],
  [{ url: 5, method: "GET" }, /request: expected/],
  [{ url: "/me", method: "GET", headers: new Headers() }, /request: expected .* not absolute/],
  [{ url: "https://a.example/me", method: "GET", headers: { authorization: "Bearer a.b.c" } }, /request: expected/],
  ...hostile.map((method) => [{ method, path: "/me", authorization: "" }, /method: expected a string/]),
  ...hostile.filter((path) => path !== undefined).map((path) => [{ method: "GET", path, authorization: "" }, /path: expected a string/]),
  ...[5, 5n, true, Symbol("s"), {}, { length: 1e9 }, [undefined], [null], ["Bearer a.b.c", 5], [["Bearer a.b.c"]], new Array(2 ** 32 - 1)].map(
    (authorization) => [{ method: "GET", path: "/me", authorization }, /authorization: expected a string or a list of strings/],
  ),
];

async function gateOf(t, { createGate }) {
  const issuer = await createTestIssuer();
  const cors = { origins: ["https://app.example"] };
  const policy = { version: 1, issuers: [issuer.policy], routes, cors };
  const gate = await createGate({ policy, ...issuer.runtime });
  t.after(() => gate.close());
  return { gate, good: { method: "GET", path: "/me", authorization: `Bearer ${await issuer.token()}` } };
}

async function verifierOf(t, { createVerifier }) {
  const issuer = await createTestIssuer();
  const verifier = await createVerifier(issuer.options);
  t.after(() => verifier.close());
  return { verifier, token: await issuer.token() };
}

for (const [entry, made] of Object.entries(entries)) {
  test(`${entry}: a verifier names the argument that is wrong`, async (t) => {
    const { verifier, token } = await verifierOf(t, made);
    const guard = verifier.guard({ authenticated: true });

    for (const value of hostile) {
      assert.throws(() => verifier.verify(value), { name: "TypeError", message: /verify: token: expected a string/ });
      await assert.rejects(verifier.verifyAsync(value), { name: "TypeError", message: /token: expected a string/ });
      assert.throws(() => verifier.guard(value), { name: "TypeError", message: /requirement: / });
    }
    for (const [request, message] of requests) {
      assert.throws(() => guard.decide(request), { name: "TypeError", message });
      await assert.rejects(guard.decideAsync(request), { name: "TypeError", message });
    }
    assert.equal(verifier.verify(token).subject, "alice");
  });

  if (made.createGate === undefined) continue;
  test(`${entry}: a gate names the argument that is wrong`, async (t) => {
    const { gate, good } = await gateOf(t, made);

    for (const [request, message] of requests) {
      assert.throws(() => gate.decide(request), { name: "TypeError", message });
      assert.throws(() => gate.explain(request), { name: "TypeError", message });
      await assert.rejects(gate.decideAsync(request), { name: "TypeError", message });
    }
    for (const name of ["origin", "accessControlRequestMethod"]) {
      const request = { method: "OPTIONS", path: "/me", origin: "https://app.example", accessControlRequestMethod: "GET" };
      assert.throws(() => gate.preflight({ ...request, [name]: [5] }), { name: "TypeError", message: new RegExp(`${name}: expected`) });
    }
    assert.throws(() => gate.decide({ ...good, path: "/other", origin: {} }), { name: "TypeError", message: /origin: expected/ });
    assert.equal(gate.decide(good).outcome, "allow");
  });
}

test("an issuer's answer of another kind is a failed fetch", async () => {
  const issuer = await createTestIssuer();
  const endless = { read: async () => ({ done: false, value: { length: 1e9 } }) };
  const bodies = [{ getReader: () => endless }, new ReadableStream({ start: (stream) => stream.enqueue("{}") }), "text", {}, 5];
  const answers = [undefined, null, 5, "200", {}, { status: 200 }, { status: "200" }, ...bodies.map((body) => ({ status: 200, body }))];
  for (const answer of [...answers.map((answer) => async () => answer), () => answers, () => assert.fail()]) {
    for (const { createVerifier } of Object.values(entries)) {
      const verifier = await createVerifier({ ...issuer.options, jwksUri: "https://issuer.test/keys", fetch: answer });
      assert.throws(() => verifier.verify("a.b.c"), { name: "KeystoneError" });
      verifier.close();
    }
  }
});

test("the testing kit names the argument that is wrong", async () => {
  const issuer = await createTestIssuer();
  const mistakes = [
    [() => createTestIssuer(5), /createTestIssuer: expected an object/],
    [() => createTestIssuer({ issuer: 5 }), /issuer: expected a string/],
    [() => createTestIssuer({ issuer: "issuer" }), /issuer: expected a URL/],
    [() => createTestIssuer({ audience: ["orders"] }), /audience: expected a string/],
    [() => createTestIssuer({ now: new Date() }), /now: expected a finite number/],
    [() => createTestIssuer({ subject: "alice" }), /unknown option subject/],
    [() => issuer.token("alice"), /token: claims: expected an object/],
    [() => issuer.token({}, { header: 5 }), /token: header: expected an object/],
    [() => issuer.token({}, { key: 5 }), /token: key: expected a TestKey/],
    [() => issuer.token({}, { kid: "k" }), /unknown option kid/],
    [async () => issuer.pass("5"), /pass: seconds: expected a finite number/],
    [async () => issuer.pass(Number.NaN), /pass: seconds: expected a finite number/],
    [async () => issuer.revoke("alice"), /revoke: expected an object/],
    [async () => issuer.revoke({ sub: 5 }), /revoke: sub: expected a string/],
    [async () => issuer.revoke({ user: "alice" }), /unknown option user/],
    [() => issuer.keys[0].sign({}, "{}"), /sign: header: expected a string/],
  ];
  for (const [work, message] of mistakes) await assert.rejects(work, { name: "TypeError", message });
});

test("a clock or jitter that breaks later ends nothing", async (t) => {
  const issuer = await createTestIssuer();
  for (const wrong of [() => assert.fail(), () => 5n, () => "5", () => Symbol("s"), () => ({})]) {
    let isBroken = false;
    const broken = (whole) => () => (isBroken ? wrong() : whole());
    const verifier = await createVerifier({ ...issuer.options, now: broken(issuer.now), jitter: broken(() => 0.5) });
    t.after(() => verifier.close());
    const token = await issuer.token();
    assert.equal(verifier.verify(token).subject, "alice");
    isBroken = true;

    assert.throws(() => verifier.verify(token), { name: "KeystoneError" });
  }
});

for (const [entry, made] of Object.entries(entries)) {
  test(`${entry}: values without number or end take no memory`, async (t) => {
    const { verifier, token } = await verifierOf(t, made);
    const gates = made.createGate === undefined ? [] : [(await gateOf(t, made)).gate];
    const name = "a".repeat(8_193);
    for (const wrong of [name, { all: [name] }, { any: Array(16_384).fill("a") }, { roles: [name] }]) {
      assert.throws(() => verifier.guard(wrong), { name: "TypeError", message: /longer than the 8192 characters/ });
    }
    const before = process.memoryUsage().rss;
    for (const guard of [verifier.guard({ authenticated: true }), ...gates]) {
      for (const [authorization, code] of [
        [Array(16_384).fill("x".repeat(65_536)), "multiple_credentials"],
        ["x".repeat(1e8), "no_credentials"],
        [Array(16_384).fill(""), "no_credentials"],
      ]) {
        assert.equal(guard.decide({ method: "GET", path: "/me", authorization }).error.code, code);
      }
    }
    assert.ok(process.memoryUsage().rss - before < 256 << 20);
    assert.equal(verifier.verify(token).subject, "alice");
  });
}

test("mistakes without number cost nothing that is needed later", async (t) => {
  const { gate, good } = await gateOf(t, onPolicy);
  for (let times = 0; times < TIMES; times += 1) {
    for (const wrong of [{ authorization: [undefined] }, { path: 5 }, { path: { length: 1e9 } }]) {
      assert.throws(() => gate.decide({ ...good, ...wrong }), TypeError);
    }
  }

  assert.equal(gate.decide(good).outcome, "allow");
});

test("what a gate says once it is closed costs nothing either", async (t) => {
  const { gate, good } = await gateOf(t, onPolicy);
  const closed = (await gateOf(t, onPolicy)).gate;
  closed.close();
  for (let times = 0; times < TIMES; times += 1) assert.throws(() => closed.decide(good), /was closed/);

  assert.equal(gate.decide(good).outcome, "allow");
});

test("an exception inside of the module takes nothing of its stack", async () => {
  const source = readFileSync(new URL("../src/start.ts", import.meta.url), "utf8");
  const { code } = await transform(source, { loader: "ts", format: "esm" });
  const { starter } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const { Engine, initSync, selfTest } = glue;
  const wasm = readFileSync(new URL("../dist/keystone_verifier.wasm", import.meta.url));
  const enter = await starter({ initSync, selfTest, classes: [Engine] }, () => new WebAssembly.Module(wasm))();
  const engine = enter(() => new Engine("a", ["a"], undefined, undefined));
  const closed = enter(() => new Engine("a", ["a"], undefined, undefined));
  closed.free();

  for (let times = 0; times < TIMES; times += 1) {
    assert.throws(() => engine.authorize([undefined], [], [], [], 1), /wrong type/);
    assert.throws(() => closed.epoch, /null pointer/);
    assert.throws(() => enter(() => new Engine("a", [undefined], undefined, undefined)), /wrong type/);
  }

  assert.match(engine.authorize(["Bearer a.b.c"], [], [], [], 1), /^\{"code":"base64"/);
  assert.ok(selfTest());
});
