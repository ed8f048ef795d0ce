// Servers of every framework, on free ports of this machine, and requests that reach them as they are.

import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import Router from "@koa/router";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import * as onExpress from "../dist/express.js";
import * as onFastify from "../dist/fastify.js";
import * as onFetch from "../dist/fetch.js";
import * as onHono from "../dist/hono.js";
import * as onKoa from "../dist/koa.js";
import * as onNext from "../dist/next.js";

export const tell = (token) => (token === undefined ? "nobody" : token.subject);

/** For each framework: servers whose every path answers with the subject, behind a gate or behind a requirement. */
export const frameworks = {
  express(guard) {
    const app = express();
    app.use(onExpress.protect(...guard));
    app.get(["/about", "/orders", "/pages/admin", "/pages/:page"], (request, response) => response.send(tell(request.token)));
    return createServer(app);
  },
  "express below a path"(guard) {
    const [app, router] = [express(), express.Router()];
    router.use(onExpress.protect(...guard));
    router.get("/", (request, response) => response.send(tell(request.token)));
    app.use(["/about", "/orders", "/pages/:page", "/nowhere"], router);
    return createServer(app);
  },
  fastify(guard) {
    const app = fastify();
    app.addHook("onRequest", onFastify.protect(...guard));
    for (const path of ["/about", "/orders", "/pages/:page"]) app.get(path, async (request) => tell(request.token));
    return app;
  },
  koa(guard) {
    const [app, router] = [new Koa(), new Router()];
    for (const path of ["/about", "/orders", "/pages/:page"]) {
      router.get(path, (ctx) => {
        ctx.body = tell(ctx.state.token);
      });
    }
    app.use(onKoa.protect(...guard)).use(router.routes());
    return createServer(app.callback());
  },
  hono(guard) {
    const app = new Hono();
    app.use(onHono.protect(...guard));
    app.get("*", (c) => c.text(tell(c.var.token)));
    return overFetch((request) => app.fetch(request));
  },
  fetch: (guard) => overFetch(onFetch.protect(...guard, (_, token) => new Response(tell(token)))),
  "next's route handlers": (guard) => overFetch(onNext.protect(...guard, (_, token) => new Response(tell(token)))),
};

/** A handler of fetch requests on Node's own server. */
export function overFetch(handle) {
  return createServer(async (incoming, outgoing) => {
    const headers = new Headers();
    for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at], incoming.rawHeaders[at + 1]);
    }
    const { method, url } = incoming;
    const response = await handle(new Request(`http://${incoming.headers.host}${url}`, { method, headers }));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
  });
}

export async function listen(t, server) {
  if ("inject" in server) {
    await server.listen({ port: 0, host: "127.0.0.1" });
    t.after(() => server.close());
    return server.server.address().port;
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return server.address().port;
}

/** Asks with these tokens, unlike fetch with every one of them. */
export function ask(port, path, ...tokens) {
  return send(port, { path, headers: { authorization: tokens.map((token) => `Bearer ${token}`) } });
}

/** Unlike fetch, sends the method, the path and every header as they are. */
export async function send(port, message) {
  const request = httpRequest({ port, host: "127.0.0.1", agent: false, ...message });
  const [response] = await once(request.end(), "response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}
