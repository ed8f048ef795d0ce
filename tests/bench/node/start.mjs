// node start.mjs WHO — milliseconds that the import of "keystone" or "jose" takes, and those from there to the first
// verified token; or those from the start of Node for "an empty program" to its end. As one line of JSON. The keys are at
// hand: another process left them. With a fetch it would be Node's loading of its own fetch that is measured, which takes
// longer than all else.

import { execFileSync } from "node:child_process";
import { audience, issuer } from "./tokens.mjs";

const node = (...args) => execFileSync(process.execPath, args).toString();
const { token, snapshot, jwks } = JSON.parse(node("snapshot.mjs"));

const sides = {
  keystone: {
    load: () => import("@keystone-auth/verifier"),
    async verify({ createVerifier }) {
      const verifier = await createVerifier({ issuer, audience, snapshot });
      verifier.verify(token);
      return verifier;
    },
  },
  jose: {
    load: () => import("jose"),
    verify: ({ createLocalJWKSet, jwtVerify }) => jwtVerify(token, createLocalJWKSet(jwks), { issuer, audience }),
  },
  "an empty program": { async load() {}, verify: async () => node("--eval", "") },
};

const { load, verify } = sides[process.argv[2]];
const begun = performance.now();
const loaded = await load();
const imported = performance.now();
const verifier = await verify(loaded);
console.log(JSON.stringify({ import: imported - begun, start: performance.now() - imported }));
verifier.close?.();
