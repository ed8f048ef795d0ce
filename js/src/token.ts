// A verified token as JavaScript sees it: frozen, so that its rights cannot be widened later.

import { kind } from "./arguments.js";

/** The verified claims as they were signed. */
export type Claims = Readonly<Record<string, unknown>>;

/** A verified token. Only a verifier or a gate makes one. */
export class Token {
  /** Who the token speaks for: a user's id, or `client:<client_id>` for a service. */
  readonly subject: string;
  /** The client the token was issued to. */
  readonly clientId: string;
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly scopes: readonly string[];
  /** The roles of the user; empty for a service. */
  readonly roles: readonly string[];
  /** The login session the token belongs to. */
  readonly session: string | undefined;
  /** The id of this very token (`jti`). */
  readonly tokenId: string;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** Every claim, deeply frozen. The objects have no prototype: a claim that is absent is undefined. */
  readonly claims: Claims;
  /** Makes the type its own: no other object with these members is taken for a verified token. */
  declare private readonly verified: true;

  /** @internal Only for claims that the verifier wrote. */
  constructor(claims: VerifiedClaims, issuedAt: number, expiresAt: number) {
    // First: what is absent must not be read from `Object.prototype`, where another library may have put anything.
    seal(claims);
    this.subject = claims.sub;
    this.clientId = claims.client_id;
    this.issuer = claims.iss;
    this.audience = typeof claims.aud === "string" ? [claims.aud] : claims.aud;
    this.scopes = claims.scope ? claims.scope.split(" ") : [];
    this.roles = claims.roles ?? [];
    this.session = claims.sid;
    this.tokenId = claims.jti;
    this.issuedAt = issuedAt;
    this.expiresAt = expiresAt;
    this.claims = claims;
    Object.freeze(this.audience);
    Object.freeze(this.scopes);
    Object.freeze(this.roles);
    Object.freeze(this);
  }

  /** Does the token hold this scope? */
  has(scope: string): boolean {
    if (typeof scope !== "string") throw new TypeError(`has: expected one scope as a string, got ${kind(scope)}`);
    return this.scopes.includes(scope);
  }

  /** Does the token hold every one of these scopes? */
  hasAll(scopes: readonly string[]): boolean {
    return scopeList("hasAll", scopes).every((scope) => this.has(scope));
  }

  /** Does the token hold at least one of these scopes? */
  hasAny(scopes: readonly string[]): boolean {
    return scopeList("hasAny", scopes).some((scope) => this.has(scope));
  }
}

/** @internal The claims that the verifier guarantees (RFC 9068 section 2.2), and any others. */
export interface VerifiedClaims extends Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | string[];
  readonly client_id: string;
  readonly jti: string;
  readonly scope?: string | null;
  readonly roles?: string[];
  readonly sid?: string;
}

// An empty list is a mistake in the caller's code, and "all of nothing" would let everyone in.
function scopeList(method: string, scopes: readonly string[]): readonly string[] {
  if (!Array.isArray(scopes) || scopes.length === 0) {
    throw new TypeError(`${method}: expected a list of at least one scope, got ${kind(scopes)}`);
  }
  return scopes;
}

/**
 * @internal Takes the prototype of what JSON.parse made, and freezes it, deeply. From the inside: freezing what is frozen
 * already costs nothing, asking whether it is does.
 */
export function seal(value: object): void {
  for (const member of Object.values(value)) {
    if (typeof member === "object" && member !== null) seal(member);
  }
  if (!Array.isArray(value)) Object.setPrototypeOf(value, null);
  Object.freeze(value);
}
