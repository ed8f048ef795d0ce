// The compiled verifier: what it offers, and how its one-string answer is read.

import { Engine as WasmEngine, initSync } from "../pkg/keystone_verifier_wasm.js";
import { type Code, KeystoneError } from "./errors.js";
import { Token, type VerifiedClaims } from "./token.js";

/** One issuer's rules and keys. It decides; this package only fetches, tells the time and passes on. */
export type Engine = WasmEngine;

/** Gives the compiled module; each entry of the package has its own way. */
export type LoadModule = () => WebAssembly.Module | Promise<WebAssembly.Module>;

/** What differs between the entries of the package. */
export interface Platform {
  load: LoadModule;
  fetchInit: RequestInit;
}

let ready: Promise<void> | undefined;

/** Makes `new WasmEngine` possible. The module is compiled once, however many verifiers there are. */
export function prepare(load: LoadModule): Promise<void> {
  ready ??= compile(load);
  return ready;
}

async function compile(load: LoadModule): Promise<void> {
  try {
    initSync({ module: await load() });
  } catch (cause) {
    const hint = "a page's Content-Security-Policy must allow 'wasm-unsafe-eval'";
    throw new Error(`the verifier's WebAssembly could not be started; ${hint}`, { cause });
  }
}

export { WasmEngine };

// "<code>\n<status>\n<Retry-After or nothing>\n<challenge or nothing>\n<sentence>"; a token begins with a digit.
/** Either the token, or the refusal as an error to throw. `cause` is told with `keys_unavailable`. */
export function readAnswer(answer: string, cause: Error | undefined): Token | KeystoneError {
  if (answer.charCodeAt(0) <= 0x39) return accepted(answer);
  const [code, status, retryAfter, challenge, sentence] = answer.split("\n");
  const unavailable = code === "keys_unavailable" && cause !== undefined;
  const refusal = {
    code: code as Code,
    status: Number(status),
    challenge: challenge || undefined,
    retryAfter: retryAfter ? Number(retryAfter) : undefined,
    message: unavailable ? `${sentence}: ${cause.message}` : `${sentence}`,
  };
  return new KeystoneError(refusal, unavailable ? cause : undefined);
}

// "<issued at> <expires at> <the claims as they were signed>"
function accepted(answer: string): Token {
  const start = answer.indexOf("{");
  const [issuedAt, expiresAt] = answer.slice(0, start).split(" ");
  const claims = JSON.parse(answer.slice(start)) as VerifiedClaims;
  return new Token(claims, Number(issuedAt), Number(expiresAt));
}
