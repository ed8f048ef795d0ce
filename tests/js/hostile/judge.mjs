// Judges every case of the hostile file by the package: the same text on every platform. What differs is how it is
// started, and that is all the other files here do.

/** The verdict on each case, in the file's order: a reason code, `public`, or `allow`. */
export async function judge({ createGate, createVerifier }, file) {
  const verdicts = [];
  for (const request of file.cases) {
    const [issuer] = file.policy.issuers;
    const keys = request.keys ?? issuer.keys.inline;
    const policy = { ...file.policy, issuers: [{ ...issuer, keys: { inline: keys } }] };
    const now = () => (request.now ?? file.now) * 1000;
    const gate = await createGate({ policy, now });
    const verdict = word(await gate.decideAsync(request));
    gate.close();
    // Where any valid token will do, the verifier that knows no policy must say the same, if it is another engine.
    const alone = await verified(createVerifier, { issuer, keys, now }, request);
    verdicts.push(alone === undefined || alone === verdict ? verdict : `${verdict}, and without a policy ${alone}`);
  }
  return verdicts;
}

async function verified(createVerifier, { issuer: { issuer, audiences }, keys, now }, request) {
  if (createVerifier === undefined || request.method !== "GET" || request.path !== "/me") return undefined;
  const fetch = async () => new Response(JSON.stringify(keys));
  const verifier = await createVerifier({ issuer, audience: audiences, jwksUri: `${issuer}/keys`, fetch, now });
  const verdict = word(verifier.guard({ authenticated: true }).decide(request));
  verifier.close();
  return verdict;
}

function word({ outcome, error }) {
  return error?.code ?? outcome;
}

/** Fetches the file from the harness at `server` and tells it the verdicts, or what went wrong. */
export async function report(verifier, server, platform) {
  let told;
  try {
    const file = await (await fetch(`${server}/hostile.json`)).json();
    told = await judge(verifier, file);
  } catch (error) {
    told = { trouble: `${error.stack ?? error}` };
  }
  await fetch(`${server}/verdicts/${platform}`, { method: "POST", body: JSON.stringify(told) });
}
