// Reads what embed.mjs wrote: a module as ASCII text that is short under gzip.

import decoder from "wasm:decoder";

// Where the decoder wants the text: behind its seven rows.
const TEXT = 7 * 128;
const PAGE = 65536;

interface Decoder {
  memory: WebAssembly.Memory;
  decode(text: number, end: number): number;
}

/** In a page, which must not stand still meanwhile. */
export const inPage = "window" in globalThis;

/** The compiled module. */
export function compiled(text: string): WebAssembly.Module | Promise<WebAssembly.Module> {
  const bytes = bytesOf(text);
  // Handing it to another thread takes as long again.
  return inPage ? WebAssembly.compile(bytes) : new WebAssembly.Module(bytes);
}

// In a memory of their own.
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  // So small that browsers allow it where a page waits for it.
  const module = new WebAssembly.Module(encoder.encode(decoder));
  const { memory, decode } = new WebAssembly.Instance(module).exports as unknown as Decoder;
  memory.grow(Math.ceil(text.length / PAGE));
  encoder.encodeInto(text, new Uint8Array(memory.buffer, TEXT));
  return new Uint8Array(memory.buffer, TEXT, decode(TEXT, TEXT + text.length) - TEXT);
}
