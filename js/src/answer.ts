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
/** `cause` is told with `keys_unavailable`. */
export function refused(answer: string, cause: Error | undefined): KeystoneError {
  const [code, status, retryAfter, challenge, problem, sentence] = answer.split("\n");
  const unavailable = code === "keys_unavailable" && cause !== undefined;
  const refusal = {
    code: code as Code,
    status: Number(status),
    challenge: challenge || undefined,
    retryAfter: retryAfter ? Number(retryAfter) : undefined,
    problem: `${problem}`,
    message: unavailable ? `${sentence}: ${cause.message}` : `${sentence}`,
  };
  return new KeystoneError(refusal, unavailable ? cause : undefined);
}
