// Keeps the keys fresh in the background. When to fetch is the engine's decision; how is decided here.

import type { Engine } from "./engine.js";
import { type Get, unref } from "./fetch.js";
import { KeySource } from "./metadata.js";
import type { Settings } from "./options.js";

// How often the engine is asked whether it wants a fetch, in seconds.
const LOOK_EVERY = 30;
const LOOK_AFTER_FAILURE = 1;

export class Keys {
  readonly #engine: Engine;
  readonly #settings: Settings;
  readonly #source: KeySource;
  readonly #get: Get;
  readonly #closing = new AbortController();
  #flight: Promise<void> | undefined;
  #failure: Error | undefined;
  #nextLook = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(engine: Engine, settings: Settings, fetchInit: RequestInit) {
    this.#engine = engine;
    this.#settings = settings;
    this.#source = new KeySource(settings);
    this.#get = { fetch: settings.fetch, signal: this.#closing.signal, init: fetchInit };
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
    if (this.#closing.signal.aborted) return;
    if (this.#flight === undefined && this.#engine.wantsFetch(now)) {
      this.#engine.fetchStarted(now);
      this.#flight = this.#fetch(now);
    }
    this.#lookAgain(now);
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
    this.#closing.abort();
    clearTimeout(this.#timer);
  }

  async #fetch(startedAt: number): Promise<void> {
    const jwks = await this.#source.read(this.#get).catch((error: Error) => error);
    if (this.#closing.signal.aborted) return;
    if (jwks instanceof Error) {
      this.#failure = jwks;
      this.#engine.fetchFailed(this.#settings.now());
    } else {
      // As old as the question, not as the answer: what a slow network delivers is not fresh.
      const fault = this.#engine.replaceKeys(jwks, startedAt);
      this.#failure = fault === undefined ? undefined : new Error(`the issuer's key set was refused: ${fault}`);
    }
    this.#flight = undefined;
    this.#lookAgain(startedAt);
  }

  // Spread by 50 % either way, so that services started together do not ask together.
  #lookAgain(now: number): void {
    const interval = (this.#failure ? LOOK_AFTER_FAILURE : LOOK_EVERY) * (0.5 + this.#settings.jitter());
    this.#nextLook = now + interval;
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    this.#timer = unref(setTimeout(() => this.look(this.#settings.now()), interval * 1000));
  }
}
