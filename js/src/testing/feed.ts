// The revocation feed of an issuer for tests.

import { TestKey } from "./key.js";

/** `[kind, value, the smallest epoch that stands, until when a token could live]` */
type Event = readonly [kind: string, value: string, minEpoch: number | null, dropAfter: number];

// As the issuer has it.
const MAX_EVENTS = 256;
const PAGE_LIFETIME = 10;
// Longer than any token lives.
const A_YEAR = 31_536_000;

/** The revocations of an issuer, as pages. */
export class TestFeed {
  readonly #issuer: string;
  readonly #events: Event[] = [];
  #key: Promise<TestKey> | undefined;

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  add(kind: string, value: string, minEpoch: number | null, now: number): void {
    this.#events.push([kind, value, minEpoch, now + A_YEAR]);
  }

  async keys(): Promise<Response> {
    const { jwk } = await this.#signer();
    return Response.json({ keys: [jwk] });
  }

  /** The page that follows `after`, a number of events. */
  async page(after: string, now: number): Promise<Response> {
    const first = Number(after);
    if (first > this.#events.length) return Response.json({ title: "start again without after" }, { status: 409 });
    const events = this.#events.slice(first, first + MAX_EVENTS);
    const last = first + events.length;
    const claims = {
      iss: this.#issuer,
      iat: now,
      exp: now + PAGE_LIFETIME,
      from: after,
      to: last === 0 ? "" : String(last),
      more: last < this.#events.length,
      ev: events,
    };
    const key = await this.#signer();
    const header = { alg: "EdDSA", kid: key.jwk.kid, typ: "keystone-revocations+jwt" };
    const page = await key.sign(JSON.stringify(header), JSON.stringify(claims));
    return new Response(page, { headers: { "content-type": "application/keystone-revocations+jwt" } });
  }

  // Never a key that signs tokens. Made when it is needed.
  #signer(): Promise<TestKey> {
    this.#key ??= TestKey.generate();
    return this.#key;
  }
}
