// Keys for tests, made and used by WebCrypto.

import { string } from "../arguments.js";

interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly alg: "EdDSA";
  readonly use: "sig";
}

/** A key pair that signs tokens for tests. */
export class TestKey {
  /** As the issuer publishes it; `kid` is the thumbprint of the key (RFC 7638). */
  readonly jwk: PublicJwk;
  readonly #secret: CryptoKey;

  private constructor(jwk: PublicJwk, secret: CryptoKey) {
    this.jwk = jwk;
    this.#secret = secret;
  }

  static async generate(): Promise<TestKey> {
    const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
    const { x = "" } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const thumbprint = await crypto.subtle.digest("SHA-256", utf8(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`));
    const kid = base64url(new Uint8Array(thumbprint));
    return new TestKey({ kty: "OKP", crv: "Ed25519", x, kid, alg: "EdDSA", use: "sig" }, pair.privateKey);
  }

  /** The token of this header and these claims. Both are signed as they are, sound or not. */
  async sign(header: string, claims: string): Promise<string> {
    string("sign", "header", header);
    string("sign", "claims", claims);
    const signed = `${base64url(utf8(header))}.${base64url(utf8(claims))}`;
    const signature = await crypto.subtle.sign("Ed25519", this.#secret, utf8(signed));
    return `${signed}.${base64url(new Uint8Array(signature))}`;
  }
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function base64url(bytes: Uint8Array): string {
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
