// Where the keys are: the issuer's metadata, which must name exactly the expected issuer (RFC 8414 section 3.3).

import { type Get, readBytes } from "./get.js";
import { addressFault } from "./options.js";

/** The issuer answered, but is not the one that was asked for. Waiting will not help. */
export class MetadataError extends Error {
  override readonly name = "MetadataError";
}

/** Where an issuer's keys are said to be. */
export interface KeyAddress {
  issuer: string;
  /** Undefined: asked from the issuer's metadata. */
  jwksUri: string | undefined;
  allowHttp: boolean;
}

/** Fetches the issuer's key set, by way of its metadata unless the address is known. */
export class KeySource {
  readonly #address: KeyAddress;
  #jwksUri: string | undefined;

  constructor(address: KeyAddress) {
    this.#address = address;
  }

  async read(get: Get): Promise<Uint8Array> {
    const { jwksUri } = this.#address;
    if (jwksUri !== undefined) return readBytes(jwksUri, get);
    this.#jwksUri ??= await this.#discover(get);
    try {
      return await readBytes(this.#jwksUri, get);
    } catch (error) {
      this.#jwksUri = undefined; // It may have moved: ask again next time.
      throw error;
    }
  }

  async #discover(get: Get): Promise<string> {
    const { issuer, allowHttp } = this.#address;
    const url = metadataUrl(issuer);
    const metadata = parse(await readBytes(url, get), url);
    if (metadata.issuer !== issuer) {
      const [named, expected] = [metadata.issuer, issuer].map((name) => JSON.stringify(name));
      throw new MetadataError(`${url}: names the issuer ${named}, expected ${expected}`);
    }
    const { jwks_uri } = metadata;
    if (typeof jwks_uri !== "string") throw new MetadataError(`${url}: jwks_uri is missing`);
    const fault = addressFault(jwks_uri, allowHttp) ?? downgrade(issuer, jwks_uri);
    if (fault) throw new MetadataError(`${url}: jwks_uri: ${fault}`);
    return jwks_uri;
  }
}

// RFC 8414 section 3.1: between the host and the issuer's path, which loses a "/" at its end.
function metadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`;
}

function parse(bytes: Uint8Array, url: string): { issuer?: unknown; jwks_uri?: unknown } {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below.
  }
  throw new MetadataError(`${url}: expected a JSON object`);
}

// Keys for an https issuer must not travel in the clear, whatever its metadata says.
function downgrade(issuer: string, jwksUri: string): string | undefined {
  if (issuer.startsWith("https:") && !jwksUri.startsWith("https:")) return "must be https like the issuer";
  return undefined;
}
