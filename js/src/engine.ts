// The compiled verifier: what it offers. It decides; this package only fetches, tells the time and passes on.

import {
  Pending,
  Engine as WasmEngine,
  Authorizer as WasmAuthorizer,
  initSync,
  selfTest,
  unavailable,
} from "../pkg/keystone_verifier_wasm.js";
import type { FeedHolder } from "./feed.js";
import type { KeyHolder } from "./keys.js";
import type { Lease } from "./token-cache.js";
import { type LoadModule, starter } from "./start.js";

/** One issuer's rules and keys. Answers are read in answer.ts. */
export interface Engine extends FeedHolder, Lease, Omit<KeyHolder, keyof FeedHolder> {
  readonly maxTokenBytes: number;
  /** Refuses every token from now on while the revocation feed is not known well enough. */
  requireFeed(): void;
  /** The keys and their age, for `restore` elsewhere; undefined while there are none. */
  snapshot(): string | undefined;
  /** Takes the keys of a snapshot, or says why not. */
  restore(snapshot: string, now: number): string | undefined;
  verify(token: Uint8Array, now: number): string;
  /** The same answer, on a platform where waiting for it is quicker. */
  verifyAsync?(token: Uint8Array, now: number): Promise<string>;
  /** The token in these values of `Authorization`, with every scope of `all`, one of `any` and one of `roles`. */
  authorize(authorization: string[], all: string[], any: string[], roles: string[], now: number): string;
  free(): void;
}

/** A policy with the rules and keys of its issuers. */
export interface GateEngine {
  /** Whether the policy says that the service compares paths byte by byte. */
  readonly exactPaths: boolean;
  /** For each issuer the address of its keys; empty where they stand in the policy. */
  issuers(): string[];
  wantsFetch(issuer: number, now: number, what?: number): boolean;
  fetchStarted(issuer: number, now: number): void;
  fetchFailed(issuer: number, now: number): void;
  replaceKeys(issuer: number, bytes: Uint8Array, now: number, what?: number): string | undefined;
  /** For each issuer the address of its revocation feed and that of the feed's keys; both empty where there is none. */
  feeds(): string[];
  pageStarted(issuer: number, now: number): string;
  pageFailed(issuer: number, gone: boolean, now: number): void;
  decide(method: string, path: string, authorization: string[], now: number): string;
  /** The same answer, on a platform where waiting for it is quicker. */
  decideAsync?(method: string, path: string, authorization: string[], now: number): Promise<string>;
  explain(method: string, path: string, authorization: string[], now: number): string;
  /** The headers by which a page of this origin may read a refusal, name after value; empty if it may not. */
  readable(origin: string): string[];
  /** The headers of the answer to a preflight, name after value. Empty: `decide` answers it. */
  preflight(path: string, origin: string, method: string): string[];
  free(): void;
}

/** The rules of one issuer; what is undefined is the engine's own default. */
export interface Rules {
  issuer: string;
  audiences: string[];
  leeway: number | undefined;
  maxLifetime: number | undefined;
}

/** The parts that differ between the entries of the package. */
export interface VerifierPlatform {
  engine(rules: Rules): Promise<Engine>;
  /** The refusal of a request while there are no keys. */
  unavailable(): string;
  fetchInit: RequestInit;
}

/** The same for entries that know policies. */
export interface Platform extends VerifierPlatform {
  /** Rejects with a sentence where the policy is wrong. */
  gate(policy: Uint8Array): Promise<GateEngine>;
}

/** The platform that runs the whole engine as WebAssembly. */
export function webAssembly(load: LoadModule, fetchInit: RequestInit, passes: () => boolean = selfTest): Platform {
  const ready = starter({ initSync, selfTest: passes, classes: [WasmEngine, WasmAuthorizer, Pending] }, load);
  return {
    async engine({ issuer, audiences, leeway, maxLifetime }) {
      const enter = await ready();
      return enter(() => new WasmEngine(issuer, audiences, leeway, maxLifetime));
    },
    async gate(policy) {
      const enter = await ready();
      return enter(() => new WasmAuthorizer(policy));
    },
    unavailable,
    fetchInit,
  };
}
