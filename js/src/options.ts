// The options of createVerifier, checked once: a mistake is a TypeError that names the option.

/** What `createVerifier` takes. `issuer` and `audience` are never optional. */
export interface VerifierOptions {
  /** The issuer's URL, exactly as in the tokens' `iss`. */
  issuer: string;
  /** The name of this service: a token is accepted when its `aud` holds one of these. */
  audience: string | readonly string[];
  /** Where the keys are. Left out: asked from the issuer's metadata (RFC 8414). */
  jwksUri?: string;
  /** Seconds by which clocks may differ, at most 120. Default 30. */
  leeway?: number;
  /** The longest lifetime a token may have, in seconds, at most a year. Default a day. */
  maxLifetime?: number;
  /** Accepts `http:` addresses that are not this machine. Whoever can change their traffic can mint tokens. */
  allowHttp?: boolean;
  /** A replacement for the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** The time in milliseconds. Default `Date.now`. */
  now?: () => number;
  /** A number from 0 up to 1 that spreads refreshes. Default `Math.random`. */
  jitter?: () => number;
}

/** @internal The options after the checks. */
export interface Settings {
  issuer: string;
  audiences: string[];
  jwksUri: string | undefined;
  /** Undefined: the verifier's own default. */
  leeway: number | undefined;
  maxLifetime: number | undefined;
  allowHttp: boolean;
  fetch: typeof globalThis.fetch;
  /** Whole seconds. */
  now: () => number;
  jitter: () => number;
}

/** @internal Throws a TypeError for everything that is not as above. */
export function readOptions(options: VerifierOptions): Settings {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("createVerifier: expected an object with issuer and audience");
  }
  refuseUnknown(options);
  const allowHttp = typed(options, "allowHttp", "boolean") ?? false;
  const address = (name: "issuer" | "jwksUri", value: string) => {
    const fault = addressFault(value, allowHttp);
    if (fault) throw new TypeError(`createVerifier: ${name}: ${fault}`);
    return value;
  };
  const jwksUri = typed(options, "jwksUri", "string");
  return {
    issuer: address("issuer", issuer(options.issuer)),
    audiences: audiences(options.audience),
    jwksUri: jwksUri === undefined ? undefined : address("jwksUri", jwksUri),
    leeway: seconds("leeway", options.leeway, [0, 120]),
    maxLifetime: seconds("maxLifetime", options.maxLifetime, [1, 31_536_000]),
    allowHttp,
    // Called as a plain function: a browser's fetch refuses another receiver.
    fetch: typed(options, "fetch", "function") ?? ((url, init) => globalThis.fetch(url, init)),
    now: clock(typed(options, "now", "function") ?? Date.now),
    jitter: unitInterval(typed(options, "jitter", "function") ?? Math.random),
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

const known = ["issuer", "audience", "jwksUri", "leeway", "maxLifetime", "allowHttp", "fetch", "now", "jitter"];

// A misspelt option would otherwise silently be the default.
function refuseUnknown(options: object): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new TypeError(`createVerifier: unknown option ${unknown.join(", ")}; the options are ${known.join(", ")}`);
  }
}

function issuer(value: unknown): string {
  if (typeof value !== "string" || value === "") {
    throw new TypeError("createVerifier: issuer: expected the issuer's URL as a string");
  }
  // RFC 8414 section 2: an issuer has neither query nor fragment.
  if (/[?#]/.test(value)) throw new TypeError("createVerifier: issuer: must not hold a query or a fragment");
  return value;
}

function audiences(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const names = list.filter((name) => typeof name === "string" && name !== "") as string[];
  if (names.length === 0 || names.length !== list.length) {
    throw new TypeError("createVerifier: audience: expected the name of this service, or a list of names");
  }
  return names;
}

// The same bounds as in the policy file.
function seconds(name: string, value: unknown, [least, most]: readonly [number, number]): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`createVerifier: ${name}: expected whole seconds from ${least} to ${most}`);
  }
  return value;
}

type Kinds = { string: string; boolean: boolean; function: (...args: never[]) => unknown };

function typed<Name extends keyof VerifierOptions, Kind extends keyof Kinds>(
  options: VerifierOptions,
  name: Name,
  kind: Kind,
): Extract<VerifierOptions[Name], Kinds[Kind]> | undefined {
  const value: unknown = options[name];
  if (value === undefined) return undefined;
  if (typeof value !== kind) throw new TypeError(`createVerifier: ${name}: expected a ${kind}, got ${typeof value}`);
  return value as Extract<VerifierOptions[Name], Kinds[Kind]>;
}

// Tried once, so that a clock in the wrong shape is heard of at the start.
function clock(milliseconds: () => number): () => number {
  const first: unknown = milliseconds();
  if (!Number.isFinite(first)) {
    throw new TypeError(`createVerifier: now: expected milliseconds since 1970, got ${first}`);
  }
  // In the year 1970 every token lies in the future: a clock that breaks later refuses, it never accepts.
  return () => Math.max(0, Math.floor(milliseconds() / 1000)) || 0;
}

// Nonsense from the outside must not become a timer without a pause.
function unitInterval(random: () => number): () => number {
  return () => Math.min(Math.max(random(), 0), 1) || 0;
}
