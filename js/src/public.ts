// What every entry of the package exports besides createVerifier.

export { type Code, codes, KeystoneError } from "./errors.js";
export type { VerifierOptions } from "./options.js";
export type { Claims, Token } from "./token.js";
export type { Verifier } from "./verifier.js";
