// The entry for Node, Deno, Bun and browsers, with or without a bundler: the WebAssembly is inside this file.

import wasm from "wasm:embedded";
import { compiled, inPage } from "./embedded.js";
import type { VerifierOptions } from "./options.js";
import { smallWebAssembly } from "./small.js";
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
  return create(options, platform);
}

// "no-store": a key set from the browser's cache would be older than it says.
const platform = smallWebAssembly(() => compiled(wasm), { cache: "no-store" });

// A service compiles it on import, when no request waits yet. If that fails, `createVerifier` reports it.
if (!inPage) platform.ready().catch(() => {});
