// A testing kit: an issuer that needs no network, its clock, tokens with any claims, and the hostile file.

import { TestKey } from "./testing/key.js";

export { type HostileCase, hostileCases } from "./testing/hostile.js";

/** What `createTestIssuer` takes. */
export interface TestIssuerOptions {
  /** Default `https://issuer.test`. */
  issuer?: string;
  /** The audience of the tokens. Default `orders`. */
  audience?: string;
  /** Where the clock starts, in milliseconds since 1970. Default now. The clock stands until it is turned. */
  now?: number;
}

/** What differs from a good token. */
export interface TokenChanges {
  /** Members of the header; undefined removes one. */
  header?: Record<string, unknown>;
  /** The key to sign with, published or not. Default the issuer's newest. */
  key?: TestKey;
}

/** Makes an issuer for tests. */
export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const { issuer = "https://issuer.test", audience = "orders", now = Date.now() } = options;
  return new TestIssuer({ issuer, audience, now }, await TestKey.generate());
}

/** An issuer for tests. Whoever can reach it can have any token: never believe it outside of a test. */
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

  /** @internal */
  constructor({ issuer, audience, now }: Required<TestIssuerOptions>, key: TestKey) {
    this.issuer = issuer;
    this.audience = audience;
    this.#now = now;
    this.keys = [key];
  }

  /** For `createVerifier`: believes this issuer, by its clock and without a network. */
  get options() {
    return { issuer: this.issuer, audience: this.audience, ...this.surroundings };
  }

  /** For `createGate`, beside the policy: this issuer's network and clock. */
  get surroundings() {
    return { fetch: this.fetch, now: this.now };
  }

  /** For `issuers` in a policy file. */
  get policy() {
    return { issuer: this.issuer, audiences: [this.audience], keys: { url: this.#address("/.well-known/jwks.json") } };
  }

  /** The time in milliseconds. */
  readonly now = (): number => this.#now;

  /** Turns the clock forward. */
  pass(seconds: number): void {
    this.#now += seconds * 1000;
  }

  /** A new key signs from now on; the old ones stay published. */
  async rotate(): Promise<void> {
    this.keys = [await TestKey.generate(), ...this.keys];
  }

  /** A signed access token: 15 minutes from now, with these claims changed; undefined removes one. */
  async token(claims: Record<string, unknown> = {}, { header = {}, key = this.keys[0] }: TokenChanges = {}) {
    if (key === undefined) throw new Error("token: the issuer has no key");
    const now = Math.floor(this.#now / 1000);
    this.#tokens += 1;
    const standard = {
      iss: this.issuer,
      sub: "alice",
      aud: this.audience,
      client_id: "test-client",
      jti: `token-${this.#tokens}`,
      iat: now,
      exp: now + 900,
      scope: "",
    };
    const head = { alg: "EdDSA", typ: "at+jwt", kid: key.jwk.kid, ...header };
    return key.sign(JSON.stringify(head), JSON.stringify({ ...standard, ...claims }));
  }

  /** Stands for the network: answers for the issuer's metadata and keys, and for nothing else. */
  readonly fetch = async (input: string | URL | Request): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    this.requests.push(url);
    if (this.away) throw new TypeError(`${url}: the issuer is away`);
    if (url === this.#address("/.well-known/oauth-authorization-server")) {
      return Response.json({ issuer: this.issuer, jwks_uri: this.#address("/.well-known/jwks.json") });
    }
    if (url === this.#address("/.well-known/jwks.json")) {
      return Response.json({ keys: this.keys.map(({ jwk }) => jwk) });
    }
    return new Response(null, { status: 404 });
  };

  // RFC 8414 section 3.1: the issuer's path comes after.
  #address(path: string): string {
    const { origin, pathname } = new URL(this.issuer);
    return `${origin}${path}${pathname.replace(/\/$/, "")}`;
  }
}

export { TestKey };
