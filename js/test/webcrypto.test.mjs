// The entry for pages that forbid WebAssembly. That it gives the verdicts of all others is shown in the browsers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

const file = JSON.parse(readFileSync(new URL("../../tests/vectors/hostile.json", import.meta.url)));
const { subtle } = globalThis.crypto;
const { WebAssembly } = globalThis;
const good = file.cases.find(({ verdict }) => verdict === "allow");
const forged = file.cases.find(({ name }) => name === "the claims of another token");
let createGate;
let createVerifier;

before(async () => {
  delete globalThis.WebAssembly;
  ({ createGate, createVerifier } = await import("../dist/webcrypto.js"));
});
after(() => {
  globalThis.WebAssembly = WebAssembly;
});

function signatures() {
  return file.cases.filter(({ verdict, keys, path }) => verdict === "signature" && !keys && path === "/me");
}

function gate(create = createGate) {
  return create({ policy: file.policy, now: () => file.now * 1000 });
}

function verifier(create = createVerifier) {
  const [{ issuer, audiences, keys }] = file.policy.issuers;
  // Node's own Response wants WebAssembly.
  const fetch = async () => ({ status: 200, body: new Blob([JSON.stringify(keys.inline)]).stream() });
  return create({ issuer, audience: audiences, jwksUri: `${issuer}/keys`, fetch, now: () => file.now * 1000 });
}

const bearer = ({ authorization: [value] }) => value.slice("Bearer ".length);
const word = ({ outcome, error }) => error?.code ?? outcome;

function instead(t, name, act) {
  t.mock.method(Object.getPrototypeOf(subtle), name, act);
}

test("every case about signatures gets its verdict", async () => {
  const asked = await gate();
  for (const { name, method, path, authorization, verdict } of [good, ...signatures()]) {
    assert.equal(word(await asked.decideAsync({ method, path, authorization })), verdict, name);
  }
});

test("an awaited decision rests on WebCrypto's answer", async (t) => {
  const asked = await gate();
  instead(t, "verify", async () => true);
  assert.equal(word(await asked.decideAsync(forged)), "allow");
  t.mock.restoreAll();

  const anew = await gate();
  instead(t, "verify", async () => false);
  assert.equal(word(await anew.decideAsync(good)), "signature");
});

test("a decision that is not awaited rests on the engine alone", async (t) => {
  const asked = await gate();
  instead(t, "verify", async () => true);

  assert.equal(word(asked.decide(forged)), "signature");
  assert.equal(word(asked.decide(good)), "allow");
});

test("an awaited token is cached only if WebCrypto accepts it", async (t) => {
  const verifying = await verifier();
  t.after(() => verifying.close());
  instead(t, "verify", async () => false);
  await assert.rejects(verifying.verifyAsync(bearer(good)), { code: "signature" });
  t.mock.restoreAll();

  assert.throws(() => verifying.verify(bearer(forged)), { code: "signature" });
  assert.equal((await verifying.verifyAsync(bearer(good))).subject, "u1");
  assert.equal(verifying.verify(bearer(good)), await verifying.verifyAsync(bearer(good)));
});

test("a gate that is closed while it waits says so", async () => {
  const closing = await gate();
  const decision = closing.decideAsync(good);
  closing.close();

  await assert.rejects(decision, /closed/);
});

/** Platforms whose WebCrypto is of no use: a page over http has no `subtle` at all. */
const useless = {
  "no crypto": undefined,
  "no subtle": {},
  "subtle that rejects a key": { subtle: { importKey: async () => assert.fail(), verify: async () => true } },
  "subtle that throws at a key": { subtle: { importKey: () => assert.fail() } },
  "subtle that rejects a signature": { subtle: { importKey: async () => ({}), verify: () => Promise.reject(new DOMException("no")) } },
  "subtle that throws at a signature": { subtle: { importKey: async () => ({}), verify: () => assert.fail() } },
  "subtle that answers nothing": { subtle: { importKey: async () => ({}), verify: async () => undefined } },
  "subtle that answers with a text": { subtle: { importKey: async () => ({}), verify: async () => "true" } },
};

for (const [name, crypto] of Object.entries(useless)) {
  test(`${name}: the engine checks the signature by itself`, async (t) => {
    const { createGate, createVerifier } = await import(`../dist/webcrypto.js?${encodeURIComponent(name)}`);
    const given = Object.getOwnPropertyDescriptor(globalThis, "crypto");
    Object.defineProperty(globalThis, "crypto", { configurable: true, value: crypto });
    t.after(() => Object.defineProperty(globalThis, "crypto", given));
    const [asked, verifying] = [await gate(createGate), await verifier(createVerifier)];
    t.after(() => [asked, verifying].map((each) => each.close()));

    for (const one of [good, forged, good]) assert.equal(word(await asked.decideAsync(one)), one.verdict);
    assert.equal((await verifying.verifyAsync(bearer(good))).subject, "u1");
    await assert.rejects(verifying.verifyAsync(bearer(forged)), { code: "signature" });
  });
}
