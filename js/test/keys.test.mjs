// Where keys come from, how they are kept fresh, and what happens when they cannot be had.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier, KeystoneError } from "../dist/index.js";
import { createTestIssuer } from "../dist/testing.js";
import { json, newKey, startIssuer, until } from "./issuer.mjs";

async function start(t, issuer, changes) {
  const verifier = await createVerifier(issuer.options(changes));
  t.after(() => verifier.close());
  return verifier;
}

function codeOf(verifier, token) {
  try {
    verifier.verify(token);
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof KeystoneError, String(error));
    return error.code;
  }
}

/** What a key set's address may answer without anybody getting new keys from it. */
const badAnswers = {
  "a missing page": (response) => response.writeHead(404).end(),
  "a server error": (response) => response.writeHead(500).end(),
  "no content": (response) => response.writeHead(204).end(),
  "a redirect": (response) => response.writeHead(302, { location: "/elsewhere" }).end(),
  "an empty body": (response) => response.writeHead(200).end(),
  "a web page": (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
  "half a set": (response) => response.writeHead(200).end('{"keys":['),
  "no keys": (response) => json(response, { keys: [] }),
  "keys that are no list": (response) => json(response, { keys: {} }),
  "a private key": (response) => json(response, { keys: [{ ...newKey("p").jwk, d: "AAAA" }] }),
  "another key under an old name": (response) => json(response, { keys: [newKey("first").jwk] }),
  "a long body": (response) => response.writeHead(200).end(JSON.stringify({ keys: [], pad: "x".repeat(65_536) })),
  "an endless body": (response) => endless(response.writeHead(200)),
};

function endless(response) {
  const more = () => response.destroyed || response.write("x".repeat(16_384), more);
  more();
}

test("keys are found by way of the metadata", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);

  assert.equal(codeOf(verifier, issuer.token()), "accepted");
  assert.deepEqual(issuer.requests, ["/.well-known/oauth-authorization-server", "/.well-known/jwks.json"]);
});

test("a key address that was given is used without asking", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer, { jwksUri: `${issuer.url}/.well-known/jwks.json` });

  assert.equal(codeOf(verifier, issuer.token()), "accepted");
  assert.deepEqual(issuer.requests, ["/.well-known/jwks.json"]);
});

test("metadata that is not this issuer's is refused at the start", async (t) => {
  const issuer = await startIssuer(t);
  const jwks_uri = `${issuer.url}/.well-known/jwks.json`;
  const wrong = [
    { issuer: "https://evil.example", jwks_uri },
    { issuer: `${issuer.url}/`, jwks_uri },
    { jwks_uri },
    { issuer: issuer.url },
    { issuer: issuer.url, jwks_uri: "ftp://127.0.0.1/keys" },
    { issuer: issuer.url, jwks_uri: "http://keys.example/keys" },
    { issuer: issuer.url, jwks_uri: "keys" },
    [],
    null,
  ];
  for (const metadata of wrong) {
    issuer.answerMetadata((response) => json(response, metadata));

    await assert.rejects(createVerifier(issuer.options()), { code: "keys_unavailable", status: 503 });
  }
  assert.equal(issuer.jwksRequests(), 0);
});

test("an unreachable issuer means 503 and is tried again", async (t) => {
  const issuer = await startIssuer(t);
  const token = issuer.token();
  await issuer.stop();
  const verifier = await start(t, issuer);

  assert.throws(() => verifier.verify(token), (error) => {
    assert.deepEqual([error.code, error.status, error.challenge], ["keys_unavailable", 503, undefined]);
    assert.ok(error.retryAfter >= 1);
    assert.match(error.message, /ECONNREFUSED/);
    assert.match(error.cause.message, /oauth-authorization-server/);
    return true;
  });

  await issuer.listen(issuer.port);
  issuer.pass(60);
  assert.equal(codeOf(verifier, token), "keys_unavailable");
  assert.equal((await verifier.verifyAsync(token)).subject, "alice");
  assert.equal(codeOf(verifier, token), "accepted");
});

test("a malformed token is refused as such without keys", async (t) => {
  const issuer = await startIssuer(t);
  await issuer.stop();
  const verifier = await start(t, issuer);

  assert.equal(codeOf(verifier, "a.b"), "malformed");
});

for (const [name, answer] of Object.entries(badAnswers)) {
  test(`${name} instead of keys at the start means 503`, async (t) => {
    const issuer = await startIssuer(t);
    issuer.answerJwks(name === "another key under an old name" ? badAnswers["no keys"] : answer);
    const verifier = await start(t, issuer);

    assert.equal(codeOf(verifier, issuer.token()), "keys_unavailable");
  });

  test(`${name} instead of keys leaves the old ones in use until their hard age`, async (t) => {
    const issuer = await startIssuer(t);
    const verifier = await start(t, issuer);
    issuer.answerJwks(answer);

    issuer.pass(400);
    const token = issuer.token();
    assert.equal(codeOf(verifier, token), "accepted");
    await until(() => issuer.jwksRequests() === 2);
    issuer.pass(199);
    await assert.doesNotReject(verifier.verifyAsync(token));
    issuer.pass(1);
    assert.equal(codeOf(verifier, token), "keys_unavailable");
  });
}

test("keys are refreshed in the background before they are old", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);
  issuer.pass(19);
  codeOf(verifier, issuer.token());
  assert.equal(issuer.jwksRequests(), 1);

  issuer.pass(10);
  assert.equal(codeOf(verifier, issuer.token()), "accepted");
  await until(() => issuer.jwksRequests() === 2);
});

test("a key that was withdrawn stops working with the next refresh", async (t) => {
  const issuer = await startIssuer(t);
  const withdrawn = issuer.keys[0];
  const verifier = await start(t, issuer);
  issuer.keys = [newKey("second")];

  issuer.pass(330);
  const token = issuer.token({}, { key: withdrawn });
  codeOf(verifier, token);
  await until(() => codeOf(verifier, token) === "unknown_kid");

  assert.equal(codeOf(verifier, issuer.token()), "accepted");
});

test("unknown kids cause one additional fetch", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);
  const strangers = Array.from({ length: 50 }, (_, at) => issuer.token({}, { key: newKey(`stranger-${at}`) }));

  for (const token of strangers) assert.equal(codeOf(verifier, token), "unknown_kid");
  await Promise.allSettled(strangers.map((token) => verifier.verifyAsync(token)));
  assert.equal(issuer.jwksRequests(), 2);

  issuer.pass(19);
  await Promise.allSettled(strangers.map((token) => verifier.verifyAsync(token)));
  assert.equal(issuer.jwksRequests(), 2);

  issuer.pass(11);
  await Promise.allSettled(strangers.map((token) => verifier.verifyAsync(token)));
  assert.equal(issuer.jwksRequests(), 3);
});

test("verifyAsync waits for the key of a new token", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);
  const second = newKey("second");
  issuer.keys.push(second);

  const token = await verifier.verifyAsync(issuer.token({}, { key: second }));

  assert.equal(token.subject, "alice");
});

test("verifyAsync waits no longer than half a second", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);
  issuer.answerJwks(() => {});
  const began = performance.now();

  await assert.rejects(verifier.verifyAsync(issuer.token({}, { key: newKey("second") })), { code: "unknown_kid" });

  assert.ok(performance.now() - began < 2000);
});

test("many callers share one fetch", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);
  const second = newKey("second");
  issuer.keys.push(second);
  const token = issuer.token({}, { key: second });

  const verdicts = await Promise.all(Array.from({ length: 100 }, () => verifier.verifyAsync(token)));

  assert.equal(verdicts.length, 100);
  assert.equal(issuer.jwksRequests(), 2);
});

test("closing ends a fetch under way and a wait for it", async (t) => {
  const issuer = await startIssuer(t);
  const verifier = await start(t, issuer);
  issuer.answerJwks(() => {});
  const waiting = verifier.verifyAsync(issuer.token({}, { key: newKey("second") }));
  await until(() => issuer.jwksRequests() === 2);

  verifier.close();

  await assert.rejects(waiting, { code: "unknown_kid" });
});

test("an injected fetch is held to the same limits", async (t) => {
  const issuer = await startIssuer(t);
  const set = JSON.stringify(issuer.jwks());
  const seen = [];
  const answer = (respond) => async (url, init) => {
    seen.push([url, init.redirect]);
    return respond();
  };
  const jwksUri = `${issuer.url}/keys`;

  const good = await start(t, issuer, { jwksUri, fetch: answer(() => new Response(set)) });
  assert.equal(codeOf(good, issuer.token()), "accepted");
  assert.deepEqual(seen, [[jwksUri, "manual"]]);

  for (const respond of [
    () => new Response(set.padEnd(65_537)),
    () => Object.defineProperty(new Response(set), "redirected", { value: true }),
    () => Response.error(),
    () => undefined,
    () => {
      throw new Error("no network");
    },
  ]) {
    const verifier = await start(t, issuer, { jwksUri, fetch: answer(respond) });
    assert.equal(codeOf(verifier, issuer.token()), "keys_unavailable");
  }
});

test("an answer that does not come within 5 seconds is none", async (t) => {
  const issuer = await startIssuer(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let asked = false;
  const fetch = () => {
    asked = true;
    return new Promise(() => {});
  };
  const starting = start(t, issuer, { fetch });
  await until(() => asked);

  t.mock.timers.tick(5000);

  const verifier = await starting;
  assert.throws(() => verifier.verify(issuer.token()), { code: "keys_unavailable", message: /within 5000 ms/ });
});

test("an outage of nine minutes costs no request", async (t) => {
  for (const jitter of [0, 0.99]) {
    for (const gone of [0, 7, 19, 20, 27]) {
      const issuer = await createTestIssuer();
      const verifier = await createVerifier({ ...issuer.options, jitter: () => jitter });
      t.after(() => verifier.close());
      const token = await issuer.token({ exp: issuer.now() / 1000 + 3600 });
      const ask = () => verifier.verifyAsync(token).then(() => "accepted", ({ code }) => code);
      const seconds = async (count) => {
        const codes = new Set();
        for (let second = 0; second < count; second += 1) {
          issuer.pass(1);
          codes.add(await ask());
        }
        return [...codes];
      };

      assert.deepEqual(await seconds(gone), gone === 0 ? [] : ["accepted"]);
      issuer.away = true;
      assert.deepEqual(await seconds(540), ["accepted"], `gone after ${gone} seconds`);
      issuer.away = false;
      assert.deepEqual(await seconds(120), ["accepted"], `gone after ${gone} seconds, and back`);
    }
  }
});

test("an issuer that is away for longer means 503, never 401", async (t) => {
  const issuer = await createTestIssuer();
  const verifier = await createVerifier(issuer.options);
  t.after(() => verifier.close());
  issuer.away = true;
  issuer.pass(600);

  for (let minute = 0; minute < 60; minute += 1) {
    await assert.rejects(issuer.token().then((token) => verifier.verifyAsync(token)), { code: "keys_unavailable", status: 503 });
    issuer.pass(60);
  }
});

test("a snapshot lets a verifier start without the issuer", async (t) => {
  const issuer = await createTestIssuer();
  const [token, later] = [await issuer.token(), await issuer.token({ exp: issuer.now() / 1000 + 3600 })];
  const first = await createVerifier(issuer.options);
  t.after(() => first.close());
  const snapshot = first.snapshot();
  issuer.away = true;
  issuer.pass(500);

  const second = await createVerifier({ ...issuer.options, snapshot });
  t.after(() => second.close());
  assert.equal(second.verify(token).subject, "alice");
  assert.equal(second.verify(token), second.verify(token));
  issuer.pass(100);
  assert.equal(codeOf(second, later), "keys_unavailable");
});

test("a broken, old or foreign snapshot is ignored", async (t) => {
  const issuer = await createTestIssuer();
  const other = await createTestIssuer({ issuer: "https://other.test" });
  const [one, two] = [await createVerifier(issuer.options), await createVerifier(other.options)];
  const old = one.snapshot();
  for (const verifier of [one, two]) t.after(() => verifier.close());
  issuer.pass(600);
  const wrong = [old, two.snapshot(), "", "{}", old.slice(0, -1), old.replace('"fetched_at":', '"fetched_at":9')];
  issuer.away = true;

  for (const snapshot of wrong) {
    const verifier = await createVerifier({ ...issuer.options, snapshot });
    t.after(() => verifier.close());
    assert.equal(codeOf(verifier, await issuer.token()), "keys_unavailable", snapshot);
    assert.equal(verifier.snapshot(), undefined);
  }
});

test("metadata of an issuer with a path precede the path", async (t) => {
  const seen = [];
  const fetch = async (url) => {
    seen.push(url);
    return new Response(null, { status: 404 });
  };
  for (const path of ["", "/", "/tenant", "/a/b/"]) {
    const verifier = await createVerifier({ issuer: `https://login.example${path}`, audience: "orders", fetch });
    t.after(() => verifier.close());
  }

  const place = "https://login.example/.well-known/oauth-authorization-server";
  assert.deepEqual(seen, [place, place, `${place}/tenant`, `${place}/a/b`]);
});

test("a service that verifies nothing refreshes its keys too", async (t) => {
  const issuer = await startIssuer(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let asked = 0;
  const fetch = async () => {
    asked += 1;
    return Response.json(issuer.jwks());
  };
  await start(t, issuer, { jwksUri: `${issuer.url}/keys`, fetch });

  t.mock.timers.tick(45_000);
  assert.equal(asked, 1);

  issuer.pass(330);
  t.mock.timers.tick(45_000);
  await until(() => asked === 2);
});
