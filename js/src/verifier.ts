// createVerifier and what it returns: asynchronous to start, synchronous to use.

import { type Engine, type Platform, prepare, readAnswer, WasmEngine } from "./engine.js";
import { KeystoneError } from "./errors.js";
import { Keys } from "./keys.js";
import { MetadataError } from "./metadata.js";
import { readOptions, type VerifierOptions } from "./options.js";
import { Token } from "./token.js";

// The longest that verifyAsync keeps a caller waiting for keys.
const WAIT_MS = 500;

/** Verifies the access tokens of one issuer. Made by `createVerifier`. */
export class Verifier {
  readonly #engine: Engine;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #maxTokenBytes: number;
  #open = true;

  /** @internal */
  constructor(engine: Engine, keys: Keys, now: () => number) {
    this.#engine = engine;
    this.#keys = keys;
    this.#now = now;
    this.#maxTokenBytes = engine.maxTokenBytes;
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
    const verdict = this.#judge(token);
    if (!(verdict instanceof KeystoneError)) return verdict;
    if (newKeysMayHelp(verdict) && (await this.#keys.settled(WAIT_MS)) && this.#open) return this.verify(token);
    throw verdict;
  }

  /** Stops the background refresh and frees the memory. The verifier cannot be used afterwards. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#keys.close();
    this.#engine.free();
  }

  #judge(token: string): Token | KeystoneError {
    if (typeof token !== "string") throw new TypeError(`verify: expected the token as a string, got ${typeof token}`);
    if (!this.#open) throw new Error("verify: this verifier was closed");
    const now = this.#now();
    // One byte over the limit is enough to be refused, and memory given to WebAssembly never comes back.
    const answer = this.#engine.verify(token.slice(0, this.#maxTokenBytes + 1), now);
    const verdict = readAnswer(answer, this.#keys.failure);
    if (verdict instanceof KeystoneError && newKeysMayHelp(verdict)) this.#keys.look(now);
    else this.#keys.lookIfDue(now);
    return verdict;
  }
}

/** @internal What each entry of the package wraps. */
export async function create(options: VerifierOptions, platform: Platform): Promise<Verifier> {
  const settings = readOptions(options);
  await prepare(platform.load);
  const { issuer, audiences, leeway, maxLifetime, now } = settings;
  const engine = new WasmEngine(issuer, audiences, leeway, maxLifetime);
  const keys = new Keys(engine, settings, platform.fetchInit);
  const verifier = new Verifier(engine, keys, now);
  keys.look(now());
  await keys.settled();
  // An unreachable issuer may come back: answer 503 until then. A wrong one is a mistake to hear of at once.
  if (keys.failure instanceof MetadataError) {
    verifier.close();
    throw keysUnavailable(keys.failure);
  }
  return verifier;
}

function newKeysMayHelp({ code }: KeystoneError): boolean {
  return code === "unknown_kid" || code === "keys_unavailable";
}

function keysUnavailable(cause: Error): KeystoneError {
  const refusal = { code: "keys_unavailable", status: 503, challenge: undefined, retryAfter: undefined } as const;
  return new KeystoneError({ ...refusal, message: cause.message }, cause);
}
