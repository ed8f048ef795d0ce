// The entry for Node, Deno, Bun and browsers, with or without a bundler: the WebAssembly is inside this file.

import wasm from "wasm:base64";
import type { VerifierOptions } from "./options.js";
import { create, type Verifier } from "./verifier.js";

export * from "./public.js";

/**
 * Starts a verifier: finds the issuer's keys and keeps them fresh in the background.
 *
 * An issuer that cannot be reached does not fail the start: until it can, `verify` answers `keys_unavailable`, 503.
 *
 * @example
 * const verifier = await createVerifier({ issuer: "https://login.example", audience: "orders" });
 * const token = verifier.verify(bearer);
 * if (!token.has("orders:read")) return respond(403);
 */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  // "no-store": a key set from the browser's cache would be older than it says.
  return create(options, { load: () => WebAssembly.compile(decode(wasm)), fetchInit: { cache: "no-store" } });
}

interface Decoders {
  Uint8Array: { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  Buffer?: { from: (text: string, encoding: "base64") => Uint8Array<ArrayBuffer> };
}

// The fastest way the platform has; atob is the one they all have.
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const { Uint8Array: Bytes, Buffer } = globalThis as unknown as Decoders;
  if (Bytes.fromBase64) return Bytes.fromBase64(base64);
  if (Buffer) return Buffer.from(base64, "base64");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
