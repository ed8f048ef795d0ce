// The same service for Bun, Deno and workerd, whose servers call `fetch` of the default export: `bun hono.mjs`. Each
// route says itself what it needs.

import { createVerifier } from "@keystone-auth/verifier";
import { protect } from "@keystone-auth/verifier/hono";
import { Hono } from "hono";

const issuer = globalThis.process?.env.ISSUER ?? "http://127.0.0.1:8000";
// By the first request: workerd fetches nothing before.
let verifier;
const needs = (requirement) => protect(() => (verifier ??= createVerifier({ issuer, audience: "orders" })), requirement);
const orders = [{ item: "a rabbit hole", by: "demo" }];

const app = new Hono();
app.get("/health", (c) => c.text("well"));
app.get("/me", needs({ authenticated: true }), (c) => {
  const { subject, scopes } = c.var.token;
  return c.json({ subject, scopes });
});
app.get("/orders", needs("orders:read"), (c) => c.json(orders));
app.post("/orders", needs({ all: ["orders:read", "orders:write"] }), async (c) => {
  const { item } = await c.req.json();
  orders.push({ item: String(item), by: c.var.token.subject });
  return c.json(orders.at(-1), 201);
});

export default app;
