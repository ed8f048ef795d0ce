// Keeps the keys fresh in the background. When to fetch is the engine's decision; how is decided here.

import type { KeyHolder } from "./engine.js";
import type { KeystoneError } from "./errors.js";
import { type Get, unref } from "./get.js";
import type { Surroundings } from "./options.js";

// How often the engine is asked whether it wants a fetch, in seconds. Short, so that keys are young when the issuer goes.
const LOOK_EVERY = 5;
const LOOK_AFTER_FAILURE = 1;

// The longest that a caller is kept waiting for keys.
const WAIT_MS = 500;

/** Reads a key set from wherever it is published. */
export type ReadKeys = (get: Get) => Promise<Uint8Array>;

export class Keys {
  readonly #holder: KeyHolder;
  readonly #read: ReadKeys;
  readonly #now: () => number;
  readonly #jitter: () => number;
  readonly #around: Surroundings;
  readonly #replaced: () => void;
  /** Ends a fetch. Made with the first: it costs a start from a snapshot a millisecond. */
  #closing: AbortController | undefined;
  #closed = false;
  #flight: Promise<void> | undefined;
  #failure: Error | undefined;
  #nextLook = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `replaced` is called after every set that was handed to the engine. */
  constructor(holder: KeyHolder, read: ReadKeys, around: Surroundings, replaced: () => void = () => {}) {
    this.#holder = holder;
    this.#read = read;
    this.#now = around.now;
    this.#jitter = around.jitter;
    this.#around = around;
    this.#replaced = replaced;
  }

  /** Why the last fetch brought nothing; undefined after a good one. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Asks the engine, at most once per interval: verifying need not wait for a timer, nor pay for the question. */
  lookIfDue(now: number): void {
    if (now >= this.#nextLook) this.look(now);
  }

  /** Starts a fetch if the engine wants one. There is never more than one under way. */
  look(now: number): void {
    if (this.#closed) return;
    if (this.#flight === undefined && this.#holder.wantsFetch(now)) {
      this.#holder.fetchStarted(now);
      this.#flight = this.#fetch(now);
    }
    this.#lookAgain(now);
  }

  /** Whether it is worth to ask again after this refusal, once the fetch under way, if any, has ended: in 500 ms at most. */
  async mayHaveHelped(refusal: KeystoneError): Promise<boolean> {
    return newKeysMayHelp(refusal) && this.settled(WAIT_MS);
  }

  /** Waits for the fetch under way, if any. Never rejects. False: there was none, or it took longer. */
  async settled(withinMs?: number): Promise<boolean> {
    if (this.#flight === undefined) return false;
    const done = this.#flight.then(() => true);
    if (withinMs === undefined) return done;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => {
      timer = unref(setTimeout(() => resolve(false), withinMs));
    });
    return Promise.race([done, late]).finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#closed = true;
    this.#closing?.abort();
    clearTimeout(this.#timer);
  }

  async #fetch(startedAt: number): Promise<void> {
    this.#closing ??= new AbortController();
    const { fetch, fetchInit } = this.#around;
    const get = { fetch, signal: this.#closing.signal, init: fetchInit };
    const jwks = await this.#read(get).catch((error: Error) => error);
    if (this.#closed) return;
    if (jwks instanceof Error) {
      this.#failure = jwks;
      this.#holder.fetchFailed(this.#now());
    } else {
      // As old as the question, not as the answer: what a slow network delivers is not fresh.
      const fault = this.#holder.replaceKeys(jwks, startedAt);
      this.#replaced();
      this.#failure = fault === undefined ? undefined : new Error(`the issuer's key set was refused: ${fault}`);
    }
    this.#flight = undefined;
    this.#lookAgain(startedAt);
  }

  // Spread by 50 % either way, so that services started together do not ask together.
  #lookAgain(now: number): void {
    const interval = (this.#failure ? LOOK_AFTER_FAILURE : LOOK_EVERY) * (0.5 + this.#jitter());
    this.#nextLook = now + interval;
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = unref(setTimeout(() => this.look(this.#now()), interval * 1000));
  }
}

/** Whether the refusal may be another one with newer keys. */
export function newKeysMayHelp({ code }: KeystoneError): boolean {
  return code === "unknown_kid" || code === "keys_unavailable";
}
