// node jose.mjs ISSUER AUDIENCE ALGORITHM TOKEN — one line of JSON: the claims, as the package `jose` reads them.

import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, audience, algorithm, token] = process.argv.slice(2);
if (!token) throw new Error("usage: node jose.mjs ISSUER AUDIENCE ALGORITHM TOKEN");

const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: [algorithm], typ: "at+jwt" });
console.log(JSON.stringify(payload));
