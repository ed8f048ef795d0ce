// Accepted tokens are remembered, and nobody can tell by the verdicts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createVerifier, KeystoneError } from "../dist/index.js";
import { createTestIssuer } from "../dist/testing.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

async function start(t, changes) {
  const issuer = await createTestIssuer({ now: Date.UTC(2026, 0, 1) });
  const verifier = await createVerifier({ ...issuer.options, jitter: () => 0.5, ...changes });
  t.after(() => verifier.close());
  return { issuer, verifier };
}

function codeOf(verifier, token) {
  try {
    return verifier.verify(token) && "accepted";
  } catch (error) {
    assert.ok(error instanceof KeystoneError, String(error));
    return error.code;
  }
}

/** The same text in another place of the memory, as every request brings it. */
function copy(text) {
  return Buffer.from(text).toString();
}

test("a cached token is the same object", async (t) => {
  const { issuer, verifier } = await start(t);
  const text = await issuer.token();

  assert.equal(verifier.verify(copy(text)), verifier.verify(copy(text)));
});

test("a service may have nothing remembered", async (t) => {
  const { issuer, verifier } = await start(t, { cacheSize: 0 });
  const text = await issuer.token();

  assert.notEqual(verifier.verify(text), verifier.verify(text));
  assert.deepEqual({ ...verifier.verify(text) }, { ...verifier.verify(text) });
});

test("every byte of a token counts, not only its end", async (t) => {
  const { issuer, verifier } = await start(t);
  const text = await issuer.token();
  verifier.verify(text);

  for (let at = 0; at < text.length - 33; at += 1) {
    const changed = `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
    assert.notEqual(codeOf(verifier, changed), "accepted", `byte ${at}`);
  }
  assert.equal(codeOf(verifier, text), "accepted");
});

test("a cached token gets the verdict of an uncached one", async (t) => {
  const { issuer, verifier } = await start(t);
  const forgetful = await createVerifier({ ...issuer.options, jitter: () => 0.5, cacheSize: 0 });
  t.after(() => forgetful.close());
  const now = issuer.now() / 1000;
  const tokens = await Promise.all([
    issuer.token({ exp: now + 60 }),
    issuer.token({ exp: now + 60, nbf: now + 20 }),
    issuer.token({ exp: now + 1000 }),
  ]);

  // An hour in which the issuer goes away, and back again, as clocks do.
  const seen = new Set();
  issuer.away = true;
  for (const step of [...Array(700).fill(1), ...Array(400).fill(-1), ...Array(300).fill(-2)]) {
    for (const token of tokens) {
      const code = codeOf(verifier, token);
      assert.equal(code, codeOf(forgetful, token), `${(issuer.now() / 1000 - now)} seconds after the start`);
      seen.add(code);
    }
    issuer.pass(step);
  }
  assert.deepEqual([...seen].sort(), ["accepted", "expired", "issued_in_future", "keys_unavailable", "not_yet_valid"]);
});

test("a key that went takes its tokens along", async (t) => {
  const { issuer, verifier } = await start(t);
  const text = await issuer.token();
  verifier.verify(text);

  await issuer.rotate();
  issuer.keys.pop();
  issuer.pass(30);
  codeOf(verifier, text);
  await assert.rejects(verifier.verifyAsync(await issuer.token({}, { key: issuer.keys[0] })).then(() => verifier.verify(text)), {
    code: "unknown_kid",
  });
});

test("keys past their hard age take their tokens along", async (t) => {
  const { issuer, verifier } = await start(t);
  const text = await issuer.token();
  verifier.verify(text);
  issuer.away = true;

  issuer.pass(599);
  assert.equal(codeOf(verifier, text), "accepted");
  issuer.pass(1);
  assert.equal(codeOf(verifier, text), "keys_unavailable");
});

test("more tokens than are remembered take no more memory", async (t) => {
  const { issuer, verifier } = await start(t, { cacheSize: 500 });
  const tokens = await Promise.all(Array.from({ length: 3000 }, () => issuer.token()));
  const round = () => {
    for (const token of tokens) verifier.verify(token);
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  round();
  const before = round();
  for (let times = 0; times < 5; times += 1) round();

  assert.ok(round() - before < 1_000_000, "memory grows");
});
