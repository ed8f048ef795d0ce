// What TypeScript knows of a request after `protect`, in each framework. Compiled by types.test.mjs, never run.

import { createServer } from "node:http";
import Router from "@koa/router";
import { createVerifier, type Token } from "@keystone-auth/verifier";
import * as onExpress from "@keystone-auth/verifier/express";
import * as onFastify from "@keystone-auth/verifier/fastify";
import * as onFetch from "@keystone-auth/verifier/fetch";
import * as onHono from "@keystone-auth/verifier/hono";
import * as onKoa from "@keystone-auth/verifier/koa";
import * as onNext from "@keystone-auth/verifier/next";
import { createGate } from "@keystone-auth/verifier/policy";
import { createTestIssuer } from "@keystone-auth/verifier/testing";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";

const issuer = await createTestIssuer();
const verifier = await createVerifier(issuer.options);
const gate = createGate({ policy: {}, ...issuer.runtime });

const onExpressApp = express().use(onExpress.protect(gate)).use(onExpress.protect(verifier, "a"));
onExpressApp.get("/", onExpress.protect(verifier, "a"), (request, response) => {
  const { subject }: Token = request.token;
  response.send(subject);
});
onExpressApp.post("/:id", express.json(), onExpress.protect(verifier, { any: ["a", "b"] }), async (request, response) => {
  const id: string = request.params.id;
  response.locals.id = id;
  response.json({ id, subject: request.token.subject });
});
onExpressApp.get("/about", onExpress.protect(gate), (request, response) => {
  // @ts-expect-error a gate's route may be public
  response.send(request.token.subject);
});
express.Router().get("/", (request, response) => {
  // @ts-expect-error nothing of this route says that `protect` ran
  response.send(request.token.subject);
});
onExpressApp.get<{ id: string }>("/named/:id", onExpress.protect(verifier, "a"), named);
function named(request: express.Request<{ id: string }>, response: express.Response) {
  const token: Token | undefined = request.token;
  response.send(token?.subject);
}
createServer((request, response) => onExpress.protect(verifier, "a")(request, response, () => response.end()));

const onFastifyApp = fastify().addHook("onRequest", onFastify.protect(gate)).addHook("onRequest", onFastify.protect(verifier, "a"));
onFastifyApp.get("/", { onRequest: onFastify.protect(verifier, { any: ["a", "b"] }) }, async (request) => {
  const { subject }: Token = request.token;
  return subject;
});
onFastifyApp.post("/", { onRequest: [onFastify.protect(verifier, "a")], bodyLimit: 5 }, async (request) => request.token.subject);
onFastifyApp.route({ method: "GET", url: "/r", onRequest: onFastify.protect(verifier, "a"), handler: async (request) => request.token.subject });
onFastifyApp.get<{ Params: { id: string } }>("/:id", { onRequest: onFastify.protect(verifier, "a") }, async (request) => {
  const token: Token | undefined = request.token;
  return request.params.id + token?.subject;
});
onFastifyApp.get("/about", { onRequest: onFastify.protect(gate) }, async (request) => {
  // @ts-expect-error a gate's route may be public
  return request.token.subject;
});

const onHonoApp = new Hono();
onHonoApp.get("/", onHono.protect(verifier, { roles: ["clerk"] }), (c) => {
  const token: Token = c.var.token;
  return c.text(token.subject);
});
onHonoApp.get("/about", onHono.protect(gate), (c) => {
  // @ts-expect-error a gate's route may be public
  const token: Token = c.var.token;
  return c.text(token.subject);
});

const onKoaApp = new Koa<onKoa.State>().use(onKoa.protect(gate));
onKoaApp.use(onKoa.protect(verifier, { authenticated: true })).use((ctx) => {
  const token: Token | undefined = ctx.state.token;
  ctx.body = token?.subject;
});
new Router<onKoa.State>().get("/", onKoa.protect(verifier, "a"), (ctx) => void (ctx.body = ctx.state.token?.subject));

export const GET = onNext.protect(verifier, "a", async (_, token, context: { params: Promise<{ id: string }> }) => {
  const { subject }: Token = token;
  return Response.json({ subject, id: (await context.params).id });
});
export const middleware = onNext.middleware(gate);
export default {
  fetch: onFetch.protect(() => verifier, { all: ["a"] }, (request, token, env: { name: string }) => {
    return new Response(`${request.url} ${token.subject} ${env.name}`);
  }),
};

// @ts-expect-error what requests need is not optional
onExpress.protect(verifier);
// @ts-expect-error a gate's policy says what requests need
onExpress.protect(gate, "a");
// @ts-expect-error a misspelt requirement
onExpress.protect(verifier, { every: ["a"] });
