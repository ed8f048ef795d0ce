// The verdict as JavaScript sees it: tokens in, frozen results or refusals out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier, KeystoneError } from "../dist/index.js";
import { changed, newKey, startIssuer } from "./issuer.mjs";

async function start(t, changes) {
  const issuer = await startIssuer(t);
  const verifier = await createVerifier(issuer.options(changes));
  t.after(() => verifier.close());
  return { issuer, verifier };
}

function refusal(work) {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof KeystoneError, String(error));
    return error;
  }
  return assert.fail("the token was accepted");
}

test("a valid token is told in full", async (t) => {
  const { issuer, verifier } = await start(t);
  const claims = issuer.claims({ custom: { deep: ["x"] } });

  const token = verifier.verify(issuer.token({ custom: { deep: ["x"] } }));

  const { claims: all, ...told } = { ...token };
  assert.deepEqual(told, {
    subject: "alice",
    clientId: "orders-app",
    issuer: issuer.url,
    audience: ["orders"],
    scopes: ["orders:read", "orders:write"],
    roles: ["clerk"],
    session: "session-1",
    tokenId: "token-1",
    issuedAt: claims.iat,
    expiresAt: claims.exp,
  });
  assert.deepEqual(structuredClone(all), claims);
});

test("what a token lacks is empty or undefined", async (t) => {
  const { issuer, verifier } = await start(t, { audience: ["stock", "orders"] });

  const token = verifier.verify(
    issuer.token({ scope: undefined, roles: undefined, sid: undefined, aud: ["orders", "other"] }),
  );

  assert.deepEqual(token.scopes, []);
  assert.deepEqual(token.roles, []);
  assert.equal(token.session, undefined);
  assert.deepEqual(token.audience, ["orders", "other"]);
  assert.equal(token.has("orders:read"), false);
});

test("times are whole seconds, as the verifier read them", async (t) => {
  const { issuer, verifier } = await start(t);
  const { iat, exp } = issuer.claims();

  const token = verifier.verify(issuer.token({ iat: iat + 0.75, exp: exp + 0.75 }));

  assert.deepEqual([token.issuedAt, token.expiresAt], [iat, exp]);
});

test("the size limit counts bytes, not characters", async (t) => {
  const { verifier } = await start(t);

  for (const character of ["a", "\u{e9}", "\u{20ac}", "\u{1f511}", "\ud800"]) {
    // As the value of a header: a character up to U+00FF is a byte.
    const bytes = character <= "\u{ff}" ? 1 : Buffer.byteLength(character);
    const longest = "a".repeat(8192 % bytes) + character.repeat(Math.floor(8192 / bytes));
    assert.equal(refusal(() => verifier.verify(longest)).code, "malformed", character);
    for (const more of ["a", character, character + character]) {
      assert.equal(refusal(() => verifier.verify(longest + more)).code, "too_large", character);
    }
  }
});

test("scopes are asked for one by one, all or any", async (t) => {
  const { issuer, verifier } = await start(t);
  const token = verifier.verify(issuer.token());

  assert.equal(token.has("orders:read"), true);
  assert.equal(token.has("orders"), false);
  assert.equal(token.has("orders:read orders:write"), false);
  assert.equal(token.hasAll(["orders:read", "orders:write"]), true);
  assert.equal(token.hasAll(["orders:read", "orders:delete"]), false);
  assert.equal(token.hasAny(["orders:delete", "orders:write"]), true);
  assert.equal(token.hasAny(["orders:delete"]), false);
});

test("a question about no scope at all is a mistake, not a yes", async (t) => {
  const { issuer, verifier } = await start(t);
  const token = verifier.verify(issuer.token());

  for (const ask of [
    () => token.has(undefined),
    () => token.has(["orders:read"]),
    () => token.hasAll([]),
    () => token.hasAny([]),
    () => token.hasAll("orders:read"),
    () => token.hasAny([undefined]),
  ]) {
    assert.throws(ask, TypeError);
  }
});

test("nothing about a result can be changed", async (t) => {
  const { issuer, verifier } = await start(t);
  const token = verifier.verify(issuer.token({ custom: { deep: ["x"] } }));

  for (const change of [
    () => token.scopes.push("admin"),
    () => token.roles.push("admin"),
    () => token.audience.push("other"),
    () => (token.subject = "bob"),
    () => (token.has = () => true),
    () => (token.claims.sub = "bob"),
    () => token.claims.custom.deep.push("y"),
  ]) {
    assert.throws(change, TypeError);
  }
  assert.equal(Object.isFrozen(token.claims.custom.deep), true);
});

test("every refusal has its code, status and challenge", async (t) => {
  const { issuer, verifier } = await start(t);
  const { iat, exp } = issuer.claims();
  const stranger = newKey("stranger");
  const impostor = newKey("first");
  const refused = [
    ["malformed", "a.b"],
    ["too_large", "a".repeat(1_000_000)],
    ["base64", `${issuer.token()}=`],
    ["signature", changed(issuer.token())],
    ["signature", changed(issuer.token(), 1)],
    ["signature", issuer.token({}, { key: impostor })],
    ["unknown_kid", issuer.token({}, { key: stranger })],
    ["alg", issuer.token({}, { header: { alg: "HS256" } })],
    ["typ", issuer.token({}, { header: { typ: "JWT" } })],
    ["crit", issuer.token({}, { header: { crit: ["exp"] } })],
    ["kid", issuer.token({}, { header: { kid: undefined } })],
    ["issuer", issuer.token({ iss: "https://other.example" })],
    ["audience", issuer.token({ aud: "stock" })],
    ["missing_claim", issuer.token({ jti: undefined })],
    ["claim_type", issuer.token({ exp: String(exp) })],
    ["expired", issuer.token({ iat: iat - 1000, exp: iat - 30 })],
    ["not_yet_valid", issuer.token({ nbf: iat + 31 })],
    ["issued_in_future", issuer.token({ iat: iat + 31 })],
    ["lifetime", issuer.token({ exp: iat + 1_000_000 })],
    ["scope_syntax", issuer.token({ scope: "orders:read  orders:write" })],
    ["scope_mismatch", issuer.token({ scopes: ["admin"] })],
  ];
  for (const [code, token] of refused) {
    const error = refusal(() => verifier.verify(token));

    assert.equal(error.code, code);
    assert.equal(error.status, 401, code);
    assert.match(error.challenge, /^Bearer .*error="invalid_token"/, code);
    assert.equal(error.retryAfter, undefined, code);
    assert.notEqual(error.message, "", code);
    assert.equal(error.name, "KeystoneError");
  }
});

test("a refusal names the claim and never the token", async (t) => {
  const { issuer, verifier } = await start(t);
  const token = issuer.token({ client_id: undefined });

  const error = refusal(() => verifier.verify(token));

  assert.match(error.message, /client_id/);
  assert.equal(JSON.stringify([error, error.message, error.stack]).includes(token.split(".")[2]), false);
});

test("a token is checked by the given clock with leeway", async (t) => {
  const { issuer, verifier } = await start(t, { leeway: 10, maxLifetime: 900 });
  const { iat } = issuer.claims();
  const token = issuer.token({ iat: iat - 500, exp: iat + 400 });

  issuer.pass(409);
  verifier.verify(token);
  issuer.pass(1);
  assert.equal(refusal(() => verifier.verify(token)).code, "expired");
});

test("a longer lifetime than allowed is refused", async (t) => {
  const { issuer, verifier } = await start(t, { maxLifetime: 899 });

  assert.equal(refusal(() => verifier.verify(issuer.token())).code, "lifetime");
});

test("a token that is no string is a mistake of the caller", async (t) => {
  const { verifier } = await start(t);

  for (const token of [undefined, null, 1, {}, Buffer.from("a.b.c")]) {
    assert.throws(() => verifier.verify(token), TypeError);
    await assert.rejects(verifier.verifyAsync(token), TypeError);
  }
});

test("text that is no token at all is refused like any other", async (t) => {
  const { verifier } = await start(t);

  for (const text of ["\0.\0.\0", "ä.ö.ü", "\ud800.\udfff.x", "💥.💥.💥", "{}", " "]) {
    assert.equal(refusal(() => verifier.verify(text)).status, 401);
  }
});

test("verifyAsync gives the same verdicts", async (t) => {
  const { issuer, verifier } = await start(t);

  assert.equal((await verifier.verifyAsync(issuer.token())).subject, "alice");
  await assert.rejects(verifier.verifyAsync(changed(issuer.token())), { name: "KeystoneError", code: "signature" });
});

test("verifiers do not share their rules or keys", async (t) => {
  const one = await start(t);
  const other = await start(t);

  assert.equal(refusal(() => other.verifier.verify(one.issuer.token())).code, "signature");
  one.verifier.close();
  assert.equal(other.verifier.verify(other.issuer.token()).issuer, other.issuer.url);
});

test("a closed verifier says so", async (t) => {
  const { issuer, verifier } = await start(t);

  verifier.close();
  verifier.close();

  assert.throws(() => verifier.verify(issuer.token()), /was closed/);
});
