// The page of the orders API: signs a person in, verifies the token in the page with the npm package, and offers only
// what the scopes allow. Hiding a button is a courtesy; Envoy decides.

const $ = (id) => document.getElementById(id);
const settings = await (await fetch("/assets/settings.json")).json();
const { createVerifier, KeystoneError } = await import(settings.package);
const verifier = await createVerifier({ issuer: settings.issuer, audience: settings.audience });

let state = null; // { name, text, token } of whoever is signed in
let asked = 0; // counts questions to Envoy: only the answer to the latest is shown

$("sign-in").addEventListener("submit", (event) => void signIn(event));
$("sign-out").addEventListener("click", () => show(null));
$("list").addEventListener("click", () => void call("GET"));
$("place").addEventListener("click", () => void call("POST"));
$("change").addEventListener("click", () => judge(true));
$("restore").addEventListener("click", () => judge(false));
setInterval(tick, 1000);
document.body.dataset.ready = "yes";

async function signIn(event) {
  event.preventDefault();
  const name = $("username").value;
  const answer = await fetch("/auth/token", {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "password",
      client_id: settings.client,
      username: name,
      password: $("password").value,
    }),
  });
  const body = await answer.json();
  $("password").value = "";
  $("trouble").hidden = answer.ok;
  $("trouble").textContent = answer.ok ? "" : `refused: ${body.error_description ?? body.error}`;
  if (answer.ok) show({ name, text: body.access_token, token: verifier.verify(body.access_token) });
}

function show(next) {
  state = next;
  for (const id of ["person", "actions", "proof", "sign-out"]) $(id).hidden = !state;
  for (const id of ["answer", "answer-line"]) $(id).hidden = true;
  $("sign-in").hidden = Boolean(state);
  $("who").textContent = state ? `signed in as ${state.name}` : "nobody is signed in";
  if (!state) return;
  $("subject").textContent = state.token.subject;
  $("client").textContent = state.token.clientId;
  $("session").textContent = state.token.session ?? "none";
  $("scopes").replaceChildren(...state.token.scopes.map((scope) => element("span", scope)));
  offer();
  tick();
  judge(false);
}

/** Shows the buttons that the scopes allow, hides the rest and says what each of those needs. */
function offer() {
  const missing = [];
  for (const button of document.querySelectorAll("button[data-scope]")) {
    const { scope } = button.dataset;
    button.hidden = !state.token.has(scope);
    if (button.hidden) missing.push(element("li", `“${button.textContent}” needs the scope ${scope}`));
  }
  $("missing").replaceChildren(...missing);
}

/** Asks this page's verifier and Envoy about the same bytes. */
function judge(changed) {
  const text = changed ? withOneByteChanged(state.text) : state.text;
  $("change").disabled = changed;
  $("restore").hidden = !changed;
  draw(text, changed ? changedAt(text) : -1);
  verdict($("verdict"), local(text));
  $("gateway").dataset.code = "";
  $("gateway").textContent = "…";
  const question = ++asked;
  void remote(text).then((said) => question === asked && verdict($("gateway"), said));
}

function local(text) {
  try {
    verifier.verify(text);
    return { good: true, code: "valid", words: "valid" };
  } catch (error) {
    if (!(error instanceof KeystoneError)) throw error;
    return { good: false, code: error.code, words: `refused: ${error.code} (${error.status})` };
  }
}

async function remote(text) {
  const answer = await fetch("/me", { headers: { authorization: `Bearer ${text}` } });
  if (answer.ok) return { good: true, code: "valid", words: `let through (${answer.status})` };
  const { code } = await answer.json();
  return { good: false, code, words: `refused: ${code} (${answer.status})` };
}

function verdict(place, { good, code, words }) {
  place.className = good ? "good" : "bad";
  place.dataset.code = code;
  place.textContent = words;
}

async function call(method) {
  const answer = await fetch("/orders", {
    method,
    headers: { authorization: `Bearer ${state.text}`, ...(method === "POST" && { "content-type": "application/json" }) },
    body: method === "POST" ? JSON.stringify({ item: "tea" }) : undefined,
  });
  $("answer-line").hidden = $("answer").hidden = false;
  $("answer-line").className = answer.ok ? "good" : "bad";
  $("answer-line").textContent = `${method} /orders: ${answer.status}`;
  $("answer").textContent = JSON.stringify(await answer.json(), null, 2);
}

function tick() {
  if (!state) return;
  const left = state.token.expiresAt - Math.floor(Date.now() / 1000);
  if (left <= 0) {
    show(null);
    $("trouble").hidden = false;
    $("trouble").textContent = "The token has expired: sign in again.";
    return;
  }
  $("expires").textContent = `${Math.floor(left / 60)} min ${left % 60} s`;
}

/** The byte in the middle of the signature; the text stays well-formed. */
function withOneByteChanged(text) {
  const at = changedAt(text);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

function changedAt(text) {
  const start = text.lastIndexOf(".") + 1;
  return start + Math.floor((text.length - start) / 2);
}

/** The three parts in their colours; the byte at `at` marked. */
function draw(text, at) {
  let offset = 0;
  const parts = text.split(".").map((part, index) => {
    const span = element("span", "", `part-${index}`);
    const inside = at - offset;
    if (inside >= 0 && inside < part.length) {
      span.append(part.slice(0, inside), element("mark", part[inside]), part.slice(inside + 1));
    } else {
      span.append(part);
    }
    offset += part.length + 1;
    return span;
  });
  $("token").replaceChildren(...parts.flatMap((part, index) => (index ? [".", part] : [part])));
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
