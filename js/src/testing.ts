// A testing kit: an issuer that needs no network, its clock, tokens with any claims, revocations, and the hostile file.

import { kind, object, optional, optionsOf } from "./arguments.js";
import { TestFeed } from "./testing/feed.js";
import { TestKey } from "./testing/key.js";

export { type HostileCase, hostileCases } from "./testing/hostile.js";

/** The options of `createTestIssuer`. */
export interface TestIssuerOptions {
  /** Default `https://issuer.test`. */
  issuer?: string;
  /** The audience of the tokens. Default `orders`. */
  audience?: string;
  /** Where the clock starts, in milliseconds since 1970. Default now. The clock stands until it is turned. */
  now?: number;
}

/** The differences to a good token. */
export interface TokenChanges {
  /** Members of the header; undefined removes one. */
  header?: Record<string, unknown>;
  /** The key to sign with, published or not. Default the issuer's newest. */
  key?: TestKey;
}

/** The things to revoke: each member that is present. */
export interface Revoked {
  /** A login session: its tokens, whenever they were made. */
  sid?: string;
  /** One token. */
  jti?: string;
  /** A subject: its tokens up to now. */
  sub?: string;
  /** A client: its tokens up to now. */
  client_id?: string;
}

/** Makes an issuer for tests. */
export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const caller = "createTestIssuer";
  const given = optionsOf(caller, object(caller, options, "expected an object"), ["issuer", "audience", "now"]);
  const issuer = optional<string>(`${caller}: issuer`, given.issuer, "string") ?? "https://issuer.test";
  const audience = optional<string>(`${caller}: audience`, given.audience, "string") ?? "orders";
  const now = number(`${caller}: now`, given.now ?? Date.now());
  if (!URL.canParse(issuer)) throw new TypeError(`${caller}: issuer: expected a URL, got ${JSON.stringify(issuer)}`);
  return new TestIssuer({ issuer, audience, now }, await TestKey.generate());
}

/** An issuer for tests. Everyone who reaches it can get any token: never trust it outside a test. */
export class TestIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** The published keys, the newest first. */
  keys: TestKey[];
  /** While true, no request to it succeeds. */
  away = false;
  /** The addresses that were asked for. */
  readonly requests: string[] = [];
  #now: number;
  #tokens = 0;
  readonly #feed: TestFeed;
  /** How often all tokens of a subject, and of a client, were revoked. */
  readonly #epochs = { sub: new Map<unknown, number>(), client_id: new Map<unknown, number>() };

  /** @internal */
  constructor({ issuer, audience, now }: Required<TestIssuerOptions>, key: TestKey) {
    this.issuer = issuer;
    this.audience = audience;
    this.#now = now;
    this.keys = [key];
    this.#feed = new TestFeed(issuer);
  }

  /** For `createVerifier`: believes this issuer, by its clock and without a network. */
  get options() {
    return { issuer: this.issuer, audience: this.audience, ...this.runtime };
  }

  /** For `createGate`, beside the policy: this issuer's network and clock. */
  get runtime() {
    return { fetch: this.fetch, now: this.now };
  }

  /** For `issuers` in a policy file. */
  get policy() {
    const [url, keysUrl] = [this.#address(FEED), this.#address(FEED_KEYS)];
    return {
      issuer: this.issuer,
      audiences: [this.audience],
      keys: { url: this.#address(KEYS) },
      revocation: { url, keys_url: keysUrl },
    };
  }

  /** The time in milliseconds. */
  readonly now = (): number => this.#now;

  /** Turns the clock forward. */
  pass(seconds: number): void {
    this.#now += number("pass: seconds", seconds) * 1000;
  }

  /** A new key signs from now on; the old ones stay published. */
  async rotate(): Promise<void> {
    this.keys = [await TestKey.generate(), ...this.keys];
  }

  /** A signed access token: 15 minutes from now, with these claims changed; undefined removes one. */
  async token(claims: Record<string, unknown> = {}, changes: TokenChanges = {}) {
    object("token: claims", claims, "expected an object");
    const { header, key } = optionsOf("token", object("token", changes, "expected an object as second argument"), ["header", "key"]);
    const signing = object("token: key", (key ?? this.keys[0]) as TestKey, "expected a TestKey");
    const now = Math.floor(this.#now / 1000);
    this.#tokens += 1;
    const { sub = "alice", client_id = "test-client" } = claims;
    const standard = {
      iss: this.issuer,
      sub,
      aud: this.audience,
      client_id,
      jti: `token-${this.#tokens}`,
      iat: now,
      exp: now + 900,
      scope: "",
      sv: this.#epochs.sub.get(sub),
      cv: this.#epochs.client_id.get(client_id),
    };
    const head = { alg: "EdDSA", typ: "at+jwt", kid: signing.jwk.kid, ...object("token: header", header ?? {}, "expected an object") };
    return signing.sign(JSON.stringify(head), JSON.stringify({ ...standard, ...claims }));
  }

  /** Takes tokens back: verifiers hear of it with the next page of the feed, which they fetch a second later. */
  revoke(revoked: Revoked): void {
    const given = optionsOf("revoke", object("revoke", revoked, "expected an object"), ["sid", "jti", "sub", "client_id"]);
    const [sid, jti, sub, client_id] = Object.entries(given).map(([name, value]) => optional<string>(`revoke: ${name}`, value, "string"));
    const now = Math.floor(this.#now / 1000);
    if (sid !== undefined) this.#feed.add("sid", sid, null, now);
    if (jti !== undefined) this.#feed.add("jti", jti, null, now);
    if (sub !== undefined) this.#feed.add("sub", sub, next(this.#epochs.sub, sub), now);
    if (client_id !== undefined) this.#feed.add("cid", client_id, next(this.#epochs.client_id, client_id), now);
  }

  /** Stands for the network: answers for the issuer's metadata, keys and revocation feed, and for nothing else. */
  readonly fetch = async (input: string | URL | Request): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    this.requests.push(url);
    if (this.away) throw new TypeError(`${url}: the issuer is away`);
    const [address, after = ""] = url.split("?after=");
    if (address === this.#address(METADATA)) return Response.json(this.#metadata());
    if (address === this.#address(KEYS)) return Response.json({ keys: this.keys.map(({ jwk }) => jwk) });
    if (address === this.#address(FEED_KEYS)) return this.#feed.keys();
    if (address === this.#address(FEED)) return this.#feed.page(after, Math.floor(this.#now / 1000));
    return new Response(null, { status: 404 });
  };

  #metadata() {
    return {
      issuer: this.issuer,
      jwks_uri: this.#address(KEYS),
      keystone_revocations_uri: this.#address(FEED),
      keystone_revocations_jwks_uri: this.#address(FEED_KEYS),
    };
  }

  // RFC 8414 section 3.1: the issuer's path comes after.
  #address(path: string): string {
    const { origin, pathname } = new URL(this.issuer);
    return `${origin}${path}${pathname.replace(/\/$/, "")}`;
  }
}

function number(what: string, value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new TypeError(`${what}: expected a finite number, got ${typeof value === "number" ? value : kind(value)}`);
}

function next(epochs: Map<unknown, number>, name: string): number {
  const epoch = (epochs.get(name) ?? 0) + 1;
  epochs.set(name, epoch);
  return epoch;
}

const METADATA = "/.well-known/oauth-authorization-server";
const KEYS = "/.well-known/jwks.json";
const FEED = "/.well-known/keystone/revocations";
const FEED_KEYS = "/.well-known/keystone/feed-jwks.json";

export { TestKey };
