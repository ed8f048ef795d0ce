// The policy file, applied to requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createGate } from "../dist/policy.js";
import { createTestIssuer, hostileCases } from "../dist/testing.js";

export const routes = [
  { methods: ["GET"], path: "/about", public: true },
  { methods: ["GET"], path: "/me", authenticated: true },
  { methods: ["GET"], path: "/orders", require: { all: ["orders:read"] } },
  { methods: ["GET"], path: "/desk", authenticated: true, roles: ["clerk"] },
];

async function start(t, changes = {}) {
  const issuer = await createTestIssuer();
  const policy = { version: 1, issuers: [issuer.policy], routes, ...changes };
  const gate = await createGate({ policy, ...issuer.runtime });
  t.after(() => gate.close());
  const ask = (path, token, method = "GET") =>
    gate.decide({ method, path, authorization: token && `Bearer ${token}` });
  return { issuer, gate, ask };
}

test("every case of the hostile file gets its verdict", async () => {
  let count = 0;
  for (const { name, policy, request, verdict, now } of hostileCases()) {
    const gate = await createGate({ policy, now: () => now });
    const { outcome, error } = gate.decide(request);

    assert.equal(outcome === "deny" ? error.code : outcome, verdict, name);
    assert.equal(gate.explain(request).verdict, verdict, name);
    gate.close();
    count += 1;
  }
  assert.ok(count >= 700, `${count} cases`);
});

test("each route asks for what the policy says", async (t) => {
  const { issuer, ask } = await start(t);
  const [reader, clerk] = [await issuer.token({ scope: "orders:read" }), await issuer.token({ roles: ["clerk"] })];

  assert.deepEqual(ask("/about"), { outcome: "public" });
  assert.equal(ask("/me", reader).token.subject, "alice");
  assert.equal(ask("/orders?page=2", reader).outcome, "allow");
  assert.equal(ask("/desk", clerk).outcome, "allow");
  const codes = [ask("/me"), ask("/orders", clerk), ask("/desk", reader), ask("/other", reader), ask("/a/../me", reader)];
  assert.deepEqual(
    codes.map(({ error }) => error.code),
    ["no_credentials", "insufficient_scope", "insufficient_role", "no_route", "bad_path"],
  );
  assert.equal(ask("/orders", reader, "POST").error.code, "no_route");
});

test("a refusal is a whole answer", async (t) => {
  const { issuer, ask } = await start(t);
  const { error } = ask("/orders", await issuer.token());

  const response = error.toResponse();

  assert.equal(response.status, 403);
  assert.match(response.headers.get("www-authenticate"), /^Bearer .*error="insufficient_scope".* scope="orders:read"/);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const problem = await response.json();
  assert.deepEqual([problem.status, problem.code, problem.scope], [403, "insufficient_scope", "orders:read"]);
});

test("a fetch request is read as it is", async (t) => {
  const { issuer, gate } = await start(t);
  const request = (path, authorization) => new Request(`https://orders.example${path}`, { headers: { authorization } });
  const bearer = `Bearer ${await issuer.token({ scope: "orders:read" })}`;

  assert.equal(gate.decide(request("/orders?page=2", bearer)).outcome, "allow");
  assert.equal(gate.decide(request("/orders", `${bearer}, ${bearer}`)).error.code, "multiple_credentials");
  assert.equal(gate.decide(request("/%6de", bearer)).error.code, "bad_path");
});

test("the start waits for the keys of every issuer", async (t) => {
  const [one, two] = [await createTestIssuer(), await createTestIssuer({ issuer: "https://two.test" })];
  const policy = { version: 1, issuers: [one.policy, two.policy], routes };
  const fetch = (url) => (String(url).startsWith("https://two") ? two : one).fetch(url);
  two.away = true;
  const gate = await createGate({ policy, now: one.now, fetch });
  t.after(() => gate.close());
  const ask = async (issuer) =>
    gate.decideAsync({ method: "GET", path: "/me", authorization: `Bearer ${await issuer.token({ iat: one.now() / 1000 | 0 })}` });

  assert.equal((await ask(one)).outcome, "allow");
  const away = await ask(two);
  assert.deepEqual([away.error.code, away.error.status], ["keys_unavailable", 503]);
  assert.match(away.error.message, /away/);
  two.away = false;
  one.pass(60);
  assert.equal((await ask(two)).token.issuer, "https://two.test");
});

test("a wrong policy is refused with the member at fault", async (t) => {
  const issuer = await createTestIssuer();
  const policy = { version: 1, issuers: [issuer.policy], routes };
  const wrong = [
    [undefined, /policy/],
    [{ policy: 1 }, /policy: expected/],
    [{ policy: "{" }, /policy: .*line 1/],
    [{ policy: { ...policy, route: [] } }, /policy: line 1, route: unknown member/],
    [{ policy, polcy: 1 }, /unknown option polcy/],
    [{ policy: { ...policy, issuers: [{ ...issuer.policy, keys: { url: "http://keys.example" } }] } }, /issuers\[0\].keys.url.*allowHttp/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(createGate(options), { name: "TypeError", message }, String(message));
  }
  const text = JSON.stringify(policy);
  for (const same of [text, Buffer.from(text), policy]) {
    const gate = await createGate({ policy: same, ...issuer.runtime });
    assert.equal(gate.decide({ method: "GET", path: "/about" }).outcome, "public");
    gate.close();
    assert.throws(() => gate.decide({ method: "GET", path: "/about" }), /was closed/);
  }
});

test("an explanation names every check and no secret", async (t) => {
  const { issuer, gate } = await start(t);
  const token = await issuer.token();
  const told = gate.explain({ method: "GET", path: "/orders", authorization: `Bearer ${token}` });

  assert.equal(told.verdict, "insufficient_scope");
  assert.equal(told.status, 403);
  const outcomes = Object.fromEntries(told.checks.map(({ check, outcome }) => [check, outcome]));
  assert.deepEqual(
    [outcomes.path, outcomes.signature, outcomes.scopes, outcomes.roles],
    ["passed", "passed", "failed", "not_reached"],
  );
  assert.equal(JSON.stringify(told).includes(token.split(".")[2]), false);
});
