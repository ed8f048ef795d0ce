// Reads what embed.mjs wrote: bytes as ASCII text that is short under gzip.

import decoder from "wasm:decoder";

// Where the decoder wants the text: behind its seven rows.
const TEXT = 7 * 128;
const PAGE = 65536;

interface Decoder {
  memory: WebAssembly.Memory;
  decode(text: number, end: number): number;
}

/** The bytes, in a memory of their own. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  // So small that browsers allow it where a page waits for it.
  const module = new WebAssembly.Module(encoder.encode(decoder));
  const { memory, decode } = new WebAssembly.Instance(module).exports as unknown as Decoder;
  memory.grow(Math.ceil(text.length / PAGE));
  encoder.encodeInto(text, new Uint8Array(memory.buffer, TEXT));
  return new Uint8Array(memory.buffer, TEXT, decode(TEXT, TEXT + text.length) - TEXT);
}
