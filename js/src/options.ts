// The options of createVerifier and createGate, checked once: a mistake is a TypeError that names the option.

import { kind, memberOf, object, optional, optionsOf, strings } from "./arguments.js";

/** The options of both `createVerifier` and `createGate`. */
export interface CommonOptions {
  /** Accepts `http:` addresses that are not this machine. An attacker who can change their traffic can forge tokens. */
  allowHttp?: boolean;
  /** A replacement for the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** The time in milliseconds. Default `Date.now`. */
  now?: () => number;
  /** A number from 0 up to 1 that spreads refreshes. Default `Math.random`. */
  jitter?: () => number;
}

/** The options of `createVerifier`. `issuer` and `audience` are never optional. */
export interface VerifierOptions extends CommonOptions {
  /** The issuer's URL, exactly as in the tokens' `iss`. */
  issuer: string;
  /** The name of this service: a token is accepted when its `aud` holds one of these. */
  audience: string | readonly string[];
  /** Where the keys are. Left out: asked from the issuer's metadata (RFC 8414). */
  jwksUri?: string;
  /**
   * Whether a token that the issuer revoked is refused before it expires. `bounded`, the default: where the issuer's
   * metadata name a revocation feed, it is followed. `strict`: the same, and every token is refused as
   * `revocations_stale`, 503, while the feed was not read for a minute. `off`: it is not followed.
   */
  revocation?: "bounded" | "strict" | "off";
  /** Seconds by which clocks may differ, at most 120. Default 30. */
  leeway?: number;
  /** The longest lifetime a token may have, in seconds, at most a year. Default a day. */
  maxLifetime?: number;
  /**
   * A recent result of `snapshot()` of another verifier: the start then waits for no network. It is trusted like the
   * issuer's own answer. One that is broken, of another issuer or too old is as none.
   */
  snapshot?: string;
  /** How many accepted tokens are remembered, at most 100,000. Default 4096, of about 3 kB each. 0: none. */
  cacheSize?: number;
}

/** @internal */
export type RevocationMode = NonNullable<VerifierOptions["revocation"]>;

/** The options of `createGate`. */
export interface GateOptions extends CommonOptions {
  /** The policy file: its text, its bytes, or what JSON.parse made of it. */
  policy: string | Uint8Array | object;
}

/** A revocation feed that is followed. */
export interface FollowedFeed {
  readonly url: string;
  /** Why the last look at it brought nothing; undefined after a good one. */
  readonly failure: Error | undefined;
}

/** @internal What the world gives, after the checks. */
export interface Runtime {
  allowHttp: boolean;
  fetch: typeof globalThis.fetch;
  /** Further options that the platform's fetch needs. */
  fetchInit: RequestInit;
  /** Whole seconds. */
  now: () => number;
  jitter: () => number;
}

/** @internal The options of createVerifier after the checks. */
export interface Settings {
  issuer: string;
  audiences: string[];
  jwksUri: string | undefined;
  revocation: RevocationMode;
  /** Undefined: the verifier's own default. */
  leeway: number | undefined;
  maxLifetime: number | undefined;
  cacheSize: number;
  snapshot: string | undefined;
}

const COMMON = ["allowHttp", "fetch", "now", "jitter"];
const VERIFIER = [
  ...["issuer", "audience", "jwksUri", "revocation", "leeway", "maxLifetime", "snapshot", "cacheSize"],
  ...COMMON,
];
const GATE = ["policy", ...COMMON];

/** @internal Throws a TypeError for everything that is not as above. */
export function readVerifierOptions(options: VerifierOptions): Settings {
  object("createVerifier", options, "expected an object with issuer and audience");
  const given = optionsOf("createVerifier", options, VERIFIER);
  const allowHttp = given.allowHttp === true;
  const address = (name: "issuer" | "jwksUri", value: string) => {
    const fault = addressFault(value, allowHttp);
    if (fault) throw new TypeError(`createVerifier: ${name}: ${fault}`);
    return value;
  };
  const jwksUri = optional<string>("createVerifier: jwksUri", given.jwksUri, "string");
  return {
    issuer: address("issuer", issuer(given.issuer)),
    audiences: audiences(given.audience),
    jwksUri: jwksUri === undefined ? undefined : address("jwksUri", jwksUri),
    revocation: revocation(given.revocation, jwksUri),
    leeway: whole("leeway", given.leeway, [0, 120]),
    maxLifetime: whole("maxLifetime", given.maxLifetime, [1, 31_536_000]),
    snapshot: optional<string>("createVerifier: snapshot", given.snapshot, "string"),
    cacheSize: whole("cacheSize", given.cacheSize, [0, 100_000], "a whole number") ?? 4096,
  };
}

/** @internal The policy as the engine reads it. Throws a TypeError for everything that is not as above. */
export function readGateOptions(options: GateOptions): Uint8Array {
  object("createGate", options, "expected an object with the policy");
  const { policy } = optionsOf("createGate", options, GATE);
  if (typeof policy === "string") return new TextEncoder().encode(policy);
  if (typeof policy !== "object" || policy === null) {
    throw new TypeError("createGate: policy: expected the policy file as text, bytes or an object");
  }
  // A copy, and also of another realm's bytes, which are no instance of this one's class.
  if (ArrayBuffer.isView(policy)) {
    return new Uint8Array(policy.buffer, policy.byteOffset, policy.byteLength).slice();
  }
  return new TextEncoder().encode(json(policy));
}

function json(policy: object): string {
  try {
    return `${JSON.stringify(policy)}`;
  } catch (cause) {
    throw new TypeError(`createGate: policy: cannot be written as JSON: ${(cause as Error).message}`, { cause });
  }
}

/** @internal Throws a TypeError for everything that is not as above. `caller` begins its message. */
export function readRuntime(caller: string, options: CommonOptions, fetchInit: RequestInit): Runtime {
  const of = <Kind>(name: keyof CommonOptions, kind: string) =>
    optional<Kind>(`${caller}: ${name}`, memberOf(options, name), kind);
  return {
    allowHttp: of<boolean>("allowHttp", "boolean") ?? false,
    // Called as a plain function: a browser's fetch refuses another receiver.
    fetch: of<typeof globalThis.fetch>("fetch", "function") ?? ((url, init) => globalThis.fetch(url, init)),
    fetchInit,
    now: clock(caller, of<() => number>("now", "function") ?? Date.now),
    jitter: unitInterval(of<() => number>("jitter", "function") ?? Math.random),
  };
}

/** @internal Why keys must not be fetched from this address; undefined when they may. */
export function addressFault(text: string, allowHttp: boolean): string | undefined {
  if (!URL.canParse(text)) return `${JSON.stringify(text)} is not a URL such as "https://login.example"`;
  const url = new URL(text);
  if (url.username || url.password) return `${JSON.stringify(text)} must not hold a user name or password`;
  if (url.protocol === "https:") return undefined;
  if (url.protocol !== "http:") return `${JSON.stringify(text)} must start with https://`;
  if (allowHttp || isThisMachine(url.hostname)) return undefined;
  return `${JSON.stringify(text)} must start with https://; for http on a network you trust, set allowHttp: true`;
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}

function issuer(value: unknown): string {
  if (typeof value !== "string" || value === "") {
    throw new TypeError("createVerifier: issuer: expected the issuer's URL as a string");
  }
  // RFC 8414 section 2: an issuer has neither query nor fragment.
  if (value.includes("?") || value.includes("#")) {
    throw new TypeError("createVerifier: issuer: must not hold a query or a fragment");
  }
  return value;
}

function audiences(value: unknown): string[] {
  const names = strings(Array.isArray(value) ? value : [value]);
  if (names === undefined || names.length === 0 || names.includes("")) {
    throw new TypeError("createVerifier: audience: expected the name of this service, or a list of names");
  }
  return names;
}

function revocation(value: unknown, jwksUri: string | undefined): RevocationMode {
  if (value !== undefined && value !== "bounded" && value !== "strict" && value !== "off") {
    throw new TypeError('createVerifier: revocation: expected "bounded", "strict" or "off"');
  }
  if (value === "strict" && jwksUri !== undefined) {
    throw new TypeError("createVerifier: revocation: only the issuer's metadata say where its feed is: leave jwksUri out");
  }
  return value ?? "bounded";
}

// Times have the same bounds as in the policy file.
function whole(
  name: string,
  value: unknown,
  [least, most]: readonly [number, number],
  what = "whole seconds",
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`createVerifier: ${name}: expected ${what} from ${least} to ${most}`);
  }
  return value;
}

// Tried once, so that a clock in the wrong shape is heard of at the start.
function clock(caller: string, milliseconds: () => number): () => number {
  const first: unknown = milliseconds();
  if (!Number.isFinite(first)) {
    const got = typeof first === "number" ? first : kind(first);
    throw new TypeError(`${caller}: now: expected milliseconds since 1970, got ${got}`);
  }
  // In the year 1970 every token lies in the future: a clock that breaks later refuses, it never accepts.
  return () => Math.max(0, Math.floor(numberOf(milliseconds) / 1000)) || 0;
}

// Nonsense from the outside must not become a timer without a pause.
function unitInterval(random: () => number): () => number {
  return () => Math.min(Math.max(numberOf(random), 0), 1) || 0;
}

// Called by timers too, where an exception would end the process.
function numberOf(give: () => unknown): number {
  try {
    const given = give();
    return typeof given === "number" ? given : Number.NaN;
  } catch {
    return Number.NaN;
  }
}
