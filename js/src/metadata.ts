// Where the keys and the revocation feed are: the issuer's metadata, which must name exactly the expected issuer (RFC 8414 section 3.3).

import type { FeedAddress } from "./feed.js";
import { type Get, readBytes } from "./bounded-fetch.js";
import { addressFault, type RevocationMode } from "./options.js";

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
  revocation: RevocationMode;
}

/** Fetches the issuer's key set, by way of its metadata unless the address is known. */
export class KeySource {
  readonly #address: KeyAddress;
  readonly #found: (feed: FeedAddress) => void;
  #jwksUri: string | undefined;

  /** `found` is called when the metadata name a revocation feed that is to be followed. */
  constructor(address: KeyAddress, found: (feed: FeedAddress) => void) {
    this.#address = address;
    this.#found = found;
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
    const { issuer, allowHttp, revocation } = this.#address;
    const url = metadataUrl(issuer);
    const metadata = parse(await readBytes(url, get), url);
    if (metadata.issuer !== issuer) {
      const [named, expected] = [metadata.issuer, issuer].map((name) => JSON.stringify(name));
      throw new MetadataError(`${url}: names the issuer ${named}, expected ${expected}`);
    }
    const address = (name: string): string => {
      const value = metadata[name];
      if (typeof value !== "string") throw new MetadataError(`${url}: ${name} is missing`);
      const fault = addressFault(value, allowHttp) ?? downgrade(issuer, value);
      if (fault) throw new MetadataError(`${url}: ${name}: ${fault}`);
      return value;
    };
    const jwksUri = address("jwks_uri");
    const names = revocation === "strict" || FEED in metadata || FEED_KEYS in metadata;
    if (revocation !== "off" && names && !get.signal.aborted) {
      this.#found({ url: address(FEED), keysUrl: address(FEED_KEYS) });
    }
    return jwksUri;
  }
}

const FEED = "keystone_revocations_uri";
const FEED_KEYS = "keystone_revocations_jwks_uri";

// RFC 8414 section 3.1: between the host and the issuer's path, which loses a "/" at its end.
function metadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`;
}

function parse(bytes: Uint8Array, url: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    // Without a prototype: what is absent must not be read from there.
    if (typeof value === "object" && value !== null) return Object.setPrototypeOf(value, null);
  } catch {
    // Told below.
  }
  throw new MetadataError(`${url}: expected a JSON object`);
}

// Keys for an https issuer must not travel in the clear, whatever its metadata says.
function downgrade(issuer: string, address: string): string | undefined {
  if (issuer.startsWith("https:") && !address.startsWith("https:")) return "must be https like the issuer";
  return undefined;
}
