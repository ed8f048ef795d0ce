// The README's snippets, run as they are printed, with a test's issuer in place of the example's.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { codes } from "../dist/index.js";
import { changed, startIssuer } from "./issuer.mjs";

const project = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(project, "README.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "keystone-readme-"));
mkdirSync(join(folder, "node_modules", "@keystone-auth"), { recursive: true });
symlinkSync(project, join(folder, "node_modules", "@keystone-auth", "verifier"));
after(() => rmSync(folder, { recursive: true, force: true }));

function snippet(heading, language) {
  const section = readme.slice(readme.indexOf(`## ${heading}\n`));
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

test("the four lines accept a token with the scope and refuse one without", async (t) => {
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

test("the service answers each caller", async (t) => {
  const issuer = await real(t);
  const service = snippet("A service", "js")
    .replace("https://login.example", issuer.url)
    .replace("listen(3000)", "listen(0, () => process.send(server.address().port))");
  const { child } = start(t, "service.mjs", service);
  const [port] = await once(child, "message");
  const ask = async (headers) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
    return [response.status, await response.text(), response.headers.get("www-authenticate")?.split(" ")[0]];
  };

  assert.deepEqual(await ask({ authorization: `Bearer ${issuer.token()}` }), [200, "hello alice\n", undefined]);
  assert.deepEqual(await ask({ authorization: `Bearer ${changed(issuer.token())}` }), [401, "signature\n", "Bearer"]);
  assert.deepEqual(await ask({}), [401, "no_credentials\n", "Bearer"]);
});

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
