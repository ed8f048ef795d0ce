// Requests that somebody else answered meanwhile, and answers that cannot be given: nothing of it ends the process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import express from "express";
import fastify from "fastify";
import Koa from "koa";
import * as onExpress from "../dist/express.js";
import * as onFastify from "../dist/fastify.js";
import { createVerifier } from "../dist/index.js";
import * as onKoa from "../dist/koa.js";
import { createTestIssuer } from "../dist/testing.js";

/** For each framework: a server that answers 503 while `protect` still waits. `reached` hears of what it lets through. */
const hasty = {
  express(protect, reached) {
    const app = express();
    app.use((_, response, next) => {
      next();
      response.status(503).send("late");
    });
    app.use(protect, reached);
    return createServer(app);
  },
  "express, before its answer is complete": (protect, reached) => {
    const app = express();
    app.use((_, response, next) => {
      response.status(503).write("la");
      next();
      decided(response, () => response.end("te"));
    });
    app.use(protect, reached);
    return createServer(app);
  },
  "node's own server": (protect, reached) =>
    createServer((request, response) => {
      protect(request, response, reached);
      response.writeHead(503).end("late");
    }),
  fastify(protect, reached) {
    const app = fastify();
    app.addHook("onRequest", (_, reply, done) => {
      done();
      reply.code(503).send("late");
    });
    app.addHook("onRequest", protect);
    app.get("/", async () => reached());
    return app;
  },
  "fastify, around it": (protect, reached) => {
    const app = fastify();
    app.addHook("onRequest", (_, reply, done) => {
      reply.raw.writeHead(503).write("la");
      done();
      decided(reply.raw, () => reply.raw.end("te"));
    });
    app.addHook("onRequest", protect);
    app.get("/", async () => reached());
    return app;
  },
  koa(protect, reached) {
    const app = new Koa();
    app.use((ctx, next) => {
      const rest = next();
      ctx.respond = false;
      ctx.res.writeHead(503).end("late");
      return rest;
    });
    app.use(protect).use(reached);
    return createServer(app.callback());
  },
};

/** Calls back once the key server has answered, and what waited for it has gone on. */
let whenDecided;
function decided(_, done) {
  whenDecided.then(() => setImmediate(done));
}

const adapters = { express: onExpress, node: onExpress, fastify: onFastify, koa: onKoa };

async function listen(t, server) {
  if ("inject" in server) await server.listen({ port: 0, host: "127.0.0.1" });
  else await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const { port } = (server.server ?? server).address();
  return `http://127.0.0.1:${port}/`;
}

/** A verifier whose issuer answers when `release` is called: until then a token of a new key waits. */
async function slow(t) {
  const issuer = await createTestIssuer();
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  let isSlow = false;
  const fetch = async (url) => {
    if (isSlow) await released;
    return issuer.fetch(url);
  };
  const verifier = await createVerifier({ ...issuer.options, fetch });
  t.after(() => verifier.close());
  isSlow = true;
  return { issuer, verifier, release, released };
}

/** What would have ended the process. */
function unhandled(t) {
  const faults = [];
  const hear = (fault) => faults.push(fault);
  for (const event of ["unhandledRejection", "uncaughtException"]) {
    process.on(event, hear);
    t.after(() => process.off(event, hear));
  }
  return faults;
}

for (const [name, serve] of Object.entries(hasty)) {
  const { protect } = adapters[name.split(/\W/)[0]];

  test(`${name}: an answer that was given meanwhile stands`, async (t) => {
    const { issuer, verifier, release, released } = await slow(t);
    whenDecided = released;
    const faults = unhandled(t);
    const reached = t.mock.fn();
    const address = await listen(t, serve(protect(verifier, "admin"), reached));
    await issuer.rotate();
    const headers = [{}, { authorization: `Bearer ${await issuer.token({ scope: "admin" }, { key: issuer.keys[0] })}` }, { authorization: "Bearer a.b.c" }];

    const asked = headers.map((of) => fetch(address, { headers: of }));
    release();
    for (const response of await Promise.all(asked)) {
      assert.deepEqual([response.status, await response.text()], [503, "late"]);
    }
    await new Promise((done) => setImmediate(done));

    assert.deepEqual(faults, []);
    assert.equal((await fetch(address)).status, 503);
  });
}

function thrown() {
  throw new Error("not today");
}

/** Servers on which answering, or going on, throws. */
const broken = {
  "express: an answer that cannot be written": (protect) =>
    express().use((_, response, next) => {
      const { setHeader } = response;
      response.setHeader = (name, value) => (name === "www-authenticate" ? thrown() : setHeader.call(response, name, value));
      next();
    }, protect),
  "express: a handler that throws": (protect) => express().use(protect, thrown),
  "express: an error handler that throws": (protect) => express().use(protect, thrown).use((_fault, _request, _response, _next) => thrown()),
  "node's own server: what comes next throws": (protect) => (request, response) => protect(request, response, thrown),
  "node's own server: headers of another kind": (protect) => (request, response) =>
    protect({ ...request, rawHeaders: [], headers: { authorization: 5 } }, response, thrown),
};

for (const [name, serve] of Object.entries(broken)) {
  test(`${name}: one request fails, and nothing else`, async (t) => {
    const issuer = await createTestIssuer();
    const verifier = await createVerifier(issuer.options);
    t.after(() => verifier.close());
    t.mock.method(console, "error", () => {});
    const faults = unhandled(t);
    const address = await listen(t, createServer(serve(onExpress.protect(verifier, "admin"))));
    const authorization = `Bearer ${await issuer.token({ scope: "admin" })}`;

    for (const headers of [{}, { authorization }, {}]) {
      const outcome = await fetch(address, { headers }).then(({ status }) => status, () => "no answer");
      assert.ok(["no answer", 401, 404, 500].includes(outcome), `${outcome}`);
    }

    assert.deepEqual(faults, []);
  });
}
