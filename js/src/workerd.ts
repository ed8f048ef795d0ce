// The main entry for workerd (Cloudflare Workers), which compiles WebAssembly only ahead of time.

import wasm from "wasm:module";
import type { VerifierOptions } from "./options.js";
import { smallWebAssembly } from "./small.js";
import { create, type Verifier } from "./verifier.js";

export * from "./public.js";

/** The same as in the main entry. Call it while handling a request: workerd fetches nothing before. */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  return create(options, platform);
}

const platform = smallWebAssembly(() => wasm, {});
