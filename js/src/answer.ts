// The engine's answers, each of which is one string: every crossing into WebAssembly costs more than its bytes.

import { type Code, KeystoneError } from "./errors.js";
import { Token, type VerifiedClaims } from "./token.js";

/** An accepted token and, in Unix seconds, the times from and until which it need not be verified again. */
export interface Reusable {
  readonly token: Token;
  readonly from: number;
  readonly until: number;
}

/** A refusal is told in lines that begin with a letter; whatever is accepted begins with a digit. */
export function isAccepted(answer: string): boolean {
  return answer.charCodeAt(0) <= 0x39;
}

// "<from> <until> <issued at> <expires at> <the claims as they were signed>"
export function reusable(answer: string): Reusable {
  const [from, until] = answer.split(" ", 2);
  return { token: accepted(answer), from: Number(from), until: Number(until) };
}

// "[…] <issued at> <expires at> <the claims as they were signed>"
export function accepted(answer: string): Token {
  const start = answer.indexOf("{");
  const times = answer.slice(0, start).trimEnd().split(" ");
  const [issuedAt, expiresAt] = times.slice(-2);
  return new Token(JSON.parse(answer.slice(start)) as VerifiedClaims, Number(issuedAt), Number(expiresAt));
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
