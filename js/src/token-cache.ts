// Tokens that were accepted lately, so that the same text need not be verified again. How long that may be is the
// engine's word; here it is only kept.

import type { Reusable } from "./answer.js";
import { TwoGenerationCache } from "./two-generation-cache.js";
import type { Token } from "./token.js";

/** The conditions under which everything that the engine accepted so far stays accepted. */
export interface Lease {
  /** Unix seconds, exclusive. */
  readonly usableUntil: number;
  /** Another number after every change of the keys and of what is revoked. */
  readonly epoch: number;
}

interface Known extends Reusable {
  readonly text: string;
}

// A text is found by its end: of a token that is the signature, which an attacker cannot choose for an accepted token.
const END = 32;

/** A bounded number of texts with their tokens. */
export class TokenCache {
  readonly #known: TwoGenerationCache<Known>;
  #epoch = -1;
  #usableUntil = 0;

  constructor(capacity: number) {
    this.#known = new TwoGenerationCache(capacity);
  }

  /** The token of exactly this text, if the engine would accept it now. */
  get(text: string, now: number): Token | undefined {
    const known = this.#known.get(text.slice(-END));
    if (known === undefined || known.text !== text) return undefined;
    return now >= known.from && now < known.until && now < this.#usableUntil ? known.token : undefined;
  }

  set(text: string, { token, from, until }: Reusable): void {
    this.#known.set(text.slice(-END), { text, token, from, until });
  }

  /** To be called after whatever may have changed either. */
  renew({ epoch, usableUntil }: Lease): void {
    this.#usableUntil = usableUntil;
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.clear();
  }

  clear(): void {
    this.#known.clear();
  }
}
