// An issuer without a network: one key of each kind, and tokens with the claims that Keystone's issuer writes.

import { createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export const issuer = "https://login.example";
export const audience = "orders";

setFlagsFromString("--expose-gc");
/** Collects garbage now, so that nobody pays for what another left. */
export const collect = runInNewContext("gc");

const jwksUri = `${issuer}/.well-known/jwks.json`;
const metadata = { issuer, jwks_uri: jwksUri };

/** `algorithm` is EdDSA or ES256. */
export class Issuer {
  constructor(algorithm = "EdDSA") {
    const pair = algorithm === "EdDSA" ? ["ed25519"] : ["ec", { namedCurve: "P-256" }];
    this.secret = generateKeyPairSync(...pair).privateKey;
    this.key = createPublicKey(this.secret);
    this.header = { alg: algorithm, kid: "k1", typ: "at+jwt" };
    this.jwks = { keys: [{ ...this.key.export({ format: "jwk" }), kid: "k1", alg: algorithm, use: "sig" }] };
  }

  /** So many tokens, no two alike, valid for two hours. */
  tokens(count) {
    const now = Math.floor(Date.now() / 1000);
    return Array.from({ length: count }, () => this.#token(now));
  }

  #token(now) {
    const jti = randomUUID();
    const scope = "orders:read orders:write";
    const claims = {
      iss: issuer,
      sub: "0197a3c2-54b1-7cc0-9d6e-0b2f7f3d8a11",
      aud: audience,
      exp: now + 7200,
      iat: now,
      nbf: now,
      jti,
      client_id: "orders-app",
      sid: jti,
      sv: 1,
      cv: 1,
      type: "access",
      scope,
      scopes: scope.split(" "),
      roles: ["clerk"],
      auth_time: now,
    };
    const signed = [this.header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    const [hash, key] =
      this.header.alg === "EdDSA" ? [null, this.secret] : ["sha256", { key: this.secret, dsaEncoding: "ieee-p1363" }];
    // In one piece, as a parser hands it over.
    return Buffer.from(`${signed}.${sign(hash, Buffer.from(signed), key).toString("base64url")}`).toString("latin1");
  }

  /** What `fetch` would bring from this issuer. */
  fetch = async (url) => Response.json(String(url) === jwksUri ? this.jwks : metadata);
}
