// The entry for pages whose Content-Security-Policy forbids WebAssembly: the same engine as JavaScript. That is slow at
// curves, so where a decision is awaited the browser's own WebCrypto checks the signature, and nothing else.

import type { Pending, Engine as PlainEngine, Authorizer as PlainAuthorizer } from "../pkg/keystone_verifier_wasm.js";
import { type GateEngine, type Platform, webAssembly } from "./engine.js";
import { createGateOn, type Gate } from "./gate.js";
import type { GateOptions, VerifierOptions } from "./options.js";
import { create, type Verifier } from "./verifier.js";

export * from "./public.js";

/** The same as in the main entry. `verifyAsync` is much quicker than `verify` here. */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  return create(options, platform);
}

/** The same as in the main entry. `decideAsync` is much quicker than `decide` here. */
export function createGate(options: GateOptions): Promise<Gate> {
  return createGateOn(options, platform);
}

// "no-store": a key set from the browser's cache would be older than it says.
// What tests itself is WebAssembly; as JavaScript it would take a tenth of a second, for which no page may stand still.
const plain = webAssembly(() => new WebAssembly.Module(new Uint8Array()), { cache: "no-store" }, () => true);

const platform: Platform = {
  ...plain,
  async engine(rules) {
    const engine = (await plain.engine(rules)) as PlainEngine;
    const verifyAsync = (token: Uint8Array, now: number) =>
      answer(engine, engine.begin(token, now), () => engine.verify(token, now));
    return Object.assign(engine, { verifyAsync });
  },
  async gate(policy) {
    const gate = (await plain.gate(policy)) as PlainAuthorizer;
    const decideAsync: NonNullable<GateEngine["decideAsync"]> = (...request) =>
      answer(gate, gate.begin(...request), () => gate.decide(...request));
    return Object.assign(gate, { decideAsync });
  },
};

interface Resumes {
  resume(pending: Pending, isValid: boolean): string;
}

/** `otherwise` is for what rests on no signature, and for a platform that cannot check it. */
async function answer(engine: Resumes, pending: Pending | undefined, otherwise: () => string): Promise<string> {
  if (pending === undefined) return otherwise();
  try {
    const isValid = await check(pending);
    return isValid === undefined ? otherwise() : engine.resume(pending, isValid);
  } finally {
    pending.free();
  }
}

/** Undefined: WebCrypto is not there, as in a page over http, knows no Ed25519 or failed. */
async function check({ jwk, message, signature }: Pending): Promise<boolean | undefined> {
  try {
    const isValid: unknown = await crypto.subtle.verify("Ed25519", await imported(jwk), bytes(signature), bytes(message));
    return typeof isValid === "boolean" ? isValid : undefined;
  } catch {
    return undefined;
  }
}

// Issuers have few keys; one that went makes room when the next comes.
const MAX_KEYS = 16;
const keys = new Map<string, Promise<CryptoKey>>();

function imported(jwk: string): Promise<CryptoKey> {
  const known = keys.get(jwk);
  if (known !== undefined) return known;
  if (keys.size >= MAX_KEYS) keys.clear();
  const key = crypto.subtle.importKey("jwk", JSON.parse(jwk) as JsonWebKey, "Ed25519", false, ["verify"]);
  keys.set(jwk, key);
  return key;
}

// The engine's memory is never shared between threads.
function bytes(copy: Uint8Array): Uint8Array<ArrayBuffer> {
  return copy as Uint8Array<ArrayBuffer>;
}
