// node start.mjs — milliseconds from before the import to the first verified token, the keys at hand.

import { audience, Issuer, issuer } from "./tokens.mjs";

const of = new Issuer();
const [token] = of.tokens(1);

const begun = performance.now();
const { createVerifier } = await import("@keystone-auth/verifier");
const verifier = await createVerifier({ issuer, audience, fetch: of.fetch });
verifier.verify(token);
console.log(performance.now() - begun);
verifier.close();
