// The engine without policies, which is a third of the size: for the entries that only verify.

import { Engine, initSync, selfTest, unavailable } from "../pkg/small/keystone_verifier_wasm.js";
import type { VerifierPlatform } from "./engine.js";
import { type LoadModule, starter } from "./start.js";

interface EarlyPlatform extends VerifierPlatform {
  /** Starts it before it is needed. */
  ready(): Promise<unknown>;
}

/** The platform that runs it as WebAssembly. */
export function smallWebAssembly(load: LoadModule, fetchInit: RequestInit): EarlyPlatform {
  const ready = starter({ initSync, selfTest, classes: [Engine] }, load);
  return {
    ready,
    async engine({ issuer, audiences, leeway, maxLifetime }) {
      const enter = await ready();
      return enter(() => new Engine(issuer, audiences, leeway, maxLifetime));
    },
    unavailable,
    fetchInit,
  };
}
