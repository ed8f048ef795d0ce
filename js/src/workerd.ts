// The entry for workerd (Cloudflare Workers), which compiles WebAssembly only ahead of time.

import wasm from "wasm:module";
import { webAssembly } from "./engine.js";
import { createGateOn, type Gate } from "./gate.js";
import type { GateOptions, VerifierOptions } from "./options.js";
import { create, type Verifier } from "./verifier.js";

export * from "./public.js";

/** The same as in the main entry. Call it while handling a request: workerd fetches nothing before. */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  return create(options, platform);
}

/** The same as in the main entry. Call it while handling a request: workerd fetches nothing before. */
export function createGate(options: GateOptions): Promise<Gate> {
  return createGateOn(options, platform);
}

const platform = webAssembly(() => wasm, {});
