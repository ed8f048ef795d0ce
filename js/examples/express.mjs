// node express.mjs [PORT] — a small orders service. The policy file beside it says who may do what; the Envoy filter
// would read the same one.

import { readFile } from "node:fs/promises";
import { protect } from "@keystone-auth/verifier/express";
import { createGate } from "@keystone-auth/verifier/policy";
import express from "express";

const [port = "3000", policy = new URL("policy.json", import.meta.url)] = process.argv.slice(2);
const gate = await createGate({ policy: await readFile(policy) });
const orders = [{ item: "a rabbit hole", by: "demo" }];

const app = express();
app.use(protect(gate), express.json());
app.get("/health", (request, response) => response.send("well"));
app.get("/me", ({ token }, response) => response.json({ subject: token.subject, scopes: token.scopes }));
app.get("/orders", (request, response) => response.json(orders));
app.post("/orders", ({ token, body }, response) => {
  orders.push({ item: String(body?.item), by: token.subject });
  response.status(201).json(orders.at(-1));
});

const server = app.listen(Number(port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
