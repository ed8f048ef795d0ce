// What every entry of the package exports besides createVerifier and createGate.

export type { Allow, Decision, Deny, Explanation, Guard, Public, Requirement, Scopes, Step } from "./decision.js";
export { type Code, codes, KeystoneError } from "./errors.js";
export type { Gate } from "./gate.js";
export type { CommonOptions, FollowedFeed, GateOptions, VerifierOptions } from "./options.js";
export { peek, type Unverified } from "./peek.js";
export type { Preflight } from "./preflight.js";
export type { FieldValues, RequestParts } from "./request.js";
export type { Claims, Token } from "./token.js";
export type { Verifier } from "./verifier.js";
