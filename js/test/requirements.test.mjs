// What requests must hold: the words of a policy file, checked where they are given.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as onExpress from "../dist/express.js";
import * as onFastify from "../dist/fastify.js";
import * as onFetch from "../dist/fetch.js";
import * as onHono from "../dist/hono.js";
import { createVerifier } from "../dist/index.js";
import * as onKoa from "../dist/koa.js";
import * as onNext from "../dist/next.js";
import { createTestIssuer } from "../dist/testing.js";

const adapters = { onExpress, onFastify, onFetch, onHono, onKoa, onNext };

// RFC 6749 section 3.3: %x21 / %x23-5B / %x5D-7E.
const tokens = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code)).filter((sign) => /^[!#-[\]-~]$/.test(sign));

const noScopes = [
  ...Array.from({ length: 0x21 }, (_, code) => `a${String.fromCharCode(code)}b`),
  ...['tenant:x",realm="evil', "a\\b", "a\x7fb", "a\u00e9", "a\u2028", "\ud800", "", " ", "a\n", "\ra"],
];

async function start(t) {
  const issuer = await createTestIssuer();
  const verifier = await createVerifier(issuer.options);
  t.after(() => verifier.close());
  return { issuer, verifier };
}

test("what is no scope is a mistake, wherever it is given", async (t) => {
  const { verifier } = await start(t);

  for (const scope of noScopes) {
    for (const requirement of [scope, { all: [scope] }, { any: ["a", scope] }, { all: ["a"], any: [scope], roles: ["r"] }]) {
      const mistake = { name: "TypeError", message: /^requirement: (all|any): / };
      assert.throws(() => verifier.guard(requirement), mistake, JSON.stringify(requirement));
      for (const { protect } of Object.values(adapters)) {
        for (const source of [verifier, () => verifier, Promise.resolve(verifier)]) {
          assert.throws(() => protect(source, requirement, () => {}), mistake, JSON.stringify(requirement));
        }
      }
    }
  }
});

test("the message shows an invalid scope on one line", async (t) => {
  const { verifier } = await start(t);

  assert.throws(() => verifier.guard("a\r\nset-cookie: b"), { message: /^[ -~]*"a\\r\\nset-cookie: b"[ -~]*$/ });
});

test("every character of a scope reaches challenge and body", async (t) => {
  const { issuer, verifier } = await start(t);
  const scopes = tokens.map((sign) => `x${sign}`);
  const request = { method: "GET", path: "/", authorization: `Bearer ${await issuer.token()}` };

  const { error } = verifier.guard({ all: scopes }).decide(request);

  assert.equal(error.code, "insufficient_scope");
  assert.equal(/ scope="(.*)"$/.exec(error.challenge)[1], scopes.join(" "));
  assert.equal(JSON.parse(error.problem).scope, scopes.join(" "));
  assert.ok(error.message.endsWith(scopes.join(" ")));
  const holder = { ...request, authorization: `Bearer ${await issuer.token({ scope: scopes.join(" ") })}` };
  assert.equal(verifier.guard({ all: scopes, any: [scopes[3]] }).decide(holder).outcome, "allow");
});

test("a role is any name, and no name is taken for two", async (t) => {
  const { issuer, verifier } = await start(t);
  const ask = async (roles, held) => {
    const authorization = `Bearer ${await issuer.token({ roles: held })}`;
    return verifier.guard({ roles }).decide({ method: "GET", path: "/", authorization }).outcome;
  };

  for (const role of ["clerk", "two words", 'a"b', "a\nb", "\u00e9", "a,b"]) {
    assert.equal(await ask([role], [role]), "allow", role);
    assert.equal(await ask([`${role} clerk`, `${role}\nclerk`], [role, "clerk"]), "deny", role);
  }
});

test("protect takes a verifier, a gate, or a promise of one", async () => {
  for (const source of [undefined, null, 5, "verifier", true, Symbol("s")]) {
    for (const { protect } of Object.values(adapters)) {
      assert.throws(() => protect(source, "a", () => {}), { name: "TypeError", message: /^protect: expected a verifier or a gate/ });
      if (protect !== onFetch.protect && protect !== onNext.protect) continue;
      const late = protect(() => source, "a", () => {});
      await assert.rejects(late(new Request("https://a.example")), { name: "TypeError", message: /^protect: expected a verifier or a gate/ });
    }
  }
});

test("lists of another kind are mistakes", async (t) => {
  const { verifier } = await start(t);
  const endless = { [Symbol.iterator]: () => ({ next: () => ({ value: "a" }) }) };

  for (const list of [undefined, null, [], "a", {}, endless, { length: 1 }, new Array(2), [undefined], ["a", 5], new Array(2 ** 32 - 1), new Set(["a"])]) {
    assert.throws(() => verifier.guard({ any: list }), { name: "TypeError", message: /^requirement: / });
    assert.throws(() => verifier.guard({ roles: list }), { name: "TypeError", message: /^requirement: / });
  }
});

test("what was required once is not kept", async (t) => {
  const { Instance } = WebAssembly;
  const memories = [];
  t.after(() => Object.assign(WebAssembly, { Instance }));
  WebAssembly.Instance = class extends Instance {
    constructor(...given) {
      super(...given);
      memories.push(this.exports.memory);
    }
  };
  const { createVerifier } = await import("../dist/index.js?memory");
  const issuer = await createTestIssuer();
  const verifier = await createVerifier(issuer.options);
  t.after(() => verifier.close());
  const request = { method: "GET", path: "/", authorization: `Bearer ${await issuer.token()}` };
  const taken = () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  const require = (tenant) => verifier.guard(`tenant:${tenant}:${"x".repeat(1000)}`).decide(request).error.code;
  for (let tenant = 0; tenant < 100; tenant += 1) assert.equal(require(tenant), "insufficient_scope");
  const before = taken();

  for (let tenant = 100; tenant < 4_000; tenant += 1) require(tenant);

  assert.ok(before > 0);
  assert.equal(taken() - before, 0);
});
