// createVerifier and what it returns: asynchronous to start, synchronous to use.

import { isAccepted, refused, reusable } from "./answer.js";
import { string } from "./arguments.js";
import { type Decision, type Guard, type Lists, readRequirement, type Requirement } from "./decision.js";
import type { Engine, VerifierPlatform } from "./engine.js";
import { KeystoneError } from "./errors.js";
import { Feed, type FeedAddress } from "./feed.js";
import { KEYS, Keys, waited } from "./keys.js";
import { TokenCache } from "./token-cache.js";
import { KeySource, MetadataError } from "./metadata.js";
import { type FollowedFeed, readRuntime, readVerifierOptions, type VerifierOptions } from "./options.js";
import { type RequestParts, requestOf } from "./request.js";
import type { Token } from "./token.js";

const encoder = new TextEncoder();
// What does not fit whole is left out: with less than this missing, more than the limit is there.
const MAX_CHARACTER_BYTES = 4;

/** Verifies the access tokens of one issuer. Made by `createVerifier`. */
export class Verifier {
  readonly #engine: Engine;
  readonly #keys: Keys;
  readonly #now: () => number;
  /** Where a token becomes bytes on its way to the engine. */
  readonly #scratch: Uint8Array;
  /** By the token's text. */
  readonly #tokens: TokenCache;
  /** By the value of `Authorization`. */
  readonly #credentials: TokenCache;
  #feed: Feed | undefined;
  #open = true;

  /** @internal */
  constructor(engine: Engine, keys: Keys, now: () => number, caches: [TokenCache, TokenCache]) {
    this.#engine = engine;
    this.#keys = keys;
    this.#now = now;
    this.#scratch = new Uint8Array(engine.maxTokenBytes + MAX_CHARACTER_BYTES);
    [this.#tokens, this.#credentials] = caches;
  }

  /** The verified token; throws a KeystoneError that says why there is none. Needs no network. */
  verify(token: string): Token {
    const verdict = this.#judge(token);
    if (verdict instanceof KeystoneError) throw verdict;
    return verdict;
  }

  /**
   * The same verdict, but where it hangs on keys or revocations that are being fetched, waits for them: at most 500 ms.
   * For the first requests of a service, and for the first token of a new key.
   */
  async verifyAsync(token: string): Promise<Token> {
    let verdict = await this.#awaited(token);
    if (verdict instanceof KeystoneError && (await this.#mayHaveHelped(verdict)) && this.#open) {
      verdict = await this.#awaited(token);
    }
    if (verdict instanceof KeystoneError) throw verdict;
    return verdict;
  }

  /** Decides on requests: they need one bearer token in `Authorization`, valid and with what is required. */
  guard(requirement: Requirement): Guard {
    const needed = readRequirement(requirement);
    this.#mustBeOpen("guard");
    const enough = new WeakSet<Token>();
    const decide = (request: RequestParts | Request): Decision => {
      const verdict = this.#authorize(requestOf("decide", request).authorization, needed, enough);
      return verdict instanceof KeystoneError
        ? { outcome: "deny", error: verdict }
        : { outcome: "allow", token: verdict };
    };
    return {
      decide,
      decideAsync: async (request) => {
        const decision = decide(request);
        if (decision.outcome !== "deny") return decision;
        return (await this.#mayHaveHelped(decision.error)) && this.#open ? decide(request) : decision;
      },
    };
  }

  /**
   * The keys and their age, for the option `snapshot` of another verifier: in another worker, or at the next start while
   * the issuer is away. Undefined while there are none. Keep it where only this service can write.
   */
  snapshot(): string | undefined {
    this.#mustBeOpen("snapshot");
    return this.#engine.snapshot();
  }

  /** The issuer's revocation feed; undefined while none is followed. */
  get feed(): FollowedFeed | undefined {
    return this.#feed?.status;
  }

  /** @internal Follows the feed at this address; where it is followed already, from now on there. */
  follow(address: FeedAddress, begin: () => Feed): void {
    if (this.#feed === undefined) {
      this.#feed = begin();
      this.#feed.pages.look(this.#now());
    }
    this.#feed.address = address;
  }

  /** @internal Waits for the first page of the feed: at most 500 ms. */
  async firstPage(): Promise<void> {
    const flight = this.#feed?.pages.flight;
    if (flight !== undefined) await waited(flight);
  }

  /** Stops the background refresh and frees the memory. The verifier cannot be used afterwards. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#keys.close();
    this.#feed?.pages.close();
    this.#tokens.clear();
    this.#credentials.clear();
    this.#engine.free();
  }

  #judge(token: string): Token | KeystoneError {
    string("verify", "token", token);
    this.#mustBeOpen("verify");
    const now = this.#now();
    const known = this.#tokens.get(token, now);
    if (known !== undefined) {
      this.#lookIfDue(now);
      return known;
    }
    return this.#read(token, this.#engine.verify(this.#bytes(token), now), now);
  }

  // One byte over the limit is enough to be refused, and memory given to WebAssembly never comes back.
  #bytes(token: string): Uint8Array {
    const { read, written } = encoder.encodeInto(token, this.#scratch);
    const length = read === written ? written : encodeAsField(token, this.#scratch);
    return this.#scratch.subarray(0, length);
  }

  async #awaited(token: string): Promise<Token | KeystoneError> {
    const engine = this.#engine;
    if (engine.verifyAsync === undefined || typeof token !== "string" || !this.#open) return this.#judge(token);
    const now = this.#now();
    if (this.#tokens.get(token, now) !== undefined) return this.#judge(token);
    try {
      const { epoch } = engine;
      const answer = await engine.verifyAsync(this.#bytes(token).slice(), now);
      this.#mustBeOpen("verify");
      // What came meanwhile may have taken it back.
      return this.#read(token, answer, now, engine.epoch === epoch);
    } finally {
      // Closed while it waited: that is what went wrong, whatever the engine says without its memory.
      this.#mustBeOpen("verify");
    }
  }

  #read(token: string, answer: string, now: number, isCurrent = true): Token | KeystoneError {
    if (!isAccepted(answer)) return this.#refused(answer, now);
    this.#lookIfDue(now);
    const verdict = reusable(answer);
    if (isCurrent) this.#tokens.set(token, verdict);
    return verdict.token;
  }

  #authorize(values: string[], { all, any, roles }: Lists, enough: WeakSet<Token>): Token | KeystoneError {
    this.#mustBeOpen("decide");
    const now = this.#now();
    const only = values.length === 1 ? values[0] : undefined;
    const known = only === undefined ? undefined : this.#credentials.get(only, now);
    if (known !== undefined && enough.has(known)) {
      this.#lookIfDue(now);
      return known;
    }
    const answer = this.#engine.authorize(values, all, any, roles, now);
    if (!isAccepted(answer)) return this.#refused(answer, now);
    this.#lookIfDue(now);
    const verdict = known === undefined ? reusable(answer) : undefined;
    if (only !== undefined && verdict !== undefined) this.#credentials.set(only, verdict);
    const token = (known ?? verdict?.token) as Token;
    enough.add(token);
    return token;
  }

  #refused(answer: string, now: number): KeystoneError {
    const refusal = refused(answer, [this.#keys.failure, this.#feed?.pages.failure]);
    this.#keys.lookAfter(refusal.awaits, now);
    this.#feed?.pages.lookAfter(refusal.awaits, now);
    return refusal;
  }

  #lookIfDue(now: number): void {
    this.#keys.lookIfDue(now);
    this.#feed?.pages.lookIfDue(now);
  }

  /** Whether it is worth to ask again after this refusal, once what is being fetched is there: in 500 ms at most. */
  async #mayHaveHelped({ awaits }: KeystoneError): Promise<boolean> {
    // The metadata that name the keys' address name the feed's, too.
    const page = () => this.#feed?.pages.flightFor(awaits);
    const flight = this.#keys.flightFor(awaits)?.then(page) ?? page();
    return flight !== undefined && waited(flight);
  }

  #mustBeOpen(method: string): void {
    if (!this.#open) throw new Error(`${method}: this verifier was closed`);
  }
}

// As the engine reads the value of a header: a character up to U+00FF is a byte. No token that is accepted holds one over
// U+007F, but which fault it has is told alike everywhere.
function encodeAsField(text: string, into: Uint8Array): number {
  let length = 0;
  for (const character of text) {
    if (length + MAX_CHARACTER_BYTES > into.length) break;
    const code = character.codePointAt(0) ?? 0;
    if (code > 0xff) length += encoder.encodeInto(character, into.subarray(length)).written;
    else into[length++] = code;
  }
  return length;
}

/** @internal What each entry of the package wraps. */
export async function create(options: VerifierOptions, platform: VerifierPlatform): Promise<Verifier> {
  const settings = readVerifierOptions(options);
  const runtime = readRuntime("createVerifier", options, platform.fetchInit);
  const engine = await platform.engine(settings);
  const caches: [TokenCache, TokenCache] = [new TokenCache(settings.cacheSize), new TokenCache(settings.cacheSize)];
  const renew = () => {
    for (const cache of caches) cache.renew(engine);
  };
  const source = new KeySource({ ...settings, allowHttp: runtime.allowHttp }, (address) => {
    verifier.follow(address, () => new Feed(engine, address, runtime, renew));
  });
  const keys = new Keys(engine, { ...KEYS, read: (get) => source.read(get) }, runtime, renew);
  const verifier = new Verifier(engine, keys, runtime.now, caches);
  const { snapshot } = settings;
  const restored = snapshot !== undefined && engine.restore(snapshot, runtime.now()) === undefined;
  if (settings.revocation === "strict") engine.requireFeed();
  renew();
  if (restored && settings.revocation !== "off" && settings.jwksUri === undefined) {
    // Its feed is only known from the metadata.
    keys.lookSoon(runtime.now());
    return verifier;
  }
  keys.look(runtime.now());
  if (restored) return verifier;
  await keys.flight;
  // An unreachable issuer may come back: answer 503 until then. A wrong one is a mistake to hear of at once.
  if (keys.failure instanceof MetadataError) {
    verifier.close();
    throw refused(platform.unavailable(), [keys.failure]);
  }
  await verifier.firstPage();
  return verifier;
}
