// Follows an issuer's revocation feed: signed pages, each going on where the last one ended, by keys of the feed's own.

import type { Awaits } from "./errors.js";
import { FetchError, type Get, readBytes } from "./bounded-fetch.js";
import { type KeyHolder, Keys } from "./keys.js";
import type { FollowedFeed, Runtime } from "./options.js";

/** Where an issuer's revocation feed is. */
export interface FeedAddress {
  readonly url: string;
  /** The URL of the JWK set of the feed's own keys. */
  readonly keysUrl: string;
}

/** The engine's numbers for the two things that are fetched for a feed. */
const FEED_KEYS = 1;
const PAGE = 2;

/** Holds what is revoked and says when it wants to know more. Times are Unix seconds. */
export interface FeedHolder {
  /** Whether a page is due, or needs the feed's keys fetched first. */
  wantsFetch(now: number, what?: number): boolean;
  /** Takes it, or says why it was refused. */
  replaceKeys(bytes: Uint8Array, now: number, what?: number): string | undefined;
  /** A page is being fetched: the one that follows the answer, or where that is empty, the first. */
  pageStarted(now: number): string;
  /** `gone`: the issuer does not know any more what the page should follow. */
  pageFailed(gone: boolean, now: number): void;
}

const PAGES = {
  // The engine counts whole seconds: looked at twice in each, none goes by without its page.
  lookEvery: 0.5,
  what: "a page of the issuer's revocation feed",
  mayBring: (awaits: Awaits) => awaits === "revocations",
};

const GONE = 409;
const NOTHING = new Uint8Array();

/** The feed of one issuer. */
export class Feed implements KeyHolder {
  /** May be found elsewhere later. */
  address: FeedAddress;
  readonly pages: Keys;
  readonly #holder: FeedHolder;
  readonly #now: () => number;
  #after = "";
  #keysFault: string | undefined;

  /** `replaced` is called after every page that was handed to the engine. */
  constructor(holder: FeedHolder, address: FeedAddress, runtime: Runtime, replaced?: () => void) {
    this.address = address;
    this.#holder = holder;
    this.#now = runtime.now;
    this.pages = new Keys(this, { ...PAGES, read: (get) => this.#read(get) }, runtime, replaced);
  }

  get status(): FollowedFeed {
    return { url: this.address.url, failure: this.pages.failure };
  }

  wantsFetch(now: number): boolean {
    return this.#holder.wantsFetch(now, PAGE);
  }

  fetchStarted(now: number): void {
    this.#after = this.#holder.pageStarted(now);
  }

  fetchFailed(now: number, reason: Error): void {
    this.#holder.pageFailed((reason as FetchError).status === GONE, now);
  }

  replaceKeys(page: Uint8Array, now: number): string | undefined {
    const fault = this.#holder.replaceKeys(page, now, PAGE);
    return fault && this.#keysFault ? `${fault} (${this.#keysFault})` : fault;
  }

  async #read(get: Get): Promise<Uint8Array> {
    const now = this.#now();
    if (this.#holder.wantsFetch(now, FEED_KEYS)) await this.#renewKeys(get, now);
    const { url } = this.address;
    const query = this.#after && `${url.includes("?") ? "&" : "?"}after=${this.#after}`;
    return readBytes(url + query, get);
  }

  // Without new ones the page is read all the same: the old ones may do for it.
  async #renewKeys(get: Get, now: number): Promise<void> {
    const jwks = await readBytes(this.address.keysUrl, get).catch((error: Error) => error);
    // Closed meanwhile, and the engine with it.
    get.signal.throwIfAborted();
    const fault = this.#holder.replaceKeys(jwks instanceof Error ? NOTHING : jwks, now, FEED_KEYS);
    this.#keysFault = jwks instanceof Error ? jwks.message : fault;
  }
}
