// What all middleware shares: a verifier with a requirement, or a gate, there already or still to come.

import type { Decision, Guard, Requirement } from "../decision.js";
import type { Gate } from "../gate.js";
import type { RequestParts } from "../request.js";
import type { Verifier } from "../verifier.js";

/** There already, on its way, or made by the first request (where a platform fetches nothing before). */
export type Lazy<Value> = Value | Promise<Value> | (() => Value | Promise<Value>);

/** Decides on requests that reach one middleware. */
export class Source {
  readonly #source: Lazy<Verifier | Gate>;
  readonly #requirement: Requirement | undefined;
  #guard: Promise<Guard> | undefined;

  constructor(source: Lazy<Verifier | Gate>, requirement: Requirement | undefined) {
    this.#source = source;
    this.#requirement = requirement;
    // A mistake is heard of at the start, where it can be.
    if (typeof source === "object" && !("then" in source)) this.#guard = Promise.resolve(guardOf(source, requirement));
  }

  async decide(request: RequestParts | Request): Promise<Decision> {
    return (await this.#ready()).decideAsync(request);
  }

  /** For a framework that would send `/ADMIN` or `/admin/` to the handler of `/admin`: a policy must not deny that. */
  async decideLeniently(request: RequestParts): Promise<Decision> {
    const guard = await this.#ready();
    // A verifier's guard looks at no path.
    if ("exactPaths" in guard && guard.exactPaths) {
      throw new TypeError('policy: path_comparison: this framework takes several spellings of a path for one; write "lenient"');
    }
    return guard.decideAsync(request);
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
  if ("guard" in source) {
    if (requirement !== undefined) return source.guard(requirement);
    throw new TypeError('protect: say what requests need, such as "orders:read" or { authenticated: true }');
  }
  if (requirement === undefined) return source;
  throw new TypeError("protect: a gate's policy says what requests need; leave the requirement out");
}
