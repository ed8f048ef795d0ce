// The testing kit, as users use it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier, peek } from "../dist/index.js";
import { createTestIssuer, hostileCases, TestKey } from "../dist/testing.js";

test("a test issuer works without a network, by its clock", async () => {
  const issuer = await createTestIssuer({ issuer: "https://login.test/tenant", audience: "stock", now: 1_000_000_000_000 });
  const verifier = await createVerifier(issuer.options);
  const text = await issuer.token({ sub: "bob", scope: "stock:read" });

  const token = verifier.verify(text);
  assert.deepEqual([token.subject, token.scopes, token.issuedAt], ["bob", ["stock:read"], 1_000_000_000]);
  assert.deepEqual(issuer.requests, [
    "https://login.test/.well-known/oauth-authorization-server/tenant",
    "https://login.test/.well-known/keystone/feed-jwks.json/tenant",
    "https://login.test/.well-known/jwks.json/tenant",
    "https://login.test/.well-known/keystone/revocations/tenant",
  ]);
  issuer.pass(930);
  await assert.rejects(verifier.verifyAsync(text), { code: "expired" });
  verifier.close();
});

test("any claim and any member of the header can be changed", async () => {
  const issuer = await createTestIssuer();
  const verifier = await createVerifier(issuer.options);
  const refused = async (code, ...changes) =>
    assert.rejects(verifier.verifyAsync(await issuer.token(...changes)), { code });

  await refused("missing_claim", { jti: undefined });
  await refused("claim_type", { exp: "soon" });
  await refused("alg", {}, { header: { alg: "none" } });
  await refused("kid", {}, { header: { kid: undefined } });
  await refused("unknown_kid", {}, { key: await TestKey.generate() });
  verifier.close();
});

test("a rotation and an outage can be played", async () => {
  const issuer = await createTestIssuer();
  const verifier = await createVerifier(issuer.options);
  const old = await issuer.token();
  await issuer.rotate();
  issuer.pass(1);

  assert.equal((await verifier.verifyAsync(await issuer.token())).subject, "alice");
  assert.equal(verifier.verify(old).subject, "alice");
  issuer.away = true;
  issuer.pass(600);
  assert.throws(() => verifier.verify(old), { code: "keys_unavailable", status: 503 });
  verifier.close();
});

test("the hostile file tells its cases one by one", () => {
  const [first] = hostileCases();

  assert.deepEqual(Object.keys(first).sort(), "group http name now policy request source verdict".split(" ").sort());
  assert.equal(first.verdict, "allow");
});

test("a token can be looked at without believing it", async () => {
  const issuer = await createTestIssuer();
  const text = await issuer.token({ sub: "ålice" });
  const { verified, header, claims } = peek(text);

  assert.deepEqual([verified, header.typ, claims.sub], [false, "at+jwt", "ålice"]);
  assert.equal(peek(text.replace(/\.[^.]*$/, ".forged")).claims.sub, "ålice");
  for (const nonsense of ["", "a.b", "a.b.c", "e30.bnVsbA.c", "e30.W10.c", `${text}.x`, undefined, 1]) {
    assert.equal(peek(nonsense), undefined, String(nonsense));
  }
});
