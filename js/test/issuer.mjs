// An issuer for tests: real HTTP on a free port of this machine, real Ed25519 keys, a clock that is set by hand.

import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

export const START = Date.UTC(2026, 0, 1);

const metadataPath = "/.well-known/oauth-authorization-server";
const jwksPath = "/.well-known/jwks.json";
const feedPath = "/.well-known/keystone/revocations";
const feedKeysPath = "/.well-known/keystone/feed-jwks.json";

/** Starts an issuer that stops with the test `t`. Its `answers` may be replaced to misbehave. */
export async function startIssuer(t) {
  const issuer = new Issuer();
  await issuer.listen();
  t.after(() => issuer.stop());
  return issuer;
}

export class Issuer {
  clock = START;
  keys = [newKey("first")];
  requests = [];
  answers = {
    [metadataPath]: (response) => json(response, { issuer: this.url, jwks_uri: `${this.url}${jwksPath}` }),
    [jwksPath]: (response) => json(response, this.jwks()),
  };

  async listen(port = 0) {
    this.server = createServer((request, response) => {
      this.requests.push(request.url);
      const [path, after = ""] = request.url.split("?after=");
      const answer = this.answers[path] ?? ((missing) => missing.writeHead(404).end());
      answer(response, after);
    });
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async stop() {
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise((done) => this.server.close(done));
  }

  /** The options for a verifier of this issuer, on its clock. */
  options(changes = {}) {
    return { issuer: this.url, audience: "orders", now: () => this.clock, jitter: () => 0.5, ...changes };
  }

  pass(seconds) {
    this.clock += seconds * 1000;
  }

  jwks() {
    return { keys: this.keys.map((key) => key.jwk) };
  }

  answerJwks(answer) {
    this.answers[jwksPath] = answer;
  }

  answerMetadata(answer) {
    this.answers[metadataPath] = answer;
  }

  /** Publishes a revocation feed on which nothing ever stands. */
  publishFeed() {
    const key = newKey("feed");
    const [keystone_revocations_uri, keystone_revocations_jwks_uri] = [feedPath, feedKeysPath].map((path) => this.url + path);
    const uris = { keystone_revocations_uri, keystone_revocations_jwks_uri };
    this.answerMetadata((response) => json(response, { issuer: this.url, jwks_uri: `${this.url}${jwksPath}`, ...uris }));
    this.answers[feedKeysPath] = (response) => json(response, { keys: [key.jwk] });
    this.answers[feedPath] = (response, after) => {
      const iat = Math.floor(this.clock / 1000);
      const claims = { iss: this.url, iat, exp: iat + 10, from: after, to: after, more: false, ev: [] };
      response.end(signed({ alg: "EdDSA", typ: "keystone-revocations+jwt", kid: "feed" }, claims, key.secret));
    };
  }

  jwksRequests() {
    return this.requests.filter((path) => path === jwksPath).length;
  }

  claims(changes = {}) {
    const now = Math.floor(this.clock / 1000);
    const claims = {
      iss: this.url,
      sub: "alice",
      aud: "orders",
      client_id: "orders-app",
      jti: "token-1",
      iat: now,
      exp: now + 900,
      scope: "orders:read orders:write",
      roles: ["clerk"],
      sid: "session-1",
    };
    return { ...claims, ...changes };
  }

  /** A token with these claims changed, signed with the issuer's first key unless told otherwise. */
  token(changes = {}, { key = this.keys[0], header = {} } = {}) {
    return signed({ alg: "EdDSA", typ: "at+jwt", kid: key.jwk.kid, ...header }, this.claims(changes), key.secret);
  }
}

function signed(header, claims, secret) {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${sign(null, Buffer.from(text), secret).toString("base64url")}`;
}

export function newKey(kid) {
  const { privateKey: secret } = generateKeyPairSync("ed25519");
  const { kty, crv, x } = createPublicKey(secret).export({ format: "jwk" });
  return { secret, jwk: { kty, crv, x, kid, alg: "EdDSA", use: "sig" } };
}

export function json(response, value) {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** The token with one byte of the given part changed to another valid one. */
export function changed(token, part = 2) {
  const parts = token.split(".");
  const first = parts[part][0];
  parts[part] = `${first === "A" ? "B" : "A"}${parts[part].slice(1)}`;
  return parts.join(".");
}

/** Resolves when `done()` is true; the test runner's time-out is the limit. */
export async function until(done) {
  while (!done()) await new Promise((again) => setImmediate(again));
}
