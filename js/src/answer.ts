// The engine's answers, each of which is one string: every crossing into WebAssembly costs more than its bytes.

import { type Awaits, type Code, KeystoneError, type Refusal } from "./errors.js";
import { Token, type VerifiedClaims } from "./token.js";

/** An accepted token and, in Unix seconds, the times from and until which it need not be verified again. */
export interface Reusable {
  readonly token: Token;
  readonly from: number;
  readonly until: number;
}

/** A refusal is a JSON object; what is accepted is a JSON array. */
export function isAccepted(answer: string): boolean {
  return answer.startsWith("[");
}

// [<from>, <until>, <issued at>, <expires at>, <the claims as they were signed>]
export function reusable(answer: string): Reusable {
  const [from, until, issuedAt, expiresAt, claims] = JSON.parse(answer) as [number, number, number, number, VerifiedClaims];
  return { token: new Token(claims, issuedAt, expiresAt), from, until };
}

// [<issued at>, <expires at>, <the claims as they were signed>]
export function accepted(answer: string): Token {
  const [issuedAt, expiresAt, claims] = JSON.parse(answer) as [number, number, VerifiedClaims];
  return new Token(claims, issuedAt, expiresAt);
}

/** The object that `Refusal::to_json` of the core writes; undefined members are left out. */
interface Told {
  code: Code;
  status: number;
  retry_after?: number;
  awaits?: Awaits;
  challenge?: string;
  problem: string;
  message: string;
}

/** Why the keys could not be fetched, which is told with `keys_unavailable`, and the feed, with `revocations_stale`. */
export type Failures = readonly [keys: Error | undefined, feed?: Error | undefined];

/** `readable`: the headers by which a page of another origin may read the answer. */
export function refused(answer: string, [keys, feed]: Failures, readable?: Record<string, string>): KeystoneError {
  const told = Object.setPrototypeOf(JSON.parse(answer), null) as Told;
  const causes = new Map<Code, Error | undefined>([["keys_unavailable", keys], ["revocations_stale", feed ?? keys]]);
  const cause = causes.get(told.code);
  const refusal: Refusal = {
    code: told.code,
    status: told.status,
    challenge: told.challenge,
    retryAfter: told.retry_after,
    problem: told.problem,
    awaits: told.awaits,
    message: cause ? `${told.message}: ${cause.message}` : told.message,
    readable,
  };
  return new KeystoneError(refusal, cause);
}
