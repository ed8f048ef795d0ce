// node snapshot.mjs — a token, and the keys for it as a verifier hands them on and as they are published, as one line of
// JSON.

import { createVerifier } from "@keystone-auth/verifier";
import { audience, Issuer, issuer } from "./tokens.mjs";

const of = new Issuer();
const verifier = await createVerifier({ issuer, audience, fetch: of.fetch });
const [token] = of.tokens(1);
console.log(JSON.stringify({ token, snapshot: verifier.snapshot(), jwks: of.jwks }));
verifier.close();
