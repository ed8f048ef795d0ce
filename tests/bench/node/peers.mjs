// Who is measured: each takes a token and gives its claims, or throws. All check signature, issuer, audience, times
// and `typ`, as far as they can.

import { verify as verifySignature } from "node:crypto";
import { createVerifier as createKeystone } from "@keystone-auth/verifier";
import { JwtVerifier } from "aws-jwt-verify";
import { createVerifier as createFastJwt } from "fast-jwt";
import { createLocalJWKSet, jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import { audience, issuer } from "./tokens.mjs";

export const keystone = async (of) => {
  const verifier = await createKeystone({ issuer, audience, fetch: of.fetch });
  return (token) => verifier.verify(token).claims;
};

/** The least that a careful author would write by hand. */
export const byHand = ({ key }) => (token) => {
  const [header, payload, signature, more] = token.split(".");
  if (signature === undefined || more !== undefined) throw new Error("malformed");
  const { alg, kid, typ, crit } = parse(header);
  if (alg !== "EdDSA" || kid !== "k1" || typ !== "at+jwt" || crit !== undefined) throw new Error("header");
  const signed = Buffer.from(token.slice(0, token.lastIndexOf(".")));
  if (!verifySignature(null, signed, key, Buffer.from(signature, "base64url"))) throw new Error("signature");
  const claims = parse(payload);
  const now = Date.now() / 1000;
  if (claims.iss !== issuer || ![claims.aud].flat().includes(audience)) throw new Error("issuer or audience");
  if (!(claims.exp > now) || !(claims.iat <= now + 30) || claims.nbf > now + 30) throw new Error("time");
  return claims;
};

const parse = (part) => JSON.parse(Buffer.from(part, "base64url").toString());

export const jose = ({ jwks }) => {
  const keys = createLocalJWKSet(jwks);
  const options = { issuer, audience, typ: "at+jwt", algorithms: ["EdDSA"], requiredClaims: ["exp"] };
  return async (token) => (await jwtVerify(token, keys, options)).payload;
};

export const fastJwt = (cache) => ({ key }) => {
  const pem = key.export({ format: "pem", type: "spki" });
  const options = { algorithms: ["EdDSA"], allowedIss: issuer, allowedAud: audience, checkTyp: "at+jwt" };
  return createFastJwt({ ...options, key: pem, cache });
};

export const aws = ({ jwks }) => {
  const verifier = JwtVerifier.create({ issuer, audience, jwksUri: `${issuer}/.well-known/jwks.json` });
  verifier.cacheJwks(jwks);
  return (token) => verifier.verifySync(token);
};

/** It knows no EdDSA: this is what ES256 costs with it. */
export const es256 = ({ key }) => (token) => jsonwebtoken.verify(token, key, { algorithms: ["ES256"], issuer, audience });
