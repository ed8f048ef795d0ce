// The entry for services with a policy file: all of the main entry, and gates.

import wasm from "wasm:embedded-policy";
import { compiled } from "./embedded.js";
import { webAssembly } from "./engine.js";
import { createGateOn, type Gate } from "./gate.js";
import type { GateOptions, VerifierOptions } from "./options.js";
import { create, type Verifier } from "./verifier.js";

export * from "./public.js";

/** The same as in the main entry. */
export function createVerifier(options: VerifierOptions): Promise<Verifier> {
  return create(options, platform);
}

/**
 * Starts a gate: reads the policy file that the Envoy filter reads too, and keeps its issuers' keys fresh.
 *
 * @example
 * const gate = await createGate({ policy: await readFile("policy.json") });
 * const { outcome, token, error } = gate.decide(request);
 * if (outcome === "deny") return error.toResponse();
 */
export function createGate(options: GateOptions): Promise<Gate> {
  return createGateOn(options, platform);
}

// "no-store": a key set from the browser's cache would be older than it says.
const platform = webAssembly(() => compiled(wasm), { cache: "no-store" });
