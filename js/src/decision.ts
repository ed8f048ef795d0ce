// The verdict on a request.

import { memberOf, strings } from "./arguments.js";
import type { KeystoneError } from "./errors.js";
import type { RequestParts } from "./request.js";
import type { Token } from "./token.js";

/** The decision on a request. */
export type Decision = Allow | Public | Deny;

/** The token is valid and holds what the request needs. */
export interface Allow {
  readonly outcome: "allow";
  readonly token: Token;
  readonly error?: never;
}

/** Anybody may: no token was looked at. */
export interface Public {
  readonly outcome: "public";
  readonly token?: never;
  readonly error?: never;
}

/** The answer is the error's. */
export interface Deny {
  readonly outcome: "deny";
  readonly token?: never;
  readonly error: KeystoneError;
}

/** Decides on requests: a gate, or a verifier together with what its requests need. */
export interface Guard {
  decide(request: RequestParts | Request): Decision;
  /** The same decision, but where it hangs on keys that are being fetched, waits for them: at most 500 ms. */
  decideAsync(request: RequestParts | Request): Promise<Decision>;
}

/** The scopes and roles that a request needs besides a valid token, by the names of the policy file: at least one of the three. */
export interface Scopes {
  /** Every one of these scopes. */
  readonly all?: readonly string[];
  /** At least one of these scopes. */
  readonly any?: readonly string[];
  /** At least one of these roles. */
  readonly roles?: readonly string[];
}

/** The requirement of a request: one scope, scopes and roles, or any valid token. */
export type Requirement = string | Scopes | { readonly authenticated: true };

/** Every check of a decision, in order, with its outcome. It holds neither a signature nor a whole token. */
export interface Explanation {
  /** `allow`, `public`, or the code of the refusal. */
  readonly verdict: string;
  /** The HTTP status of a refusal. */
  readonly status?: number;
  /** The sentence of a refusal. */
  readonly reason?: string;
  readonly checks: readonly Step[];
}

/** One check. */
export interface Step {
  readonly check: string;
  readonly outcome: "passed" | "failed" | "not_reached";
  /** The values that it looked at; empty where there are none. */
  readonly seen: string;
}

/** @internal */
export interface Lists {
  all: string[];
  any: string[];
  roles: string[];
}

/** @internal Throws a TypeError for a requirement that would allow every request. */
export function readRequirement(requirement: Requirement): Lists {
  if (typeof requirement === "string") return { all: scopeList("all", [requirement]), any: [], roles: [] };
  const { all, any, roles, authenticated } = membersOf(requirement);
  const given = [all, any, roles].some((list) => list !== undefined);
  if (given === (authenticated === true)) {
    throw mistake("expected either authenticated: true, or at least one of all, any and roles");
  }
  return { all: scopeList("all", all), any: scopeList("any", any), roles: nameList("roles", roles) };
}

const MEMBERS = ["all", "any", "roles", "authenticated"];

function membersOf(requirement: object): Record<string, unknown> {
  if (typeof requirement !== "object" || requirement === null) throw mistake("expected a scope or an object");
  const unknown = Object.keys(requirement).filter((name) => !MEMBERS.includes(name));
  if (unknown.length > 0) throw mistake(`there is no ${unknown.join(", ")}, only ${MEMBERS.join(", ")}`);
  return Object.fromEntries(MEMBERS.map((name) => [name, memberOf(requirement, name)]));
}

// RFC 6749 section 3.3. A challenge holds the scopes as they are.
const SCOPE = /^[!#-[\]-~]+$/;

// No token holds more, and memory that WebAssembly once had never comes back.
const LONGEST = 8_192;

function scopeList(name: string, list: unknown): string[] {
  const scopes = nameList(name, list);
  const wrong = scopes.find((scope) => !SCOPE.test(scope));
  if (wrong === undefined) return scopes;
  throw mistake(`${name}: ${JSON.stringify(wrong)} is no scope: printable ASCII without space, quote and backslash`);
}

function nameList(name: string, list: unknown): string[] {
  if (list === undefined) return [];
  const names = strings(list);
  if (names === undefined || names.length === 0 || names.includes("")) {
    throw mistake(`${name}: expected a list of at least one name`);
  }
  if (names.join(" ").length > LONGEST) throw mistake(`${name}: longer than the ${LONGEST} characters of the longest token`);
  return names;
}

function mistake(problem: string): TypeError {
  return new TypeError(`requirement: ${problem}`);
}
