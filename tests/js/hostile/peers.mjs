// The hostile file on standard input; what other people's verifiers say of its cases as JSON, by the name of each.
// They are configured as strictly as each can be, and asked about tokens alone: they know no routes.

import { createPublicKey } from "node:crypto";
import { text } from "node:stream/consumers";
import { JwtVerifier } from "aws-jwt-verify";
import { createVerifier } from "fast-jwt";
import { createLocalJWKSet, jwtVerify } from "jose";

const file = JSON.parse(await text(process.stdin));
const [{ issuer, audiences }] = file.policy.issuers;
const LEEWAY = 30;
const LONGEST = 86_400;
const REQUIRED = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

async function jose(token, keys, now) {
  await jwtVerify(token, createLocalJWKSet(keys), {
    issuer,
    audience: audiences,
    algorithms: ["EdDSA", "Ed25519"],
    typ: "at+jwt",
    requiredClaims: REQUIRED,
    clockTolerance: LEEWAY,
    maxTokenAge: LONGEST,
    currentDate: new Date(now * 1000),
  });
}

async function fastJwt(token, { keys }, now) {
  const key = ({ header: { kid } }) => {
    const jwk = keys.find((known) => known.kid === kid);
    if (!jwk) throw new Error("unknown kid");
    return createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
  };
  const verify = createVerifier({
    key: async (decoded) => key(decoded),
    algorithms: ["EdDSA"],
    allowedIss: issuer,
    allowedAud: audiences,
    checkTyp: "at+jwt",
    requiredClaims: REQUIRED,
    clockTimestamp: now * 1000,
    clockTolerance: LEEWAY * 1000,
    maxAge: LONGEST * 1000,
    cache: false,
  });
  await verify(token);
}

async function awsJwtVerify(token, keys, now) {
  const jwksUri = `${issuer}/keys`;
  const verifier = JwtVerifier.create({ issuer, audience: audiences, jwksUri, graceSeconds: LEEWAY });
  verifier.cacheJwks(keys);
  at(now, () => verifier.verifySync(token));
}

// It reads the clock of the process.
function at(now, act) {
  const real = Date.now;
  Date.now = () => now * 1000;
  try {
    return act();
  } finally {
    Date.now = real;
  }
}

const peers = { jose, "fast-jwt": fastJwt, "aws-jwt-verify": awsJwtVerify };
const told = Object.fromEntries(Object.keys(peers).map((name) => [name, []]));
for (const { method, path, authorization, keys = file.policy.issuers[0].keys.inline, now = file.now } of file.cases) {
  const asked = method === "GET" && path === "/me" && authorization.length === 1 && authorization[0].startsWith("Bearer ");
  for (const [name, verify] of Object.entries(peers)) {
    const accepted = () => verify(authorization[0].slice("Bearer ".length), keys, now).then(() => "accepted", () => "refused");
    told[name].push(asked ? await accepted() : "not asked");
  }
}
console.log(JSON.stringify(told));
