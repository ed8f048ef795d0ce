// The entry for policy files, for workerd.

import wasm from "wasm:policy-module";
import { webAssembly } from "./engine.js";
import { createGateOn, type Gate } from "./gate.js";
import type { GateOptions, VerifierOptions } from "./options.js";
import { create, type Verifier } from "./verifier.js";

export * from "./public.js";

/** The same as in the main entry. Call it while handling a request: workerd fetches nothing before. */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  return create(options, platform);
}

/** The same as elsewhere. Call it while handling a request: workerd fetches nothing before. */
export function createGate(options: GateOptions): Promise<Gate> {
  return createGateOn(options, platform);
}

const platform = webAssembly(() => wasm, {});
