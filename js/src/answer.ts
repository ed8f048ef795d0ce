// The engine's answers, each of which is one string: every crossing into WebAssembly costs more than its bytes.

import { type Code, KeystoneError } from "./errors.js";
import { Token, type VerifiedClaims } from "./token.js";

/** An accepted token and, in Unix seconds, the times from and until which it need not be verified again. */
export interface Reusable {
  readonly token: Token;
  readonly from: number;
  readonly until: number;
}

/** A refusal is told in lines that begin with a letter; what is accepted is JSON. */
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

// "<code>\n<status>\n<Retry-After or nothing>\n<challenge or nothing>\n<RFC 9457 body>\n<sentence>"
/** The failure of the keys is told with `keys_unavailable`, that of the feed with `revocations_stale`. */
export function refused(answer: string, keys: Error | undefined, feed?: Error): KeystoneError {
  const [code, status, retryAfter, challenge, problem, sentence] = answer.split("\n");
  const causes: { [Name in Code]?: Error | undefined } = { keys_unavailable: keys, revocations_stale: feed ?? keys };
  const cause = causes[code as Code];
  const refusal = {
    code: code as Code,
    status: Number(status),
    challenge: challenge || undefined,
    retryAfter: retryAfter ? Number(retryAfter) : undefined,
    problem: `${problem}`,
    message: cause ? `${sentence}: ${cause.message}` : `${sentence}`,
  };
  return new KeystoneError(refusal, cause);
}
