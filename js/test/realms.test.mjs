// What other libraries and other realms do to a process: pollution, classes that are there twice, platforms with less.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createContext, runInContext, runInNewContext } from "node:vm";
import * as onExpress from "../dist/express.js";
import * as onFetch from "../dist/fetch.js";
import * as onHono from "../dist/hono.js";
import { createVerifier, KeystoneError, peek } from "../dist/index.js";
import * as onNext from "../dist/next.js";
import * as onPolicy from "../dist/policy.js";
import { createTestIssuer } from "../dist/testing.js";
import * as onWebCrypto from "../dist/webcrypto.js";

const require = createRequire(import.meta.url);
const routes = [
  { methods: ["GET"], path: "/about", public: true },
  { methods: ["GET"], path: "/me", authenticated: true },
];

async function start(t) {
  const issuer = await createTestIssuer();
  const policy = { version: 1, issuers: [issuer.policy], routes };
  const gate = await onPolicy.createGate({ policy, ...issuer.runtime });
  const verifier = await createVerifier({ ...issuer.options, cacheSize: 0 });
  t.after(() => [gate, verifier].map((each) => each.close()));
  return { issuer, policy, gate, verifier };
}

/** Gives every object these members while `act` runs. */
async function polluted(members, act) {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
  }
  try {
    return await act();
  } finally {
    for (const name of Object.keys(members)) delete Object.prototype[name];
  }
}

test("a claim that is absent is not read from elsewhere", async (t) => {
  const { issuer, verifier, gate } = await start(t);
  const text = await issuer.token({ scope: undefined, nested: { own: 1 } });
  const claims = { scope: "admin", roles: ["admin"], sid: "s", tenant: "t", custom: true };

  await polluted(claims, async () => {
    for (const token of [verifier.verify(text), gate.decide({ method: "GET", path: "/me", authorization: `Bearer ${text}` }).token]) {
      assert.deepEqual([token.has("admin"), token.scopes, token.roles, token.session], [false, [], [], undefined]);
      assert.deepEqual([token.claims.tenant, token.claims.custom, token.claims.nested.custom, token.claims.nested.own], [undefined, undefined, undefined, 1]);
    }
    assert.deepEqual([peek(text).claims.tenant, peek(text).header.custom], [undefined, undefined]);
  });
});

test("an option that is absent is not read from elsewhere", async () => {
  const options = { issuer: "http://login.example", audience: "orders" };
  await polluted({ allowHttp: true }, async () => {
    await assert.rejects(createVerifier(options), { name: "TypeError", message: /allowHttp/ });
    const policy = { version: 1, issuers: [{ issuer: "https://a.example", audiences: ["a"], keys: { url: "http://a.example" } }], routes };
    await assert.rejects(onPolicy.createGate({ policy }), { name: "TypeError", message: /allowHttp/ });
  });
  await polluted({ issuer: "https://evil.example", audience: "orders" }, async () => {
    await assert.rejects(createVerifier({}), { name: "TypeError", message: /issuer: expected/ });
    await assert.rejects(createVerifier({ issuer: "https://login.example" }), { name: "TypeError", message: /audience: expected/ });
  });
});

test("options, requests and metadata are what they hold themselves", async () => {
  const issuer = await createTestIssuer();
  const fetch = async (url) => {
    assert.ok(!String(url).includes("evil"), String(url));
    return issuer.fetch(url);
  };
  const evil = "https://evil.example/";
  const names = { jwksUri: evil, leeway: 120, maxLifetime: 1, snapshot: evil, cacheSize: 0, revocation: "off", keystone_revocations_uri: evil };
  await polluted(names, async () => {
    const verifier = await createVerifier({ ...issuer.options, fetch });
    assert.equal(verifier.verify(await issuer.token()).subject, "alice");
    assert.ok(verifier.feed.url.startsWith("https://issuer.test/"));
    verifier.close();
  });
});

test("an absent part of a request is not read elsewhere", async (t) => {
  const { issuer, gate, verifier } = await start(t);
  const authorization = `Bearer ${await issuer.token()}`;
  const guard = verifier.guard({ authenticated: true });

  await polluted({ authorization, path: "/about", method: "GET", url: "https://a.example/about" }, () => {
    for (const { decide } of [guard, { decide: (request) => gate.decide(request) }]) {
      assert.equal(decide({ method: "GET", path: "/me" }).error.code, "no_credentials");
      assert.equal(decide(new Request("https://orders.example/me")).error.code, "no_credentials");
      assert.throws(() => decide({ path: "/me", authorization }), { name: "TypeError", message: /method: expected a string/ });
    }
    assert.throws(() => gate.decide({ method: "GET", authorization }), { name: "TypeError" });
  });
  await polluted({ roles: ["nobody"], all: ["nothing"], authenticated: true }, async () => {
    const all = `Bearer ${await issuer.token({ scope: "a" })}`;
    assert.equal(verifier.guard("a").decide({ method: "GET", path: "/", authorization: all }).outcome, "allow");
    assert.equal(verifier.guard({ any: ["a"] }).decide({ method: "GET", path: "/", authorization: all }).outcome, "allow");
    assert.throws(() => verifier.guard({}), { name: "TypeError" });
  });
});

test("a public route brings no token, whatever every object has", async (t) => {
  const { gate } = await start(t);
  const token = { subject: "root" };

  await polluted({ token }, async () => {
    const given = [];
    const request = () => new Request("https://orders.example/about");
    await onFetch.protect(gate, (_, token) => given.push(token))(request());
    await onHono.protect(gate)({ req: { raw: request(), url: request().url, path: "/about", method: "GET", header: () => undefined }, set: (_, token) => given.push(token) }, () => {});
    const express = Object.create(null, { method: { value: "GET" }, url: { value: "/about" }, headers: { value: {} } });
    await new Promise((next) => onExpress.protect(gate)(Object.assign(express), {}, next));
    assert.deepEqual([...given, express.token], [undefined, undefined, undefined]);
    assert.equal(await onNext.middleware(gate)(request()), undefined);
  });
});

test("an error of one entry is one of every other", async (t) => {
  const entries = [{ createVerifier, KeystoneError }, onPolicy, onWebCrypto, require("../dist/cjs/index.js"), require("../dist/cjs/policy.js"), require("../dist/cjs/webcrypto.js")];
  const errors = [];
  for (const { createVerifier } of entries) {
    const issuer = await createTestIssuer();
    const verifier = await createVerifier(issuer.options);
    t.after(() => verifier.close());
    assert.throws(() => verifier.verify("a.b.c"), (error) => errors.push(error) > 0);
  }
  assert.equal(new Set(errors.map((error) => error.constructor)).size, entries.length);

  for (const { KeystoneError } of entries) {
    for (const error of errors) assert.ok(error instanceof KeystoneError);
    for (const other of [new Error("a"), new TypeError("a"), {}, { name: "KeystoneError" }, null, undefined, "KeystoneError", KeystoneError]) {
      assert.equal(other instanceof KeystoneError, false);
    }
    class Narrower extends KeystoneError {}
    assert.equal(errors[0] instanceof Narrower, false);
    const own = new Narrower({ code: "expired", status: 401, problem: "{}", message: "own" });
    assert.ok(own instanceof Narrower && own instanceof KeystoneError && own instanceof Error);
  }
});

test("bytes of another realm are a policy", async (t) => {
  const { issuer, policy } = await start(t);
  const text = JSON.stringify(policy);
  const bytes = runInNewContext("(text) => { const { length } = text; return Uint8Array.from({ length }, (_, at) => text.charCodeAt(at)); }")(text);
  assert.equal(bytes instanceof Uint8Array, false);
  const part = new Uint8Array([...Buffer.from("{{"), ...Buffer.from(text), 0]).subarray(2, 2 + text.length);

  for (const policy of [bytes, part, new DataView(bytes.buffer)]) {
    const gate = await onPolicy.createGate({ policy, ...issuer.runtime });
    t.after(() => gate.close());
    assert.equal(gate.decide({ method: "GET", path: "/about" }).outcome, "public");
  }
  const circle = {};
  circle.self = circle;
  for (const policy of [circle, { version: 1n }]) {
    await assert.rejects(onPolicy.createGate({ policy }), { name: "TypeError", message: /^createGate: policy: / });
  }
});

test("a realm without text codecs takes those of Node", async (t) => {
  const { issuer, policy } = await start(t);
  const { console, crypto, AbortController, URL, clearTimeout, process, setTimeout } = globalThis;
  const context = createContext({ console, crypto, AbortController, URL, clearTimeout, process, setTimeout });
  assert.equal(runInContext("typeof TextDecoder + typeof TextEncoder", context), "undefinedundefined");

  for (const entry of ["index", "policy"]) {
    const text = readFileSync(new URL(`../dist/cjs/${entry}.js`, import.meta.url), "utf8");
    const module = { exports: {} };
    runInContext(`(function (module, exports) {${text}\n})`, context)(module, module.exports);
    const { createGate, createVerifier } = module.exports;
    const verifier = await createVerifier(issuer.options);
    assert.equal(verifier.verify(await issuer.token()).subject, "alice");
    verifier.close();
    if (createGate === undefined) continue;
    const gate = await createGate({ policy: runInContext(`(${JSON.stringify(policy)})`, context), ...issuer.runtime });
    assert.equal((await gate.decideAsync({ method: "GET", path: "/me", authorization: `Bearer ${await issuer.token()}` })).outcome, "allow");
    gate.close();
  }
});
