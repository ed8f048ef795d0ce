// Keeps an issuer's keys fresh in the background, and what else is fetched like keys. When to fetch is the engine's
// decision; how is decided here.

import type { Awaits } from "./errors.js";
import { type Get, unref } from "./bounded-fetch.js";
import type { Runtime } from "./options.js";

const RETRY_INTERVAL_SECS = 1;

// The longest that a caller is kept waiting.
const WAIT_TIMEOUT_MS = 500;

/** Holds the keys of one issuer and says when it wants others. Times are Unix seconds. */
export interface KeyHolder {
  wantsFetch(now: number): boolean;
  fetchStarted(now: number): void;
  fetchFailed(now: number, reason: Error): void;
  /** Takes a fetched key set, or says why it was refused and keeps the old one. */
  replaceKeys(jwks: Uint8Array, now: number): string | undefined;
}

/** One kind of resource that is fetched. */
export interface Fetched {
  /** Reads it from wherever it is published. */
  readonly read: (get: Get) => Promise<Uint8Array>;
  /** How often the engine is asked whether it wants a fetch, in seconds. */
  readonly lookEvery: number;
  /** The name of the resource, for messages. */
  readonly what: string;
  /** Returns whether it may bring this news, which a refusal awaits. */
  readonly mayBring: (awaits: Awaits) => boolean;
}

/** All of it but where the keys are. */
export const KEYS = {
  // Short, so that keys are young when the issuer goes.
  lookEvery: 5,
  what: "the issuer's key set",
  // The metadata that name the keys' address name the feed's, too.
  mayBring: () => true,
};

export class Keys {
  readonly #holder: KeyHolder;
  readonly #fetched: Fetched;
  readonly #now: () => number;
  readonly #jitter: () => number;
  readonly #runtime: Runtime;
  readonly #replaced: () => void;
  /** Ends a fetch. Made with the first: it costs a start from a snapshot a millisecond. */
  #closing: AbortController | undefined;
  #closed = false;
  /** Asks for a fetch that the engine does not want yet. */
  #wanted = false;
  #flight: Promise<void> | undefined;
  #failure: Error | undefined;
  #lookedAt = 0;
  #interval = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `replaced` is called after every set that was handed to the engine. */
  constructor(holder: KeyHolder, fetched: Fetched, runtime: Runtime, replaced: () => void = () => {}) {
    this.#holder = holder;
    this.#fetched = fetched;
    this.#now = runtime.now;
    this.#jitter = runtime.jitter;
    this.#runtime = runtime;
    this.#replaced = replaced;
  }

  /** Why the last fetch brought nothing; undefined after a good one. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The fetch under way, if any. Never rejects. */
  get flight(): Promise<void> | undefined {
    return this.#flight;
  }

  /** The fetch under way, if it may bring the news that a refusal awaits. */
  flightFor(awaits: Awaits | undefined): Promise<void> | undefined {
    return awaits !== undefined && this.#fetched.mayBring(awaits) ? this.#flight : undefined;
  }

  /** To be called after every refusal. */
  lookAfter(awaits: Awaits | undefined, now: number): void {
    if (awaits !== undefined && this.#fetched.mayBring(awaits)) this.look(now);
    else this.lookIfDue(now);
  }

  /** Asks the engine, at most once per interval: verifying need not wait for a timer, nor pay for the question. */
  lookIfDue(now: number): void {
    // Before the last look: the clock was ahead then, and must not keep the next one away for as long as it was.
    if (now < this.#lookedAt || now >= this.#lookedAt + this.#interval) this.look(now);
  }

  /** Starts a fetch if the engine wants one. There is never more than one under way. */
  look(now: number): void {
    if (this.#closed) return;
    if (this.#flight === undefined && (this.#wanted || this.#holder.wantsFetch(now))) {
      this.#wanted = false;
      this.#flight = this.#fetch(now).catch((fault: Error) => this.#ended(fault));
    }
    this.#lookAgain(now);
  }

  /** Fetches at the next look, whatever the engine wants: in a second, or when a refusal asks for it. */
  lookSoon(now: number): void {
    this.#wanted = true;
    this.#lookAgain(now);
  }

  // An exception in a timer would end the process.
  #lookByTimer(): void {
    try {
      this.look(this.#now());
    } catch (fault) {
      this.#ended(fault as Error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#closing?.abort();
    clearTimeout(this.#timer);
  }

  async #fetch(startedAt: number): Promise<void> {
    this.#holder.fetchStarted(startedAt);
    this.#closing ??= new AbortController();
    const { fetch, fetchInit } = this.#runtime;
    const get = { fetch, signal: this.#closing.signal, init: fetchInit };
    const { read, what } = this.#fetched;
    const bytes = await read(get).catch((error: Error) => error);
    if (this.#closed) return undefined;
    if (bytes instanceof Error) {
      this.#failure = bytes;
      this.#holder.fetchFailed(this.#now(), bytes);
      // Keys that a clock which was ahead made young are so no longer.
      this.#replaced();
    } else {
      // As old as the question, not as the answer: what a slow network delivers is not fresh.
      const fault = this.#holder.replaceKeys(bytes, startedAt);
      this.#replaced();
      this.#failure = fault === undefined ? undefined : new Error(`${what} was refused: ${fault}`);
      // A part of a whole: the rest is due at once.
      if (fault === undefined && this.#holder.wantsFetch(startedAt)) return this.#fetch(this.#now());
    }
    this.#flight = undefined;
    return this.#lookAgain(startedAt);
  }

  // A fault of the engine, not of the network: no caller waits who could catch it.
  #ended(fault: Error): void {
    this.#failure = fault;
    this.#flight = undefined;
  }

  // Spread by 50 % either way, so that services started together do not ask together.
  #lookAgain(now: number): void {
    const { lookEvery } = this.#fetched;
    const soon = this.#wanted || this.#failure;
    const interval = (soon ? Math.min(RETRY_INTERVAL_SECS, lookEvery) : lookEvery) * (0.5 + this.#jitter());
    this.#lookedAt = now;
    this.#interval = interval;
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = unref(setTimeout(() => this.#lookByTimer(), interval * 1000));
  }
}

/** Waits for this fetch, for 500 ms at most. False: it took longer. */
export function waited(flight: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = unref(setTimeout(() => resolve(false), WAIT_TIMEOUT_MS));
  });
  return Promise.race([flight.then(() => true), late]).finally(() => clearTimeout(timer));
}
