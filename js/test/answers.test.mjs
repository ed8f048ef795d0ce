// What a client is told: tests/vectors/answers.json, to which the crate and the Envoy filter are held as well.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createGate } from "../dist/policy.js";
import { createTestIssuer, hostileCases } from "../dist/testing.js";

const { answers } = JSON.parse(readFileSync(new URL("../../tests/vectors/answers.json", import.meta.url)));
const answerTo = (code) => answers.find((answer) => answer.code === code);

async function told(error) {
  const response = error.toResponse();
  const headers = Object.fromEntries(response.headers);
  return { code: error.code, status: response.status, headers, body: await response.json() };
}

/** Without what the file cannot know: which claim is wrong and which scopes a route needs. */
function bare({ body: { claim, scope, ...body }, headers, ...rest }) {
  const challenge = headers["www-authenticate"];
  if (scope === undefined) return { ...rest, headers, body };
  assert.ok(challenge.endsWith(`, scope="${scope}"`), challenge);
  return { ...rest, headers: { ...headers, "www-authenticate": challenge.slice(0, -`, scope="${scope}"`.length) }, body };
}

test("every refusal of the hostile file has the listed answer", async () => {
  const unseen = new Set(answers.map(({ code }) => code));
  for (const { name, policy, request, now } of hostileCases()) {
    const gate = await createGate({ policy, now: () => now });
    const { outcome, error } = gate.decide(request);
    gate.close();
    if (outcome !== "deny") continue;

    assert.deepEqual(bare(await told(error)), answerTo(error.code), name);
    unseen.delete(error.code);
  }
  // Of the issuer's keys the next test tells; the other two come with the revocation feed.
  assert.deepEqual([...unseen], ["revoked", "keys_unavailable", "revocations_stale"]);
});

test("without keys the answer is the one that is written down", async (t) => {
  const issuer = await createTestIssuer();
  issuer.away = true;
  const routes = [{ methods: ["GET"], path: "/me", authenticated: true }];
  const gate = await createGate({ policy: { version: 1, issuers: [issuer.policy], routes }, ...issuer.runtime });
  t.after(() => gate.close());

  const { error } = gate.decide({ method: "GET", path: "/me", authorization: `Bearer ${await issuer.token()}` });

  assert.deepEqual(await told(error), answerTo("keys_unavailable"));
});
