// Why a token was refused: the same codes as the Rust verifier and the Envoy filter.

/** Every code, in the order of the Rust list; a test compares the two. */
export const codes = [
  "no_credentials",
  "multiple_credentials",
  "bad_authorization",
  "malformed",
  "too_large",
  "base64",
  "header_json",
  "claims_json",
  "duplicate_member",
  "limits",
  "alg",
  "typ",
  "crit",
  "kid",
  "unknown_kid",
  "signature",
  "claim_type",
  "missing_claim",
  "issuer",
  "audience",
  "expired",
  "not_yet_valid",
  "issued_in_future",
  "lifetime",
  "binding",
  "scope_syntax",
  "scope_mismatch",
  "revoked",
  "insufficient_scope",
  "insufficient_role",
  "no_route",
  "bad_path",
  "keys_unavailable",
  "revocations_stale",
] as const;
Object.freeze(codes);

/** A stable reason. Never renamed; new ones may be added. */
export type Code = (typeof codes)[number];

// Every entry of the package, as a module and for CommonJS, has a class of its own: they know each other's errors by this.
const BRAND = Symbol.for("@keystone-auth/verifier/KeystoneError");

/** A refusal, with everything that a service needs to answer. `instanceof` holds across all entries of the package. */
export class KeystoneError extends Error {
  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // Of a class that extends this one, only its own are instances.
    if (this !== KeystoneError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }

  override readonly name = "KeystoneError";
  /** Why, for programs. */
  readonly code: Code;
  /** The HTTP status to answer with: 400, 401, 403, or 503 when it is not the caller's fault. */
  readonly status: number;
  /** The value for `WWW-Authenticate` (RFC 6750 section 3); undefined where none belongs. */
  readonly challenge: string | undefined;
  /** Seconds for `Retry-After`; only with status 503. */
  readonly retryAfter: number | undefined;
  /** The body to answer with, `application/problem+json` (RFC 9457). */
  readonly problem: string;
  readonly #awaits: Awaits | undefined;
  /** By which a page of another origin may read the answer. */
  readonly #readable: Readonly<Record<string, string>>;

  constructor(refusal: Refusal, cause?: unknown) {
    super(refusal.message, cause === undefined ? undefined : { cause });
    this.code = refusal.code;
    this.status = refusal.status;
    this.challenge = refusal.challenge;
    this.retryAfter = refusal.retryAfter;
    this.problem = refusal.problem;
    this.#awaits = refusal.awaits;
    this.#readable = refusal.readable ?? {};
  }

  /** @internal The news from the issuer that can turn this refusal into another decision. */
  get awaits(): Awaits | undefined {
    return this.#awaits;
  }

  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** The headers to answer with, for the body `problem`. */
  get headers(): Record<string, string> {
    const headers: Record<string, string> = { "content-type": "application/problem+json", "cache-control": "no-store" };
    if (this.challenge !== undefined) headers["www-authenticate"] = this.challenge;
    if (this.retryAfter !== undefined) headers["retry-after"] = String(this.retryAfter);
    return { ...headers, ...this.#readable };
  }

  /** The whole answer. */
  toResponse(): Response {
    return new Response(this.problem, { status: this.status, headers: this.headers });
  }
}

/** @internal News from the issuer, by the core's names. */
export type Awaits = "keys" | "revocations";

/** The parts of a refusal. */
export interface Refusal {
  code: Code;
  status: number;
  challenge: string | undefined;
  retryAfter: number | undefined;
  problem: string;
  message: string;
  /** @internal */
  awaits?: Awaits | undefined;
  /** Further headers of the answer. */
  readable?: Readonly<Record<string, string>> | undefined;
}
