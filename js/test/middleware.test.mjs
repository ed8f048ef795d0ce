// The middleware, in the frameworks it is for: the same requests get the same answers everywhere.

import assert from "node:assert/strict";
import { test } from "node:test";
import fastify from "fastify";
import { Hono } from "hono";
import * as onExpress from "../dist/express.js";
import * as onFastify from "../dist/fastify.js";
import * as onFetch from "../dist/fetch.js";
import * as onHono from "../dist/hono.js";
import { createVerifier } from "../dist/index.js";
import * as onNext from "../dist/next.js";
import { createGate } from "../dist/policy.js";
import { createTestIssuer } from "../dist/testing.js";
import { ask, frameworks, listen, overFetch, tell } from "./servers.mjs";

const routes = [
  { methods: ["GET"], path: "/about", public: true },
  { methods: ["GET"], path: "/pages/{page}", public: true },
  { methods: ["GET"], path: "/pages/admin", require: { all: ["admin"] } },
  { methods: ["GET"], path: "/orders", require: { all: ["orders:read"] } },
];

async function start(t) {
  const issuer = await createTestIssuer();
  const policy = { version: 1, issuers: [issuer.policy], routes };
  const gate = await createGate({ policy, ...issuer.runtime });
  const verifier = await createVerifier(issuer.options);
  t.after(() => [gate, verifier].map((each) => each.close()));
  return { issuer, gate, verifier, token: await issuer.token({ scope: "orders:read" }), poor: await issuer.token() };
}

for (const [name, serve] of Object.entries(frameworks)) {
  test(`${name}: a requirement lets the right tokens pass`, async (t) => {
    const { verifier, token, poor } = await start(t);
    const port = await listen(t, serve([verifier, "orders:read"]));

    const passed = await ask(port, "/orders", token);
    assert.deepEqual([passed.status, passed.body], [200, "alice"]);
    const refused = [await ask(port, "/orders"), await ask(port, "/orders", poor), await ask(port, "/orders", "a.b.c")];
    assert.deepEqual(
      refused.map(({ status, body }) => [status, JSON.parse(body).code]),
      [
        [401, "no_credentials"],
        [403, "insufficient_scope"],
        [401, "base64"],
      ],
    );
    assert.equal(refused[0].headers["www-authenticate"], 'Bearer realm="keystone"');
    assert.match(refused[1].headers["www-authenticate"], /error="insufficient_scope".*scope="orders:read"/);
    assert.match(refused[1].headers["content-type"], /^application\/problem\+json/);
  });

  test(`${name}: a gate applies its policy`, async (t) => {
    const { gate, token, poor } = await start(t);
    const port = await listen(t, serve([gate]));
    const said = async (...request) => {
      const { status, body } = await ask(port, ...request);
      return `${status} ${status === 200 ? body : JSON.parse(body).code}`;
    };

    assert.equal(await said("/about"), "200 nobody");
    assert.equal(await said("/orders", token), "200 alice");
    assert.equal(await said("/pages/help"), "200 nobody");
    assert.equal(await said("/orders", poor), "403 insufficient_scope");
    assert.equal(await said("/orders"), "401 no_credentials");
    assert.equal(await said("/nowhere", token), "403 no_route");
    assert.equal(await said("/pages/%61dmin"), "400 bad_path");
    assert.equal(await said("/pages/admin"), "401 no_credentials");
  });

  test(`${name}: two tokens are refused, whichever the framework would choose`, async (t) => {
    const { verifier, token } = await start(t);
    const port = await listen(t, serve([verifier, "orders:read"]));

    const { status, body } = await ask(port, "/orders", token, token);

    assert.deepEqual([status, JSON.parse(body).code], [400, "multiple_credentials"]);
  });

  test(`${name}: an issuer that is away means 503`, async (t) => {
    const issuer = await createTestIssuer();
    issuer.away = true;
    const verifier = await createVerifier(issuer.options);
    t.after(() => verifier.close());
    const port = await listen(t, serve([verifier, { authenticated: true }]));

    const { status, headers } = await ask(port, "/orders", await issuer.token());

    assert.equal(status, 503);
    assert.ok(Number(headers["retry-after"]) >= 1);
    assert.equal(headers["www-authenticate"], undefined);
  });

  test(`${name}: a verifier may still be on its way`, async (t) => {
    const { issuer, token } = await start(t);
    const coming = createVerifier(issuer.options);
    const port = await listen(t, serve([coming, "orders:read"]));
    t.after(async () => (await coming).close());
    const late = await listen(t, serve([() => coming, "orders:read"]));

    assert.equal((await ask(port, "/orders", token)).body, "alice");
    assert.equal((await ask(late, "/orders", token)).body, "alice");
  });
}

for (const name of ["express", "express below a path", "koa"]) {
  test(`${name}: a path that is routed like another needs what the other needs`, async (t) => {
    const { gate, issuer } = await start(t);
    const port = await listen(t, frameworks[name]([gate]));
    const admin = await issuer.token({ scope: "admin" });

    for (const path of ["/pages/ADMIN", "/pages/Admin", "/pages/Admin?x=A"]) {
      assert.equal((await ask(port, path)).status, 401, path);
      assert.equal((await ask(port, path, admin)).body, "alice", path);
    }
    assert.notEqual((await ask(port, "/pages/admin/")).status, 200);
    assert.equal((await ask(port, "/Pages/admin", admin)).status, 403);
    assert.equal((await ask(port, "/pages/Help")).body, "nobody");
  });

  test(`${name}: a policy that says that paths are compared byte by byte is refused`, async (t) => {
    const issuer = await createTestIssuer();
    const policy = { version: 1, path_comparison: "exact", issuers: [issuer.policy], routes };
    const gate = await createGate({ policy, ...issuer.runtime });
    t.after(() => gate.close());
    const server = frameworks[name]([gate]);
    t.mock.method(console, "error", () => {});

    assert.equal((await ask(await listen(t, server), "/about")).status, 500);
  });
}

test("fastify and hono: lenient routers are treated as such", async (t) => {
  const { gate } = await start(t);
  const app = fastify({ routerOptions: { caseSensitive: false, ignoreTrailingSlash: true } });
  app.addHook("onRequest", onFastify.protect(gate));
  for (const path of ["/pages/admin", "/pages/:page"]) app.get(path, async (request) => tell(request.token));
  const hono = new Hono({ strict: false });
  hono.use(onHono.protect(gate));
  hono.get("/orders", (c) => c.text(tell(c.var.token)));

  assert.equal((await ask(await listen(t, app), "/pages/ADMIN")).status, 401);
  assert.equal((await ask(await listen(t, overFetch((request) => hono.fetch(request))), "/orders/")).status, 403);
});

test("next's middleware answers only what the policy refuses", async (t) => {
  const { gate, token } = await start(t);
  const middleware = onNext.middleware(gate);
  const request = (path, headers) => new Request(`https://orders.example${path}`, { headers });

  assert.equal(await middleware(request("/about")), undefined);
  assert.equal(await middleware(request("/orders", { authorization: `Bearer ${token}` })), undefined);
  assert.equal((await middleware(request("/orders"))).status, 401);
});

test("a requirement that would let everybody in is a mistake", async (t) => {
  const { verifier, gate } = await start(t);

  for (const requirement of [undefined, null, "", "a b", [], {}, { all: [] }, { any: [""] }, { authenticated: false }, { scope: "a" }, { all: "a" }, { authenticated: true, all: ["a"] }]) {
    assert.throws(() => onExpress.protect(verifier, requirement), TypeError, JSON.stringify(requirement));
  }
  assert.throws(() => onExpress.protect(gate, "orders:read"), TypeError);
  assert.throws(() => onFetch.protect(verifier, "orders:read"), TypeError);
});

test("a requirement may ask for all scopes, any scope and any role", async (t) => {
  const { verifier, issuer } = await start(t);
  const guard = verifier.guard({ all: ["a", "b"], any: ["c", "d"], roles: ["clerk", "chief"] });
  const ask = async (claims) => {
    const { outcome, error } = guard.decide({ method: "GET", path: "/", authorization: `Bearer ${await issuer.token(claims)}` });
    return error?.code ?? outcome;
  };

  assert.equal(await ask({ scope: "a b d", roles: ["chief"] }), "allow");
  assert.equal(await ask({ scope: "a d", roles: ["chief"] }), "insufficient_scope");
  assert.equal(await ask({ scope: "a b", roles: ["chief"] }), "insufficient_scope");
  assert.equal(await ask({ scope: "a b c", roles: ["guest"] }), "insufficient_role");
});

test("what one requirement found enough is not enough for another", async (t) => {
  const { verifier, token } = await start(t);
  const request = { method: "GET", path: "/", authorization: `Bearer ${token}` };
  const [weak, strong] = [verifier.guard({ authenticated: true }), verifier.guard("admin")];

  for (let times = 0; times < 3; times += 1) {
    assert.equal(weak.decide(request).outcome, "allow");
    assert.equal(strong.decide(request).error.code, "insufficient_scope");
  }
});
