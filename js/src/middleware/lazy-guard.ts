// What all middleware shares: a verifier with a requirement, or a gate, there already or still to come.

import { kind } from "../arguments.js";
import { type Decision, type Guard, readRequirement, type Requirement } from "../decision.js";
import type { Gate } from "../gate.js";
import type { RequestParts } from "../request.js";
import type { Token } from "../token.js";
import type { Verifier } from "../verifier.js";

/** There already, on its way, or made by the first request (where a platform fetches nothing before). */
export type Lazy<Value> = Value | Promise<Value> | (() => Value | Promise<Value>);

/** The answer to a request that goes no further. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** The outcome of a request: answered here, or let through with the token that it needed, if any. */
export type Outcome =
  | { readonly answer: Answer; readonly token: undefined }
  | { readonly answer: undefined; readonly token: Token | undefined };

/** Decides on requests that reach one middleware. */
export class LazyGuard {
  readonly #source: Lazy<Verifier | Gate>;
  readonly #requirement: Requirement | undefined;
  #guard: Promise<Guard> | undefined;

  constructor(source: Lazy<Verifier | Gate>, requirement: Requirement | undefined) {
    if ((typeof source !== "object" && typeof source !== "function") || source === null) {
      throw new TypeError(`protect: expected a verifier or a gate, a promise of one or what makes one, got ${kind(source)}`);
    }
    this.#source = source;
    this.#requirement = requirement;
    // A mistake is heard of at the start, where it can be.
    if (requirement !== undefined) readRequirement(requirement);
    if (typeof source === "object" && !("then" in source)) this.#guard = Promise.resolve(guardOf(source, requirement));
  }

  /** Decides on a request of a framework that finds handlers by the exact path. */
  async decide(request: RequestParts | Request): Promise<Outcome> {
    const guard = await this.#ready();
    return preflightOf(guard, request) ?? outcomeOf(await guard.decideAsync(request));
  }

  /** For a framework that would send `/ADMIN` or `/admin/` to the handler of `/admin`: a policy must not deny that. */
  async decideLeniently(request: RequestParts): Promise<Outcome> {
    const guard = await this.#ready();
    // A verifier's guard looks at no path.
    if ("exactPaths" in guard && guard.exactPaths) {
      throw new TypeError('policy: path_comparison: this framework takes several spellings of a path for one; write "lenient"');
    }
    return this.decide(request);
  }

  #ready(): Promise<Guard> {
    this.#guard ??= this.#make().catch((error: unknown) => {
      this.#guard = undefined; // The next request tries again.
      throw error;
    });
    return this.#guard;
  }

  async #make(): Promise<Guard> {
    const source = typeof this.#source === "function" ? this.#source() : this.#source;
    return guardOf(await source, this.#requirement);
  }
}

function guardOf(source: Verifier | Gate, requirement: Requirement | undefined): Guard {
  if (typeof source !== "object" || source === null) {
    throw new TypeError(`protect: expected a verifier or a gate, got ${kind(source)}`);
  }
  if ("guard" in source) {
    if (requirement !== undefined) return source.guard(requirement);
    throw new TypeError('protect: say what requests need, such as "orders:read" or { authenticated: true }');
  }
  if (requirement === undefined) return source;
  throw new TypeError("protect: a gate's policy says what requests need; leave the requirement out");
}

function preflightOf(guard: Guard | Gate, request: RequestParts | Request): Outcome | undefined {
  const preflight = "preflight" in guard ? guard.preflight(request) : undefined;
  if (preflight === undefined) return undefined;
  const { status, headers } = preflight;
  return { answer: { status, headers, body: undefined }, token: undefined };
}

function outcomeOf(decision: Decision): Outcome {
  if (decision.outcome !== "deny") {
    return { answer: undefined, token: decision.outcome === "allow" ? decision.token : undefined };
  }
  const { status, headers, problem } = decision.error;
  return { answer: { status, headers, body: problem }, token: undefined };
}

/** The answer as a fetch handler gives it. */
export function responseOf({ status, headers, body }: Answer): Response {
  return new Response(body ?? null, { status, headers });
}
