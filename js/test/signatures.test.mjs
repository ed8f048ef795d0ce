// Signatures as Node itself makes them, so many by one key that its tables are made meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier } from "../dist/index.js";
import { newKey, startIssuer } from "./issuer.mjs";

const TOKENS = 600;

function verdict(verifier, token) {
  try {
    return verifier.verify(token) && "accepted";
  } catch (error) {
    return error.code;
  }
}

/** The token with one bit of its signature changed. */
function flipped(token, bit) {
  const at = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(at), "base64url");
  signature[bit >> 3] ^= 1 << (bit & 7);
  return token.slice(0, at) + signature.toString("base64url");
}

test("several keys accept their tokens and no changed bit", async (t) => {
  const issuer = await startIssuer(t);
  issuer.keys = ["first", "second", "third"].map(newKey);
  const verifier = await createVerifier(issuer.options({ cacheSize: 0 }));
  t.after(() => verifier.close());

  for (let number = 0; number < TOKENS; number += 1) {
    const [key, other] = [issuer.keys[number % 3], issuer.keys[(number + 1) % 3]];
    const token = issuer.token({ jti: `token-${number}` }, { key });
    assert.equal(verdict(verifier, token), "accepted", token);
    for (const bit of [number % 256, 256 + (number % 250)]) {
      assert.equal(verdict(verifier, flipped(token, bit)), "signature", `${token}, bit ${bit}`);
    }
    const foreign = issuer.token({ jti: `token-${number}` }, { key: other, header: { kid: key.jwk.kid } });
    assert.equal(verdict(verifier, foreign), "signature", foreign);
  }
});
