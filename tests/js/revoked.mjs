// node revoked.mjs ISSUER AUDIENCE TOKEN OTHER — logs TOKEN out at its issuer, and prints one line of JSON: what a verifier that
// had accepted it before says of it from then on, and of OTHER, which nobody gave up.

import { setTimeout as pause } from "node:timers/promises";
import { createVerifier, KeystoneError } from "@keystone-auth/verifier";

const PATIENCE_MS = 30_000;

const [issuer, audience, token, other] = process.argv.slice(2);
if (!other) throw new Error("usage: node revoked.mjs ISSUER AUDIENCE TOKEN OTHER");

const verifier = await createVerifier({ issuer, audience });
const before = [code(token), code(token)];
const headers = { authorization: `Bearer ${token}` };
const { status } = await fetch(`${issuer}/auth/logout`, { method: "POST", headers });
if (status !== 204) throw new Error(`the logout was answered with ${status}`);
const since = performance.now();
while (code(token) === "valid" && performance.now() - since < PATIENCE_MS) await pause(5);
const after_ms = Math.round(performance.now() - since);
console.log(JSON.stringify({ before, after: code(token), other: code(other), after_ms }));
verifier.close();

function code(text) {
  try {
    verifier.verify(text);
    return "valid";
  } catch (error) {
    if (!(error instanceof KeystoneError)) throw error;
    return error.code;
  }
}
