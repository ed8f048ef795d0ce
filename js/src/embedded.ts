// Decodes the compiled verifier, which build.mjs puts into the bundle as hexadecimal digits.

/** In a page, which must not stand still meanwhile. */
export const inPage = "window" in globalThis;

/** The compiled module. */
export function compiled(hex: string): WebAssembly.Module | Promise<WebAssembly.Module> {
  const bytes = decode(hex);
  // Handing it to another thread takes as long again.
  return inPage ? WebAssembly.compile(bytes) : new WebAssembly.Module(bytes);
}

interface Platform {
  readonly Uint8Array: { fromHex?(hex: string): Uint8Array<ArrayBuffer> };
  readonly Buffer?: { from(hex: string, encoding: "hex"): Uint8Array<ArrayBuffer> };
}

// By the platform where it can: JavaScript that has only just started is ten times slower at so many characters.
function decode(hex: string): Uint8Array<ArrayBuffer> {
  const { Uint8Array: Bytes, Buffer: NodeBuffer } = globalThis as unknown as Platform;
  return Bytes.fromHex?.(hex) ?? NodeBuffer?.from(hex, "hex") ?? decodeHere(hex);
}

function decodeHere(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = (digit(hex.charCodeAt(2 * at)) << 4) | digit(hex.charCodeAt(2 * at + 1));
  }
  return bytes;
}

// 0 to 9, or a to f.
function digit(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}
