// The `cors` of a policy: what the Envoy filter answers to pages of other origins, in every framework.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as onNext from "../dist/next.js";
import * as onPolicy from "../dist/policy.js";
import { createTestIssuer } from "../dist/testing.js";
import * as onWebCrypto from "../dist/webcrypto.js";
import { frameworks, listen, overFetch, send } from "./servers.mjs";

const ORIGIN = "https://app.example";
const cors = { origins: [ORIGIN, "http://127.0.0.1:8080"], headers: ["x-trace"], max_age_seconds: 60 };
const routes = [
  { methods: ["GET"], path: "/about", public: true },
  { methods: ["GET", "PUT"], path: "/orders", require: { all: ["orders:read"] } },
  { methods: ["OPTIONS", "GET"], path: "/pages/own", authenticated: true },
];

// As in envoy-filter/src/request/tests.rs.
const allowed = {
  "access-control-allow-origin": ORIGIN,
  "access-control-allow-methods": "GET, PUT",
  "access-control-allow-headers": "authorization, content-type, x-trace",
  "access-control-max-age": "60",
  vary: "origin",
};
const readable = {
  "access-control-allow-origin": ORIGIN,
  "access-control-expose-headers": "www-authenticate, retry-after",
  vary: "origin",
};

async function start(t, changes = { cors }, { createGate } = onPolicy) {
  const issuer = await createTestIssuer();
  const gate = await createGate({ policy: { version: 1, issuers: [issuer.policy], routes, ...changes }, ...issuer.runtime });
  t.after(() => gate.close());
  return { issuer, gate };
}

const preflight = (changes = {}) => ({
  method: "OPTIONS",
  path: "/orders?page=2",
  authorization: undefined,
  origin: ORIGIN,
  accessControlRequestMethod: "PUT",
  ...changes,
});

const ofCors = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => /^(access-control-|vary$)/.test(name)));

// A path that no handler has is not reached by a router that is mounted on some.
const everywhere = Object.entries(frameworks).filter(([name]) => name !== "express below a path");

for (const [name, serve] of [...everywhere, ["next's middleware", ([gate]) => overFetch(async (request) => (await onNext.middleware(gate)(request)) ?? new Response("nobody"))]]) {
  test(`${name}: pages of listed origins are answered as by Envoy`, async (t) => {
    const { gate, issuer } = await start(t);
    const port = await listen(t, serve([gate]));
    const ask = (method, path, headers) => send(port, { method, path, headers });
    const asking = { origin: ORIGIN, "access-control-request-method": "PUT" };

    const answer = await ask("OPTIONS", "/orders?page=2", asking);
    assert.deepEqual([answer.status, answer.body, ofCors(answer.headers)], [204, "", allowed]);

    const refused = await ask("GET", "/orders", { origin: ORIGIN });
    assert.deepEqual([refused.status, ofCors(refused.headers)], [401, readable]);
    assert.equal(refused.headers["www-authenticate"], 'Bearer realm="keystone"');

    const evil = { ...asking, origin: "https://evil.example" };
    for (const [path, headers, status] of [
      ["/orders", evil, 403],
      ["/orders", { ...asking, "access-control-request-method": "DELETE" }, 403],
      ["/orders", { origin: ORIGIN }, 403],
      ["/nowhere", asking, 403],
      ["/pages/own", { ...asking, "access-control-request-method": "GET" }, 401],
      ["/a/../orders", asking, name === "fastify" || name === "express" || name === "koa" ? 400 : 204],
    ]) {
      assert.equal((await ask("OPTIONS", path, headers)).status, status, `${path} ${JSON.stringify(headers)}`);
    }
    assert.deepEqual(ofCors((await ask("GET", "/orders", { origin: evil.origin })).headers), {});

    const authorization = `Bearer ${await issuer.token({ scope: "orders:read" })}`;
    const passed = await ask("GET", "/orders", { origin: ORIGIN, authorization });
    assert.deepEqual([passed.status, passed.headers["access-control-allow-origin"]], [200, undefined]);
  });
}

for (const [entry, made] of Object.entries({ policy: onPolicy, webcrypto: onWebCrypto })) {
  test(`${entry}: a gate answers preflights, and its refusals can be read`, async (t) => {
    const { gate } = await start(t, { cors }, made);

    const answer = gate.preflight(preflight());
    assert.deepEqual([answer.status, answer.headers], [204, allowed]);
    const response = answer.toResponse();
    assert.deepEqual([response.status, response.body, Object.fromEntries(response.headers)], [204, null, allowed]);
    const request = new Request("https://orders.example/orders", { method: "OPTIONS", headers: { origin: ORIGIN, "access-control-request-method": "PUT" } });
    assert.deepEqual(gate.preflight(request).headers, allowed);

    for (const decide of [(request) => gate.decide(request), (request) => gate.decideAsync(request)]) {
      const { error } = await decide({ method: "GET", path: "/orders", authorization: undefined, origin: [ORIGIN] });
      assert.deepEqual(ofCors(error.headers), readable);
      assert.deepEqual(ofCors(Object.fromEntries(error.toResponse().headers)), readable);
    }
  });
}

test("other OPTIONS requests are left to the decision", async (t) => {
  const { gate } = await start(t);
  for (const changes of [
    { method: "GET" },
    { method: "options" },
    { origin: undefined },
    { origin: "" },
    { origin: "null" },
    { origin: "https://APP.example" },
    { origin: `${ORIGIN}/` },
    { origin: [ORIGIN, ORIGIN] },
    { origin: [] },
    { origin: `${ORIGIN}${"x".repeat(20_000)}` },
    { accessControlRequestMethod: undefined },
    { accessControlRequestMethod: ["PUT", "PUT"] },
    { accessControlRequestMethod: "put" },
    { path: "/orders/" },
    { path: "/%6frders" },
  ]) {
    assert.equal(gate.preflight(preflight(changes)), undefined, JSON.stringify(changes).slice(0, 100));
  }
  const { error } = gate.decide(preflight({ origin: [ORIGIN, ORIGIN] }));
  assert.deepEqual([error.code, ofCors(error.headers)], ["no_route", {}]);
});

test("a policy without cors says nothing to pages", async (t) => {
  const { gate } = await start(t, {});

  assert.equal(gate.preflight(preflight()), undefined);
  assert.deepEqual(ofCors(gate.decide(preflight()).error.headers), {});
});
