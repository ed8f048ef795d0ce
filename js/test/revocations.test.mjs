// Tokens that the issuer took back are refused before they expire, by its signed feed.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createVerifier, KeystoneError } from "../dist/index.js";
import { createGate } from "../dist/policy.js";
import { createTestIssuer, TestKey } from "../dist/testing.js";
import { until } from "./issuer.mjs";

// As a service's socket would: no timer of a verifier keeps the process alive.
let alive;
beforeEach(() => (alive = setInterval(() => {}, 1000)));
afterEach(() => clearInterval(alive));

// A test may stop the timers.
const { setTimeout: later } = globalThis;

const FEED = "/.well-known/keystone/revocations";
const FEED_KEYS = "/.well-known/keystone/feed-jwks.json";
const METADATA = "/.well-known/oauth-authorization-server";

/** An issuer whose network `instead` may answer for; what it leaves undefined, the issuer answers. */
async function issuerWith(instead = () => undefined) {
  const issuer = await createTestIssuer({ now: Date.UTC(2026, 0, 1) });
  const network = { instead, asked: [] };
  const fetch = async (url) => {
    const { pathname, search } = new URL(url);
    network.asked.push(`${pathname}${search}`);
    return (await network.instead(pathname, search)) ?? issuer.fetch(url);
  };
  return { issuer, network, options: { ...issuer.options, fetch, jitter: () => 0.5 } };
}

async function start(t, { instead, ...changes } = {}) {
  const { issuer, network, options } = await issuerWith(instead);
  const verifier = await createVerifier({ ...options, ...changes });
  t.after(() => verifier.close());
  return { issuer, network, options, verifier };
}

function codeOf(verifier, token) {
  try {
    return verifier.verify(token) && "accepted";
  } catch (error) {
    assert.ok(error instanceof KeystoneError, String(error));
    return error.code;
  }
}

/** A second passes, somebody verifies, and what that brought about has happened. */
async function second(issuer, verifier, network) {
  const pages = () => network.asked.filter((path) => path.startsWith(FEED)).length;
  const before = pages();
  issuer.pass(1);
  codeOf(verifier, "a.b");
  await until(() => pages() > before);
  await settled();
}

/** WebCrypto and streams answer from other threads. */
async function settled() {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((again) => later(again, 0));
}

const away = (pathname) => {
  if (pathname === FEED || pathname === FEED_KEYS) throw new TypeError("the feed is away");
};

test("a cached token is refused with the page that revokes it", async (t) => {
  const { issuer, verifier, network } = await start(t);
  for (const what of ["sid", "jti", "sub", "client_id"]) {
    const token = await issuer.token({ [what]: `this ${what}` });
    const other = await issuer.token({ [what]: `another ${what}` });
    assert.equal(verifier.verify(token), verifier.verify(token));
    codeOf(verifier, other);

    issuer.revoke({ [what]: `this ${what}` });
    assert.equal(codeOf(verifier, token), "accepted", what);
    await second(issuer, verifier, network);

    assert.throws(() => verifier.verify(token), { code: "revoked", status: 401 }, what);
    assert.equal(codeOf(verifier, other), "accepted", what);
  }
});

test("a guard refuses a cached token that was revoked", async (t) => {
  const { issuer, verifier, network } = await start(t);
  const { decide } = verifier.guard({ authenticated: true });
  const request = { method: "GET", path: "/", authorization: `Bearer ${await issuer.token({ sid: "s" })}` };
  assert.equal(decide(request).token, decide(request).token);

  issuer.revoke({ sid: "s" });
  await second(issuer, verifier, network);

  assert.equal(decide(request).error.code, "revoked");
});

test("a token issued after a subject's revocation is accepted", async (t) => {
  const { issuer, verifier, network } = await start(t);
  issuer.revoke({ sub: "alice", client_id: "test-client" });
  await second(issuer, verifier, network);

  assert.equal(codeOf(verifier, await issuer.token()), "accepted");
});

test("the feed of the metadata is read before the start ends", async (t) => {
  const { issuer, options, network } = await issuerWith();
  issuer.revoke({ sid: "s" });
  const verifier = await createVerifier(options);
  t.after(() => verifier.close());

  assert.equal(codeOf(verifier, await issuer.token({ sid: "s" })), "revoked");
  assert.deepEqual(network.asked, [METADATA, FEED_KEYS, "/.well-known/jwks.json", FEED]);
  assert.deepEqual(verifier.feed, { url: `https://issuer.test${FEED}`, failure: undefined });
});

test("a long feed is read to its end before the start ends", async (t) => {
  const { issuer, options, network } = await issuerWith();
  for (let count = 0; count < 600; count += 1) issuer.revoke({ jti: `gone-${count}` });
  const verifier = await createVerifier(options);
  t.after(() => verifier.close());

  assert.equal(codeOf(verifier, await issuer.token({ jti: "gone-599" })), "revoked");
  const pages = network.asked.filter((path) => path.startsWith(FEED));
  assert.deepEqual(pages, [FEED, `${FEED}?after=256`, `${FEED}?after=512`]);
});

test("a feed that is switched off or not named is not followed", async (t) => {
  const named = { issuer: "https://issuer.test", jwks_uri: "https://issuer.test/.well-known/jwks.json" };
  const unnamed = (pathname) => (pathname === METADATA ? Response.json(named) : undefined);

  for (const changes of [{ revocation: "off" }, { instead: unnamed }, { jwksUri: named.jwks_uri }]) {
    const { issuer, verifier, network } = await start(t, changes);
    assert.equal(codeOf(verifier, await issuer.token()), "accepted");
    assert.equal(verifier.feed, undefined);
    assert.equal(network.asked.some((path) => path.startsWith("/.well-known/keystone")), false);
  }
});

test("metadata with half a feed or an http feed are refused", async (t) => {
  const [issuer, jwks_uri] = ["https://issuer.test", "https://issuer.test/.well-known/jwks.json"];
  const feed = { keystone_revocations_uri: `${issuer}/feed`, keystone_revocations_jwks_uri: `${issuer}/keys` };
  const wrong = [
    [{ keystone_revocations_jwks_uri: undefined }, /keystone_revocations_jwks_uri is missing/],
    [{ keystone_revocations_uri: undefined }, /keystone_revocations_uri is missing/],
    [{ keystone_revocations_uri: 1 }, /keystone_revocations_uri is missing/],
    [{ keystone_revocations_uri: "feed" }, /keystone_revocations_uri: "feed" is not a URL/],
    [{ keystone_revocations_uri: "http://127.0.0.1/feed" }, /keystone_revocations_uri: must be https like the issuer/],
    [{ keystone_revocations_jwks_uri: "http://127.0.0.1/keys" }, /keystone_revocations_jwks_uri: must be https/],
  ];
  for (const [changes, message] of wrong) {
    const instead = () => Response.json({ issuer, jwks_uri, ...feed, ...changes });
    const { options } = await issuerWith(instead);

    await assert.rejects(createVerifier(options), { code: "keys_unavailable", message });
  }
});

test("a strict verifier does not start on an issuer without a feed", async () => {
  const metadata = { issuer: "https://issuer.test", jwks_uri: "https://issuer.test/.well-known/jwks.json" };
  const { options } = await issuerWith(() => Response.json(metadata));

  await assert.rejects(createVerifier({ ...options, revocation: "strict" }), ({ code, message, cause }) => {
    assert.deepEqual([code, cause.name], ["keys_unavailable", "MetadataError"]);
    return /keystone_revocations_uri is missing/.test(message);
  });
});

test("while the feed is away a verifier goes by what it knows", async (t) => {
  const { issuer, verifier, network } = await start(t);
  issuer.revoke({ sid: "s" });
  await second(issuer, verifier, network);
  network.instead = away;
  const [good, gone] = [await issuer.token(), await issuer.token({ sid: "s" })];

  for (let minute = 0; minute < 10; minute += 1) {
    issuer.pass(60);
    await verifier.verifyAsync(good);
    await settled();
    assert.equal(codeOf(verifier, gone), "revoked");
  }
  assert.match(verifier.feed.failure.message, /the feed is away/);
});

test("a strict verifier answers 503 a minute after the last page", async (t) => {
  const { issuer, verifier, network } = await start(t, { revocation: "strict" });
  const token = await issuer.token();
  assert.equal(verifier.verify(token), verifier.verify(token));
  network.instead = away;

  issuer.pass(60);
  assert.equal(codeOf(verifier, token), "accepted");
  await settled();
  issuer.pass(1);
  assert.throws(() => verifier.verify(token), (error) => {
    assert.deepEqual([error.code, error.status, error.challenge], ["revocations_stale", 503, undefined]);
    assert.ok(error.retryAfter >= 1);
    assert.match(error.message, /the feed is away/);
    return true;
  });

  await settled();
  network.instead = () => undefined;
  issuer.pass(8);
  assert.equal((await verifier.verifyAsync(token)).subject, "alice");
});

test("a clock that was ahead delays neither keys nor feed", async (t) => {
  let ahead = 0;
  const { issuer, network, options } = await issuerWith();
  const verifier = await createVerifier({ ...options, now: () => issuer.now() + ahead });
  t.after(() => verifier.close());
  const token = await issuer.token({ jti: "taken back" });
  ahead = 2 * 3600 * 1000;
  for (let passed = 0; passed < 4; passed += 1) {
    issuer.pass(1);
    codeOf(verifier, "a.b");
    await settled();
  }

  ahead = 0;
  const keys = network.asked.filter((path) => path === "/.well-known/jwks.json").length;
  issuer.revoke({ jti: "taken back" });
  await second(issuer, verifier, network);
  assert.equal(codeOf(verifier, token), "revoked");
  assert.ok(network.asked.filter((path) => path === "/.well-known/jwks.json").length > keys);
});

test("without the feed only a strict verifier answers 503", async (t) => {
  const strict = await start(t, { instead: away, revocation: "strict" });
  assert.equal(codeOf(strict.verifier, await strict.issuer.token()), "revocations_stale");

  const bounded = await start(t, { instead: away });
  assert.equal(codeOf(bounded.verifier, await bounded.issuer.token()), "accepted");
});

test("a start waits for the feed no longer than half a second", async (t) => {
  const began = performance.now();
  const { issuer, verifier } = await start(t, { instead: (pathname) => (pathname === FEED ? new Promise(() => {}) : undefined) });

  assert.ok(performance.now() - began < 2000);
  assert.equal(codeOf(verifier, await issuer.token()), "accepted");
});

test("whoever awaits the verdict waits for the page under way", async (t) => {
  let arrive;
  const arrived = new Promise((resolve) => (arrive = resolve));
  const { issuer, verifier } = await start(t, {
    instead: (pathname) => (pathname === FEED ? arrived : undefined),
    revocation: "strict",
  });
  const token = await issuer.token();
  const guard = verifier.guard({ authenticated: true });
  const waiting = [
    verifier.verifyAsync(token),
    guard.decideAsync({ method: "GET", path: "/", authorization: `Bearer ${token}` }),
  ];
  arrive();

  assert.equal((await waiting[0]).subject, "alice");
  assert.equal((await waiting[1]).outcome, "allow");
});

test("a rejected cursor rereads the feed and forgets nothing", async (t) => {
  const { issuer, verifier, network } = await start(t);
  const [first, later] = [await issuer.token({ sid: "first" }), await issuer.token({ sid: "later" })];
  issuer.revoke({ sid: "first" });
  await second(issuer, verifier, network);
  network.instead = (_, search) => (search === "?after=1" ? new Response(null, { status: 409 }) : undefined);

  issuer.revoke({ sid: "later" });
  await second(issuer, verifier, network);
  assert.equal(codeOf(verifier, first), "revoked");
  assert.match(verifier.feed.failure.message, /409/);
  issuer.pass(1);
  await second(issuer, verifier, network);

  assert.equal(network.asked.at(-1), FEED);
  assert.deepEqual([codeOf(verifier, first), codeOf(verifier, later)], ["revoked", "revoked"]);
  assert.equal(verifier.feed.failure, undefined);
});

test("a page that is not the feed's is refused, and told", async (t) => {
  const { issuer, verifier, network } = await start(t);
  const [token, stranger] = [await issuer.token({ sid: "s" }), await TestKey.generate()];
  const { jwk } = stranger;
  const [tokenKey] = issuer.keys;
  const page = (key, typ) => async (pathname, search) => {
    if (pathname !== FEED) return undefined;
    const now = issuer.now() / 1000;
    const cursor = search.slice("?after=".length);
    const ev = [["sid", "s", null, now + 1000]];
    const claims = { iss: issuer.issuer, iat: now, exp: now + 10, from: cursor, to: "x", more: false, ev };
    return new Response(await key.sign(JSON.stringify({ alg: "EdDSA", kid: key.jwk.kid, typ }), JSON.stringify(claims)));
  };
  const wrong = [
    [page(stranger, "keystone-revocations+jwt"), /refused: signed by a key that the feed does not publish/],
    [page(tokenKey, "keystone-revocations+jwt"), /refused: signed by a key that the feed does not publish/],
    [page(stranger, "at+jwt"), /refused: not a page of a revocation feed \(typ\)/],
    [(pathname) => pathname === FEED && new Response("x".repeat(65_537)), /longer than 65536 bytes/],
    [(pathname) => pathname === FEED && new Response(null, { status: 302 }), /redirect, which is not followed/],
  ];
  for (const [instead, message] of wrong) {
    network.instead = (...asked) => instead(...asked) || undefined;
    issuer.pass(8);
    await second(issuer, verifier, network);

    assert.match(verifier.feed.failure.message, message);
    assert.equal(codeOf(verifier, token), "accepted");
  }

  network.instead = (pathname, search) =>
    pathname === FEED_KEYS ? Response.json({ keys: [jwk] }) : page(stranger, "keystone-revocations+jwt")(pathname, search);
  issuer.pass(300);
  await second(issuer, verifier, network);
  assert.equal(codeOf(verifier, token), "revoked");
});

test("the page's failure names the failure of the feed's keys", async (t) => {
  const { verifier } = await start(t, { instead: (pathname) => (pathname === FEED_KEYS ? new Response(null, { status: 500 }) : undefined) });

  assert.match(verifier.feed.failure.message, /the keys of the feed are not there \(GET .*feed-jwks\.json: .* got 500\)/);
});

test("a start from a snapshot does not wait for the feed", async (t) => {
  const { issuer, verifier: first, network, options } = await start(t);
  const token = await issuer.token({ sid: "s" });
  issuer.revoke({ sid: "s" });
  const snapshot = first.snapshot();
  first.close();
  network.asked.length = 0;

  const verifier = await createVerifier({ ...options, snapshot });
  t.after(() => verifier.close());
  assert.equal(codeOf(verifier, token), "accepted");
  assert.deepEqual(network.asked, []);
  issuer.pass(1);
  codeOf(verifier, token);
  await until(() => codeOf(verifier, token) === "revoked");
});

test("a strict verifier from a snapshot waits in verifyAsync", async (t) => {
  const { issuer, verifier: first, options } = await start(t);
  const snapshot = first.snapshot();
  const verifier = await createVerifier({ ...options, snapshot, revocation: "strict" });
  t.after(() => verifier.close());

  assert.equal((await verifier.verifyAsync(await issuer.token())).subject, "alice");
});

test("an idle verifier follows the feed until it is closed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { issuer, options, network } = await issuerWith();
  const pages = () => network.asked.filter((path) => path.startsWith(FEED)).length;
  const verifier = await createVerifier(options);

  for (let count = 2; count < 5; count += 1) {
    issuer.pass(1);
    t.mock.timers.tick(1000);
    await until(() => pages() === count);
    await settled();
  }
  verifier.close();
  issuer.pass(10);
  t.mock.timers.tick(10_000);
  assert.equal(pages(), 4);
});

const routes = [
  { methods: ["GET"], path: "/me", authenticated: true },
  { methods: ["GET"], path: "/strict", authenticated: true, revocation: "strict" },
];

test("a gate follows feeds, and routes are strict as they say", async (t) => {
  const { issuer, network, options } = await issuerWith();
  const policy = { version: 1, issuers: [issuer.policy], routes };
  const gate = await createGate({ policy, now: options.now, fetch: options.fetch, jitter: options.jitter });
  t.after(() => gate.close());
  const [token, other] = [await issuer.token({ sid: "s" }), await issuer.token()];
  const request = (path, bearer) => ({ method: "GET", path, authorization: `Bearer ${bearer}` });
  const ask = (path, bearer) => {
    const { outcome, error } = gate.decide(request(path, bearer));
    return error?.code ?? outcome;
  };
  assert.deepEqual([ask("/me", token), ask("/strict", other)], ["allow", "allow"]);
  assert.deepEqual(gate.feeds, [{ url: `https://issuer.test${FEED}`, failure: undefined }]);

  issuer.revoke({ sid: "s" });
  issuer.pass(1);
  ask("/me", other);
  await until(() => ask("/me", token) === "revoked");
  network.instead = away;
  issuer.pass(60);
  ask("/me", other);
  await settled();
  assert.match(gate.feeds[0].failure.message, /away/);
  issuer.pass(1);
  assert.deepEqual([ask("/me", token), ask("/me", other), ask("/strict", other)], ["revoked", "allow", "revocations_stale"]);
  assert.match(gate.decide(request("/strict", other)).error.message, /the feed is away/);

  await settled();
  network.instead = () => undefined;
  issuer.pass(8);
  assert.equal((await gate.decideAsync(request("/strict", other))).outcome, "allow");
});

test("addresses of feeds obey the rules for addresses of keys", async () => {
  const issuer = await createTestIssuer();
  for (const [member, message] of [["url", /issuers\[0\]\.revocation\.url.*allowHttp/], ["keys_url", /issuers\[0\]\.revocation\.keys_url.*allowHttp/]]) {
    const revocation = { ...issuer.policy.revocation, [member]: "http://feed.example" };
    const policy = { version: 1, issuers: [{ ...issuer.policy, revocation }], routes };

    await assert.rejects(createGate({ policy, ...issuer.runtime }), { name: "TypeError", message });
  }
});
