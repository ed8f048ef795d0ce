// Reads an unchecked token, for logs and for choosing where to send it.

import { seal } from "./token.js";

/** The members of an unchecked token: its sender may have written anything. */
export interface Unverified {
  readonly verified: false;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Reads a token without verifying it; undefined where it cannot be read. Decide nothing by it. */
export function peek(token: string): Unverified | undefined {
  const [header, claims, signature, ...more] = typeof token === "string" ? token.split(".") : [];
  if (signature === undefined || more.length > 0) return undefined;
  const [read, said] = [object(header), object(claims)];
  return read && said && Object.freeze({ verified: false, header: read, claims: said });
}

function object(segment: string | undefined): Record<string, unknown> | undefined {
  try {
    const binary = atob((segment ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    seal(value);
    return value as Record<string, unknown>;
  } catch {
    // Not a token: told by the answer.
  }
  return undefined;
}
