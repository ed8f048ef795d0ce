// node verify.mjs ISSUER AUDIENCE TOKEN… — one line of JSON per token: what the npm package says of it. The package is
// loaded both ways, as a module and as CommonJS, and both must say the same.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import * as module from "@keystone-auth/verifier";

const [issuer, audience, ...tokens] = process.argv.slice(2);
if (!audience) throw new Error("usage: node verify.mjs ISSUER AUDIENCE TOKEN…");

const commonjs = createRequire(import.meta.url)("@keystone-auth/verifier");
const verdicts = await judge(module);
assert.deepEqual(await judge(commonjs), verdicts, "the CommonJS build says something else than the module");
for (const verdict of verdicts) console.log(JSON.stringify(verdict));

async function judge({ createVerifier, KeystoneError }) {
  const verifier = await createVerifier({ issuer, audience });
  const verdicts = tokens.map((text) => {
    try {
      const token = verifier.verify(text);
      return {
        verdict: "valid",
        subject: token.subject,
        client: token.clientId,
        scopes: [...token.scopes],
        "orders:read": token.has("orders:read"),
        "orders:write": token.has("orders:write"),
      };
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      return { verdict: "refused", code: error.code, status: error.status };
    }
  });
  verifier.close();
  return verdicts;
}
