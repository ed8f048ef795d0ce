// The examples, run as a reader would, with a test's issuer in place of a real one.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startIssuer } from "./issuer.mjs";

const examples = fileURLToPath(new URL("../examples", import.meta.url));

async function real(t) {
  const issuer = await startIssuer(t);
  issuer.clock = Date.now();
  return issuer;
}

async function express(t, issuer) {
  const folder = mkdtempSync(join(tmpdir(), "keystone-example-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const policy = readFileSync(join(examples, "policy.json"), "utf8").replaceAll("http://127.0.0.1:8000", issuer.url);
  writeFileSync(join(folder, "policy.json"), policy);
  const service = spawn(process.execPath, [join(examples, "express.mjs"), "0", join(folder, "policy.json")]);
  t.after(() => service.kill());
  const [address] = await once(service.stdout, "data");
  return (path, init) => fetch(`${String(address).trim()}${path}`, init);
}

async function hono(_, issuer) {
  process.env.ISSUER = issuer.url;
  const { default: app } = await import("../examples/hono.mjs");
  return (path, init) => app.request(path, init);
}

for (const [name, start] of Object.entries({ express, hono })) {
  test(`the ${name} example answers each caller`, async (t) => {
    const issuer = await real(t);
    const service = await start(t, issuer);
    const ask = async (path, token, order) => {
      const body = order && JSON.stringify(order);
      const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": "application/json" }) };
      const response = await service(path, { method: body ? "POST" : "GET", headers, body });
      const text = await response.text();
      return [response.status, text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text];
    };
    const [all, reader] = [issuer.token(), issuer.token({ scope: "orders:read", sub: "bob" })];

    assert.deepEqual(await ask("/health"), [200, "well"]);
    assert.deepEqual(await ask("/me", reader), [200, { subject: "bob", scopes: ["orders:read"] }]);
    assert.equal((await ask("/me"))[1].code, "no_credentials");
    assert.equal((await ask("/orders", reader))[0], 200);
    assert.equal((await ask("/orders", reader, { item: "tea" }))[1].code, "insufficient_scope");
    assert.deepEqual(await ask("/orders", all, { item: "tea" }), [201, { item: "tea", by: "alice" }]);
  });
}
