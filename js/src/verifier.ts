// createVerifier and what it returns: asynchronous to start, synchronous to use.

import { isAccepted, refused, reusable } from "./answer.js";
import { type Decision, type Guard, readRequirement, type Requirement } from "./decision.js";
import type { Engine, VerifierPlatform } from "./engine.js";
import { KeystoneError } from "./errors.js";
import { Keys, newKeysMayHelp } from "./keys.js";
import { Memory } from "./memory.js";
import { KeySource, MetadataError } from "./metadata.js";
import { readSurroundings, readVerifierOptions, type VerifierOptions } from "./options.js";
import { partsOf, type RequestParts, valuesOf } from "./request.js";
import type { Token } from "./token.js";

const encoder = new TextEncoder();
// What does not fit whole is left out: with less than this missing, more than the limit is there.
const LONGEST_CHARACTER = 4;

/** Verifies the access tokens of one issuer. Made by `createVerifier`. */
export class Verifier {
  readonly #engine: Engine;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #maxTokenBytes: number;
  /** Where a token becomes bytes on its way to the engine. */
  readonly #scratch: Uint8Array;
  /** By the token's text. */
  readonly #tokens: Memory;
  /** By the value of `Authorization`. */
  readonly #credentials: Memory;
  #open = true;

  /** @internal */
  constructor(engine: Engine, keys: Keys, now: () => number, memories: [Memory, Memory]) {
    this.#engine = engine;
    this.#keys = keys;
    this.#now = now;
    this.#maxTokenBytes = engine.maxTokenBytes;
    this.#scratch = new Uint8Array(engine.maxTokenBytes + LONGEST_CHARACTER);
    [this.#tokens, this.#credentials] = memories;
  }

  /** The verified token; throws a KeystoneError that says why there is none. Needs no network. */
  verify(token: string): Token {
    const verdict = this.#judge(token);
    if (verdict instanceof KeystoneError) throw verdict;
    return verdict;
  }

  /**
   * The same verdict, but where it hangs on keys that are being fetched, waits for them: at most 500 ms.
   * For the first requests of a service, and for the first token of a new key.
   */
  async verifyAsync(token: string): Promise<Token> {
    let verdict = await this.#awaited(token);
    if (verdict instanceof KeystoneError && (await this.#keys.mayHaveHelped(verdict)) && this.#open) {
      verdict = await this.#awaited(token);
    }
    if (verdict instanceof KeystoneError) throw verdict;
    return verdict;
  }

  /** Decides on requests: they need one bearer token in `Authorization`, valid and with what is required. */
  guard(requirement: Requirement): Guard {
    const { all, any, roles } = readRequirement(requirement);
    this.#mustBeOpen("guard");
    const number = this.#engine.requirement(all, any, roles);
    const enough = new WeakSet<Token>();
    const decide = (request: RequestParts | Request): Decision => {
      const verdict = this.#authorize(valuesOf(partsOf(request).authorization), number, enough);
      return verdict instanceof KeystoneError
        ? { outcome: "deny", error: verdict }
        : { outcome: "allow", token: verdict };
    };
    return {
      decide,
      decideAsync: async (request) => {
        const decision = decide(request);
        if (decision.outcome !== "deny") return decision;
        return (await this.#keys.mayHaveHelped(decision.error)) && this.#open ? decide(request) : decision;
      },
    };
  }

  /**
   * The keys and their age, for the option `snapshot` of another verifier: in another worker, or at the next start while
   * the issuer is away. Undefined while there are none. Keep it where nobody else can write.
   */
  snapshot(): string | undefined {
    this.#mustBeOpen("snapshot");
    return this.#engine.snapshot();
  }

  /** Stops the background refresh and frees the memory. The verifier cannot be used afterwards. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#keys.close();
    this.#tokens.clear();
    this.#credentials.clear();
    this.#engine.free();
  }

  #judge(token: string): Token | KeystoneError {
    if (typeof token !== "string") throw new TypeError(`verify: expected the token as a string, got ${typeof token}`);
    this.#mustBeOpen("verify");
    const now = this.#now();
    const known = this.#tokens.recall(token, now);
    if (known !== undefined) {
      this.#keys.lookIfDue(now);
      return known;
    }
    return this.#read(token, this.#engine.verify(this.#bytes(token), now), now);
  }

  // One byte over the limit is enough to be refused, and memory given to WebAssembly never comes back.
  #bytes(token: string): Uint8Array {
    return this.#scratch.subarray(0, encoder.encodeInto(token, this.#scratch).written);
  }

  async #awaited(token: string): Promise<Token | KeystoneError> {
    const engine = this.#engine;
    if (engine.verifyAsync === undefined || typeof token !== "string" || !this.#open) return this.#judge(token);
    const now = this.#now();
    if (this.#tokens.recall(token, now) !== undefined) return this.#judge(token);
    try {
      return this.#read(token, await engine.verifyAsync(token.slice(0, this.#maxTokenBytes + 1), now), now);
    } finally {
      // Closed while it waited: that is what went wrong, whatever the engine says without its memory.
      this.#mustBeOpen("verify");
    }
  }

  #read(token: string, answer: string, now: number): Token | KeystoneError {
    if (!isAccepted(answer)) return this.#refused(answer, now);
    this.#keys.lookIfDue(now);
    const verdict = reusable(answer);
    this.#tokens.keep(token, verdict);
    return verdict.token;
  }

  #authorize(values: string[], requirement: number, enough: WeakSet<Token>): Token | KeystoneError {
    this.#mustBeOpen("decide");
    const now = this.#now();
    const only = values.length === 1 ? values[0] : undefined;
    const known = only === undefined ? undefined : this.#credentials.recall(only, now);
    if (known !== undefined && enough.has(known)) {
      this.#keys.lookIfDue(now);
      return known;
    }
    const longest = this.#maxTokenBytes + "Bearer ".length + 1;
    const answer = this.#engine.authorize(values.map((value) => value.slice(0, longest)), requirement, now);
    if (!isAccepted(answer)) return this.#refused(answer, now);
    this.#keys.lookIfDue(now);
    const verdict = known === undefined ? reusable(answer) : undefined;
    if (only !== undefined && verdict !== undefined) this.#credentials.keep(only, verdict);
    const token = (known ?? verdict?.token) as Token;
    enough.add(token);
    return token;
  }

  #refused(answer: string, now: number): KeystoneError {
    const refusal = refused(answer, this.#keys.failure);
    if (newKeysMayHelp(refusal)) this.#keys.look(now);
    else this.#keys.lookIfDue(now);
    return refusal;
  }

  #mustBeOpen(method: string): void {
    if (!this.#open) throw new Error(`${method}: this verifier was closed`);
  }
}

/** @internal What each entry of the package wraps. */
export async function create(options: VerifierOptions, platform: VerifierPlatform): Promise<Verifier> {
  const settings = readVerifierOptions(options);
  const around = readSurroundings("createVerifier", options, platform.fetchInit);
  const engine = await platform.engine(settings);
  const source = new KeySource({ ...settings, allowHttp: around.allowHttp });
  const memories: [Memory, Memory] = [new Memory(settings.cacheSize), new Memory(settings.cacheSize)];
  const renew = () => {
    for (const memory of memories) memory.renew(engine);
  };
  const keys = new Keys(engine, (get) => source.read(get), around, renew);
  const verifier = new Verifier(engine, keys, around.now, memories);
  const { snapshot } = settings;
  const restored = snapshot !== undefined && engine.restore(snapshot, around.now()) === undefined;
  renew();
  keys.look(around.now());
  if (restored) return verifier;
  await keys.settled();
  // An unreachable issuer may come back: answer 503 until then. A wrong one is a mistake to hear of at once.
  if (keys.failure instanceof MetadataError) {
    verifier.close();
    throw refused(platform.unavailable(), keys.failure);
  }
  return verifier;
}
