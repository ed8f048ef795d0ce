// createGate and what it returns: the policy file, applied to requests as the Envoy filter applies it.

import { accepted, isAccepted, refused } from "./answer.js";
import type { Decision, Explanation, Guard } from "./decision.js";
import type { GateEngine, Platform } from "./engine.js";
import type { KeystoneError } from "./errors.js";
import { Feed } from "./feed.js";
import { TwoGenerationCache } from "./two-generation-cache.js";
import { readBytes } from "./bounded-fetch.js";
import { IssuerOfGate } from "./issuer.js";
import { KEYS, Keys, waited } from "./keys.js";
import { addressFault, type FollowedFeed, type GateOptions, readGateOptions, readRuntime, type Runtime } from "./options.js";
import { Preflight } from "./preflight.js";
import { type RequestParts, requestOf, singleOf } from "./request.js";
import type { Token } from "./token.js";

// Tokens that need not be made anew from the engine's answers; what is decided is the engine's alone.
const MAX_CACHED_TOKENS = 2048;

/** Decides on requests by a policy file. Made by `createGate`. */
export class Gate implements Guard {
  readonly #engine: GateEngine;
  readonly #keys: readonly Keys[];
  readonly #feeds: readonly Feed[];
  /** All that is fetched. */
  readonly #fetched: readonly Keys[];
  readonly #now: () => number;
  /** By the engine's answer, which says all of a token. */
  readonly #tokens = new TwoGenerationCache<Token>(MAX_CACHED_TOKENS);
  #open = true;

  /** @internal Whether the policy says that the service compares paths byte by byte. */
  readonly exactPaths: boolean;

  /** @internal */
  constructor(engine: GateEngine, { keys, feeds }: Followed, now: () => number) {
    this.#engine = engine;
    this.#keys = keys;
    this.#feeds = feeds;
    this.#fetched = [...keys, ...feeds.map(({ pages }) => pages)];
    this.#now = now;
    this.exactPaths = engine.exactPaths;
  }

  /** Decides on a request. What no route of the policy allows is denied. */
  decide(request: RequestParts | Request): Decision {
    this.#mustBeOpen("decide");
    const now = this.#now();
    const { method, path, authorization } = requestOf("decide", request);
    return this.#read(this.#engine.decide(method, path, authorization, now), request, now);
  }

  async #awaited(request: RequestParts | Request): Promise<Decision> {
    this.#mustBeOpen("decide");
    const now = this.#now();
    const { method, path, authorization } = requestOf("decide", request);
    const answer = this.#engine.decideAsync?.(method, path, authorization, now);
    if (answer === undefined) return this.decide(request);
    try {
      return this.#read(await answer, request, now);
    } finally {
      // Closed while it waited: that is what went wrong, whatever the engine says without its memory.
      this.#mustBeOpen("decide");
    }
  }

  #read(answer: string, request: RequestParts | Request, now: number): Decision {
    if (answer === "public") return { outcome: "public" };
    if (isAccepted(answer)) {
      for (const each of this.#fetched) each.lookIfDue(now);
      return { outcome: "allow", token: this.#token(answer) };
    }
    return { outcome: "deny", error: this.#refused(answer, request, now) };
  }

  /**
   * The answer to a preflight of a page whose origin the policy's `cors` lists. To be asked before `decide`, which knows
   * nothing of preflights. Undefined: this request is none, or is to be decided on like any other.
   */
  preflight(request: RequestParts | Request): Preflight | undefined {
    this.#mustBeOpen("preflight");
    const { method, path } = requestOf("preflight", request);
    if (method !== "OPTIONS") return undefined;
    const origin = singleOf("preflight", request, "origin");
    const requested = singleOf("preflight", request, "accessControlRequestMethod");
    if (origin === undefined || requested === undefined) return undefined;
    const headers = headersOf(this.#engine.preflight(path, origin, requested));
    return headers && new Preflight(headers);
  }

  /** The same decision, but where it hangs on keys or revocations that are being fetched, waits for them: at most 500 ms. */
  async decideAsync(request: RequestParts | Request): Promise<Decision> {
    const decision = await this.#awaited(request);
    if (decision.outcome !== "deny") return decision;
    const { awaits } = decision.error;
    const flights = this.#fetched.map((each) => each.flightFor(awaits)).filter((flight) => flight !== undefined);
    if (flights.length === 0) return decision;
    // One that is slow must not cost what another brought.
    const helped = await Promise.all(flights.map(waited));
    return helped.includes(true) && this.#open ? this.#awaited(request) : decision;
  }

  /** The revocation feeds of the policy's issuers. */
  get feeds(): FollowedFeed[] {
    return this.#feeds.map(({ status }) => status);
  }

  /** Every check that `decide` makes of this request, in order, with its outcome. */
  explain(request: RequestParts | Request): Explanation {
    this.#mustBeOpen("explain");
    const { method, path, authorization } = requestOf("explain", request);
    return JSON.parse(this.#engine.explain(method, path, authorization, this.#now())) as Explanation;
  }

  /** Stops the background refresh and frees the memory. The gate cannot be used afterwards. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const each of this.#fetched) each.close();
    this.#engine.free();
  }

  #token(answer: string): Token {
    const known = this.#tokens.get(answer);
    if (known !== undefined) return known;
    const token = accepted(answer);
    this.#tokens.set(answer, token);
    return token;
  }

  #refused(answer: string, request: RequestParts | Request, now: number): KeystoneError {
    const failureOf = (fetched: readonly Keys[]) => fetched.map(({ failure }) => failure).find((error) => error !== undefined);
    const origin = singleOf("decide", request, "origin");
    const readable = origin === undefined ? undefined : headersOf(this.#engine.readable(origin));
    const failures = [failureOf(this.#keys), failureOf(this.#feeds.map(({ pages }) => pages))] as const;
    const refusal = refused(answer, failures, readable);
    for (const each of this.#fetched) each.lookAfter(refusal.awaits, now);
    return refusal;
  }

  #mustBeOpen(method: string): void {
    if (!this.#open) throw new Error(`${method}: this gate was closed`);
  }
}

/** Undefined: there are none. */
function headersOf(flat: string[]): Record<string, string> | undefined {
  if (flat.length === 0) return undefined;
  const headers: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) headers[`${flat[at]}`] = `${flat[at + 1]}`;
  return headers;
}

interface Followed {
  keys: readonly Keys[];
  feeds: readonly Feed[];
}

/** @internal What each entry of the package wraps. */
export async function createGateOn(options: GateOptions, platform: Platform): Promise<Gate> {
  const policy = readGateOptions(options);
  const runtime = readRuntime("createGate", options, platform.fetchInit);
  const engine = await platform.gate(policy).catch((fault: unknown) => {
    throw typeof fault === "string" ? new TypeError(`createGate: policy: ${fault}`) : fault;
  });
  const followed = follow(engine, runtime);
  for (const keys of followed.keys) keys.look(runtime.now());
  for (const { pages } of followed.feeds) pages.look(runtime.now());
  await Promise.all([
    ...followed.keys.map(({ flight }) => flight),
    ...followed.feeds.map(({ pages }) => pages.flight && waited(pages.flight)),
  ]);
  return new Gate(engine, followed, runtime.now);
}

/** Checks the addresses that the policy names, and follows them. */
function follow(engine: GateEngine, runtime: Runtime): Followed {
  const checked = (url: string, member: string): string => {
    const fault = addressFault(url, runtime.allowHttp);
    if (fault) throw new TypeError(`createGate: policy: issuers${member}: ${fault}`);
    return url;
  };
  const keys: Keys[] = [];
  for (const [issuer, url] of engine.issuers().entries()) {
    if (url === "") continue;
    checked(url, `[${issuer}].keys.url`);
    keys.push(new Keys(new IssuerOfGate(engine, issuer), { ...KEYS, read: (get) => readBytes(url, get) }, runtime));
  }
  const feeds: Feed[] = [];
  const addresses = engine.feeds();
  for (let issuer = 0; issuer * 2 < addresses.length; issuer += 1) {
    const [url = "", keysUrl = ""] = addresses.slice(issuer * 2);
    if (url === "") continue;
    checked(url, `[${issuer}].revocation.url`);
    checked(keysUrl, `[${issuer}].revocation.keys_url`);
    feeds.push(new Feed(new IssuerOfGate(engine, issuer), { url, keysUrl }, runtime));
  }
  return { keys, feeds };
}
