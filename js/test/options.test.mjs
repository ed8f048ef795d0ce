// Wrong arguments are TypeErrors that name the option; nothing is fetched before they are right.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier } from "../dist/index.js";

const good = { issuer: "https://login.example", audience: "orders" };

function noFetch() {
  return assert.fail("fetched with wrong options");
}

const mistakes = [
  [undefined, /issuer and audience/],
  ["https://login.example", /issuer and audience/],
  [{}, /issuer: expected/],
  [{ audience: "orders" }, /issuer: expected/],
  [{ ...good, issuer: "" }, /issuer: expected/],
  [{ ...good, issuer: "login.example" }, /issuer: "login\.example" is not a URL/],
  [{ ...good, issuer: "ftp://login.example" }, /issuer: .*https/],
  [{ ...good, issuer: "http://login.example" }, /allowHttp/],
  [{ ...good, issuer: "http://localhost.example" }, /allowHttp/],
  [{ ...good, issuer: "http://127.0.0.1.example" }, /allowHttp/],
  [{ ...good, issuer: "https://user:secret@login.example" }, /user name/],
  [{ ...good, issuer: "https://login.example?x=1" }, /query/],
  [{ ...good, issuer: "https://login.example#x" }, /fragment/],
  [{ issuer: good.issuer }, /audience: expected/],
  [{ ...good, audience: "" }, /audience: expected/],
  [{ ...good, audience: [] }, /audience: expected/],
  [{ ...good, audience: ["orders", 1] }, /audience: expected/],
  [{ ...good, audience: null }, /audience: expected/],
  [{ ...good, audiences: ["orders"] }, /unknown option audiences; the options are issuer, audience/],
  [{ ...good, jwksUri: "keys" }, /jwksUri: "keys" is not a URL/],
  [{ ...good, jwksUri: "http://keys.example" }, /jwksUri: .*allowHttp/],
  [{ ...good, jwksUri: new URL("https://keys.example") }, /jwksUri: expected a string/],
  [{ ...good, revocation: "sometimes" }, /revocation: expected "bounded", "strict" or "off"/],
  [{ ...good, revocation: true }, /revocation: expected "bounded"/],
  [{ ...good, revocation: "strict", jwksUri: "https://keys.example" }, /revocation: .* leave jwksUri out/],
  [{ ...good, leeway: -1 }, /leeway: expected whole seconds/],
  [{ ...good, leeway: 1.5 }, /leeway: expected whole seconds/],
  [{ ...good, leeway: 121 }, /from 0 to 120/],
  [{ ...good, leeway: "30" }, /leeway: expected whole seconds/],
  [{ ...good, maxLifetime: 0 }, /from 1 to 31536000/],
  [{ ...good, maxLifetime: Number.NaN }, /maxLifetime: expected whole seconds/],
  [{ ...good, maxLifetime: Number.POSITIVE_INFINITY }, /maxLifetime: expected whole seconds/],
  [{ ...good, snapshot: {} }, /snapshot: expected a string/],
  [{ ...good, cacheSize: -1 }, /cacheSize: expected a whole number from 0 to 100000/],
  [{ ...good, allowHttp: "yes" }, /allowHttp: expected a boolean/],
  [{ ...good, fetch: {} }, /fetch: expected a function/],
  [{ ...good, now: 1 }, /now: expected a function/],
  [{ ...good, now: () => Number.NaN }, /now: expected milliseconds/],
  [{ ...good, now: () => new Date() }, /now: expected milliseconds/],
  [{ ...good, jitter: 0.5 }, /jitter: expected a function/],
];

for (const [options, message] of mistakes) {
  test(`a mistake is named: ${message.source}, ${JSON.stringify(options)}`, async () => {
    const complete = typeof options === "object" && !("fetch" in options) ? { ...options, fetch: noFetch } : options;

    await assert.rejects(createVerifier(complete), (error) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

test("addresses of this machine need no https, others need it said", async () => {
  const asked = [];
  const fetch = async (url) => {
    asked.push(url);
    throw new Error("enough");
  };
  const issuers = ["http://localhost:1", "http://127.8.9.1:1", "http://[::1]:1", "http://demo.localhost:1"];
  issuers.push("https://login.example/");
  for (const issuer of issuers) {
    (await createVerifier({ issuer, audience: "orders", fetch })).close();
  }
  (await createVerifier({ issuer: "http://issuer:8000", audience: "orders", allowHttp: true, fetch })).close();

  const paths = [...issuers, "http://issuer:8000"].map((issuer) => issuer.replace(/\/$/, ""));
  assert.deepEqual(
    asked,
    paths.map((path) => `${path}/.well-known/oauth-authorization-server`),
  );
});

test("an https issuer cannot send its verifiers to http keys", async () => {
  const metadata = { issuer: good.issuer, jwks_uri: "http://127.0.0.1:1/keys" };
  const fetch = async () => Response.json(metadata);

  const refused = { code: "keys_unavailable", message: /https like the issuer/ };
  await assert.rejects(createVerifier({ ...good, fetch }), refused);
});

test("a clock that breaks later refuses, it never accepts", async (t) => {
  let now = Date.now();
  const fetch = async () => new Response(null, { status: 500 });
  const verifier = await createVerifier({ ...good, now: () => now, fetch });
  t.after(() => verifier.close());
  now = Number.NaN;

  assert.throws(() => verifier.verify("a.b.c"), { name: "KeystoneError" });
});
