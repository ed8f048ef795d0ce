// The README's snippets, run as they are printed, with a test's issuer in place of the example's.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { codes } from "../dist/index.js";
import { changed, startIssuer } from "./issuer.mjs";

const project = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(project, "README.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "keystone-readme-"));
mkdirSync(join(folder, "node_modules", "@keystone-auth"), { recursive: true });
symlinkSync(project, join(folder, "node_modules", "@keystone-auth", "verifier"));
for (const framework of ["express", "fastify"]) {
  symlinkSync(join(project, "node_modules", framework), join(folder, "node_modules", framework));
}
after(() => rmSync(folder, { recursive: true, force: true }));

function snippet(heading, language) {
  const section = readme.slice(readme.indexOf(`## ${heading}`));
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section)[1];
}

/** Starts a program and collects what it prints. */
function start(t, name, text) {
  writeFileSync(join(folder, name), text);
  const child = fork(join(folder, name), { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  t.after(() => child.kill());
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  return { child, ended: once(child, "close").then(([code]) => ({ code, printed })) };
}

async function real(t) {
  const issuer = await startIssuer(t);
  issuer.clock = Date.now();
  return issuer;
}

test("the four lines accept a scope and refuse its lack", async (t) => {
  const issuer = await real(t);
  const lines = snippet("Four lines", "js").replace("https://login.example", issuer.url);

  const accepted = start(t, "accepted.mjs", `const bearer = "${issuer.token()}"; ${lines}`);
  assert.deepEqual(await accepted.ended, { code: 0, printed: "" });

  const refused = start(t, "refused.mjs", `const bearer = "${issuer.token({ scope: "" })}"; ${lines}`);
  assert.match((await refused.ended).printed, /alice may not read orders/);
});

test("the CommonJS line gives the function", async (t) => {
  const line = snippet("Four lines", "cjs");

  assert.equal((await start(t, "line.cjs", `${line} createVerifier.call;`).ended).code, 0);
});

/** Starts a snippet that listens, and gives a function that asks it. */
async function listening(t, name, text) {
  const { child } = start(t, name, text);
  const [port] = await once(child, "message");
  return async (path, token) => {
    const headers = token && { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    const text = await response.text();
    return `${response.status} ${text.startsWith("{") ? JSON.parse(text).code : text}`;
  };
}

test("the Express service answers each caller", async (t) => {
  const issuer = await real(t);
  const service = snippet("In front of a framework", "js express")
    .replace("https://login.example", issuer.url)
    .replace("app.listen(3000)", "const server = app.listen(0, () => process.send(server.address().port))");
  const ask = await listening(t, "express.mjs", service);

  assert.equal(await ask("/orders", issuer.token()), "200 hello alice");
  assert.equal(await ask("/orders", issuer.token({ scope: "" })), "403 insufficient_scope");
  assert.equal(await ask("/orders", changed(issuer.token())), "401 signature");
  assert.equal(await ask("/orders"), "401 no_credentials");
});

test("the gate's service answers each caller", async (t) => {
  const issuer = await real(t);
  const service = snippet("One policy file for all routes", "js gate")
    .replaceAll("https://login.example", issuer.url)
    .replace("await app.listen({ port: 3000 })", "await app.listen({ port: 0 }); process.send(app.server.address().port)");
  const ask = await listening(t, "gate.mjs", service);

  assert.equal(await ask("/health"), "200 well");
  assert.equal(await ask("/orders", issuer.token()), "200 hello alice");
  assert.equal(await ask("/orders"), "401 no_credentials");
  assert.equal(await ask("/other", issuer.token()), "403 no_route");
});

test("the explanation names the check that failed", async (t) => {
  const issuer = await real(t);
  const gate = snippet("One policy file for all routes", "js gate").split("const app")[0].replaceAll("https://login.example", issuer.url);
  const text = `${gate} const bearer = "${issuer.token({ scope: "" })}"; ${snippet("One policy file", "js explain")}`;

  const { code, printed } = await start(t, "explain.mjs", text).ended;

  assert.equal(code, 0, printed);
  assert.match(printed, /^insufficient_scope\npassed path: \/orders\n[^]*\nfailed scopes: .*\nnot_reached roles: /);
});

test("a preflight is answered before the decision", async (t) => {
  const issuer = await real(t);
  const gate = snippet("One policy file for all routes", "js gate").split("const app")[0].replaceAll("https://login.example", issuer.url);
  const cors = gate.replace("routes: [", 'cors: { origins: ["https://app.example"] }, routes: [');
  const handler = `(request) => { ${snippet("One policy file", "js preflight")} return new Response(outcome + token); }`;
  const ask = `(${handler})(new Request("https://orders.example/orders", { method, headers })).status`;
  const headers = { origin: "https://app.example", "access-control-request-method": "GET" };
  const asked = `for (const method of ["OPTIONS", "GET"]) console.log(${ask});`;

  const { printed } = await start(t, "preflight.mjs", `${cors} const headers = ${JSON.stringify(headers)}; ${asked}`).ended;

  assert.equal(printed, "204\n401\n");
});

test("the fetch handler answers each caller", async (t) => {
  const issuer = await real(t);
  const text = snippet("In front of a framework", "js fetch").replace("https://login.example", issuer.url);
  writeFileSync(join(folder, "fetch.mjs"), text);
  const { default: service } = await import(pathToFileURL(join(folder, "fetch.mjs")));
  const ask = (token) => service.fetch(new Request("https://orders.example/", { headers: { authorization: `Bearer ${token}` } }));

  assert.equal(await (await ask(issuer.token())).text(), "hello alice");
  assert.equal((await ask(issuer.token({ scope: "" }))).status, 403);
});

for (const [heading, name] of [["Testing a service", "testing"], ["Revocations", "revocations"]]) {
  test(`the test of a service passes: ${name}`, async (t) => {
    const { ended } = start(t, `${name}.mjs`, snippet(heading, `js ${name}`));

    const { code, printed } = await ended;
    assert.equal(code, 0, printed);
  });
}

test("the page shows the button to whoever may press it", async (t) => {
  const issuer = await real(t);
  const page = /<script type="module">([^]*?)<\/script>/.exec(snippet("A page without a bundler", "html"))[1];
  const here = page.replace("https://login.example", issuer.url);
  const script = here.replace("/verifier/index.js", "@keystone-auth/verifier");
  const run = (token) => `
    const button = {};
    globalThis.document = { querySelector: () => button };
    globalThis.sessionStorage = { getItem: () => ${JSON.stringify(token)} };
    process.on("exit", () => process.stdout.write(JSON.stringify([button.hidden, document.title])));
    ${script}`;

  const told = async (token) => JSON.parse((await start(t, "page.mjs", run(token)).ended).printed);
  assert.deepEqual(await told(issuer.token()), [false, null]);
  assert.deepEqual(await told(issuer.token({ scope: "orders:read" })), [true, null]);
  assert.deepEqual(await told(null), [null, "Please log in (no_credentials)"]);
});

test("every code is explained", () => {
  for (const code of codes) assert.ok(readme.includes(`\`${code}\``), code);
});
