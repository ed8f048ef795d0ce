// One issuer of a gate's engine, which has several: its keys and its revocation feed.

import type { GateEngine } from "./engine.js";
import type { FeedHolder } from "./feed.js";
import type { KeyHolder } from "./keys.js";

export class IssuerOfGate implements KeyHolder, FeedHolder {
  readonly #engine: GateEngine;
  readonly #issuer: number;

  constructor(engine: GateEngine, issuer: number) {
    this.#engine = engine;
    this.#issuer = issuer;
  }

  wantsFetch(now: number, what?: number): boolean {
    return this.#engine.wantsFetch(this.#issuer, now, what);
  }

  fetchStarted(now: number): void {
    this.#engine.fetchStarted(this.#issuer, now);
  }

  fetchFailed(now: number): void {
    this.#engine.fetchFailed(this.#issuer, now);
  }

  replaceKeys(bytes: Uint8Array, now: number, what?: number): string | undefined {
    return this.#engine.replaceKeys(this.#issuer, bytes, now, what);
  }

  pageStarted(now: number): string {
    return this.#engine.pageStarted(this.#issuer, now);
  }

  pageFailed(gone: boolean, now: number): void {
    this.#engine.pageFailed(this.#issuer, gone, now);
  }
}
