// createGate and what it returns: the policy file, applied to requests as the Envoy filter applies it.

import { accepted, isAccepted, refused } from "./answer.js";
import type { Decision, Explanation, Guard } from "./decision.js";
import type { GateEngine, KeyHolder, Platform } from "./engine.js";
import type { KeystoneError } from "./errors.js";
import { readBytes } from "./get.js";
import { Generations } from "./generations.js";
import { Keys, newKeysMayHelp } from "./keys.js";
import { addressFault, type GateOptions, readGateOptions, readSurroundings } from "./options.js";
import { partsOf, type RequestParts, valuesOf } from "./request.js";
import type { Token } from "./token.js";

// Tokens that need not be made anew from the engine's answers; what is decided is the engine's alone.
const REMEMBERED = 2048;

/** Decides on requests by a policy file. Made by `createGate`. */
export class Gate implements Guard {
  readonly #engine: GateEngine;
  readonly #keys: readonly Keys[];
  readonly #now: () => number;
  /** By the engine's answer, which says all of a token. */
  readonly #tokens = new Generations<Token>(REMEMBERED);
  #open = true;

  /** @internal A path of the policy with a capital letter outside of braces. */
  readonly mixedCase: string | undefined;

  /** @internal */
  constructor(engine: GateEngine, keys: readonly Keys[], now: () => number, policy: Uint8Array) {
    this.#engine = engine;
    this.#keys = keys;
    this.#now = now;
    this.mixedCase = firstMixedCase(policy);
  }

  /** Decides on a request. What no route of the policy allows is denied. */
  decide(request: RequestParts | Request): Decision {
    this.#mustBeOpen("decide");
    const now = this.#now();
    const { method, path, authorization } = partsOf(request);
    return this.#read(this.#engine.decide(method, path, valuesOf(authorization), now), now);
  }

  async #awaited(request: RequestParts | Request): Promise<Decision> {
    this.#mustBeOpen("decide");
    const now = this.#now();
    const { method, path, authorization } = partsOf(request);
    const answer = this.#engine.decideAsync?.(method, path, valuesOf(authorization), now);
    if (answer === undefined) return this.decide(request);
    try {
      return this.#read(await answer, now);
    } finally {
      // Closed while it waited: that is what went wrong, whatever the engine says without its memory.
      this.#mustBeOpen("decide");
    }
  }

  #read(answer: string, now: number): Decision {
    if (answer === "public") return { outcome: "public" };
    if (isAccepted(answer)) {
      for (const keys of this.#keys) keys.lookIfDue(now);
      return { outcome: "allow", token: this.#token(answer) };
    }
    return { outcome: "deny", error: this.#refused(answer, now) };
  }

  /** The same decision, but where it hangs on keys that are being fetched, waits for them: at most 500 ms. */
  async decideAsync(request: RequestParts | Request): Promise<Decision> {
    const decision = await this.#awaited(request);
    if (decision.outcome !== "deny" || !newKeysMayHelp(decision.error)) return decision;
    const helped = await Promise.all(this.#keys.map((keys) => keys.mayHaveHelped(decision.error)));
    return helped.includes(true) && this.#open ? this.#awaited(request) : decision;
  }

  /** Every check that `decide` makes of this request, in order, with its outcome. */
  explain(request: RequestParts | Request): Explanation {
    this.#mustBeOpen("explain");
    const { method, path, authorization } = partsOf(request);
    return JSON.parse(this.#engine.explain(method, path, valuesOf(authorization), this.#now())) as Explanation;
  }

  /** Stops the background refresh and frees the memory. The gate cannot be used afterwards. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const keys of this.#keys) keys.close();
    this.#engine.free();
  }

  #token(answer: string): Token {
    const known = this.#tokens.get(answer);
    if (known !== undefined) return known;
    const token = accepted(answer);
    this.#tokens.set(answer, token);
    return token;
  }

  #refused(answer: string, now: number): KeystoneError {
    const failure = this.#keys.map((keys) => keys.failure).find((error) => error !== undefined);
    const refusal = refused(answer, failure);
    for (const keys of this.#keys) {
      if (newKeysMayHelp(refusal)) keys.look(now);
      else keys.lookIfDue(now);
    }
    return refusal;
  }

  #mustBeOpen(method: string): void {
    if (!this.#open) throw new Error(`${method}: this gate was closed`);
  }
}

/** The keys of one issuer of the gate. */
class KeysOfIssuer implements KeyHolder {
  readonly #engine: GateEngine;
  readonly #issuer: number;

  constructor(engine: GateEngine, issuer: number) {
    this.#engine = engine;
    this.#issuer = issuer;
  }

  wantsFetch(now: number): boolean {
    return this.#engine.wantsFetch(this.#issuer, now);
  }

  fetchStarted(now: number): void {
    this.#engine.fetchStarted(this.#issuer, now);
  }

  fetchFailed(now: number): void {
    this.#engine.fetchFailed(this.#issuer, now);
  }

  replaceKeys(jwks: Uint8Array, now: number): string | undefined {
    return this.#engine.replaceKeys(this.#issuer, jwks, now);
  }
}

/** @internal What each entry of the package wraps. */
export async function createGateOn(options: GateOptions, platform: Platform): Promise<Gate> {
  const policy = readGateOptions(options);
  const around = readSurroundings("createGate", options, platform.fetchInit);
  const engine = await platform.gate(policy).catch((fault: unknown) => {
    throw typeof fault === "string" ? new TypeError(`createGate: policy: ${fault}`) : fault;
  });
  const keys: Keys[] = [];
  for (const [issuer, url] of engine.issuers().entries()) {
    if (url === "") continue;
    const fault = addressFault(url, around.allowHttp);
    if (fault) throw new TypeError(`createGate: policy: issuers[${issuer}].keys.url: ${fault}`);
    keys.push(new Keys(new KeysOfIssuer(engine, issuer), (get) => readBytes(url, get), around));
  }
  for (const each of keys) each.look(around.now());
  await Promise.all(keys.map((each) => each.settled()));
  return new Gate(engine, keys, around.now, policy);
}

// The engine has read the policy before, and more strictly.
function firstMixedCase(policy: Uint8Array): string | undefined {
  const { routes } = JSON.parse(new TextDecoder().decode(policy)) as { routes: { path: string }[] };
  return routes.map(({ path }) => path).find((path) => /[A-Z]/.test(path.replaceAll(/\{[^}]*\}/g, "")));
}
