// One request, one code: the entries, a verifier's guard and a gate, and values of every length.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createGate } from "../dist/policy.js";
import * as onWebCrypto from "../dist/webcrypto.js";
import { createVerifier } from "../dist/index.js";
import { createTestIssuer } from "../dist/testing.js";

const routes = [{ methods: ["GET"], path: "/me", authenticated: true }];

async function start(t) {
  const issuer = await createTestIssuer();
  const policy = { version: 1, issuers: [issuer.policy], routes };
  const gates = await Promise.all([createGate, onWebCrypto.createGate].map((create) => create({ policy, ...issuer.runtime })));
  const verifiers = await Promise.all([createVerifier, onWebCrypto.createVerifier].map((create) => create(issuer.options)));
  t.after(() => [...gates, ...verifiers].map((each) => each.close()));
  const guards = [...gates, ...verifiers.map((verifier) => verifier.guard({ authenticated: true }))];
  return { issuer, verifiers, guards };
}

const word = ({ outcome, error }) => error?.code ?? outcome;

async function codes(guards, authorization) {
  const request = { method: "GET", path: "/me", authorization };
  return new Set((await Promise.all(guards.flatMap((guard) => [guard.decide(request), guard.decideAsync(request)]))).map(word));
}

const LIMIT = 8192;
const lengths = [LIMIT - 8, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 7, LIMIT + 8, LIMIT + 9, 65_529, 65_536, 65_537, 200_000];
const characters = ["a", ".", "\u{e9}", "\u{ff}", "\u{100}", "\u{1f511}", "\ud800"];
const ends = ["", ",", " ", "\t", ", Bearer a.b.c", " b", " b c", "\tb", " \t", "x,", "=", "\n"];

test("a value of any length gets one code, from every guard", async (t) => {
  const { guards } = await start(t);
  const seen = new Set();
  for (const scheme of ["Bearer ", "bearer ", "Bearer\t", "Basic ", ""]) {
    for (const length of lengths) {
      for (const end of ends) {
        const told = await codes(guards, `${scheme}${"a".repeat(length)}${end}`);
        assert.equal(told.size, 1, `${scheme}${length}${JSON.stringify(end)}: ${[...told]}`);
        for (const code of told) seen.add(code);
      }
    }
  }
  const all = ["malformed", "too_large", "multiple_credentials", "bad_authorization", "no_credentials"];
  assert.deepEqual([...seen].sort(), all.sort());
});

test("a long value is told what its end brings, as a short one is", async (t) => {
  const { guards } = await start(t);
  for (const scheme of ["Bearer ", "Bearer", "Basic ", ""]) {
    for (const end of ends.filter((end) => end !== "")) {
      const [short] = await codes(guards, `${scheme}${"a".repeat(100)}${end}`);
      const [long] = await codes(guards, `${scheme}${"a".repeat(100_000)}${end}`);
      const isToken = ["malformed", "base64"].includes(short);
      assert.equal(long, isToken ? "too_large" : short, `${scheme}${JSON.stringify(end)}`);
    }
  }
});

test("a token gets the code of the request that brings it", async (t) => {
  const { issuer, verifiers, guards } = await start(t);
  const told = (verify) => verify().then(() => "allow", ({ code }) => code);
  const tokens = lengths.flatMap((length) => characters.flatMap((character) => [character.repeat(length), `${"a".repeat(length - 1)}${character}`]));
  for (const token of [...tokens, await issuer.token(), await issuer.token({ pad: "p".repeat(6000) })]) {
    const here = await codes(guards, `Bearer ${token}`);
    for (const verifier of verifiers) {
      here.add(await told(async () => verifier.verify(token)));
      here.add(await told(() => verifier.verifyAsync(token)));
    }
    assert.equal(here.size, 1, `${token.length} × ${token.at(-1)}: ${[...here]}`);
  }
});
