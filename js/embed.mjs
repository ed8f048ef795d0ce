// Bytes as text that a bundle can hold: ASCII only, and almost as short under gzip as the bytes themselves, where base64
// costs a quarter more. The readers are src/embedded.ts and src/decoder.wat.

// What stands for itself in a string literal, in a template and in a page's script.
const printable = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at));
const signs = printable.filter((sign) => !`"\\\`$<`.includes(sign));
// The first of two signs: the byte is one of a rarer row.
const shifts = signs.splice(0, 4);

// Of 128 signs each: one for what stands alone, and one after each of the signs from 32 to 37.
const ROWS = 7;
const rowOf = (shift) => shift.charCodeAt(0) - 31;

/** The rows, half a byte in each sign, then the bytes: the more frequent ones as one sign. */
export function embed(bytes) {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] += 1;
  const order = Array.from(counts.keys()).sort((one, other) => counts[other] - counts[one]);
  const rows = new Uint8Array(ROWS * 128);
  const spelled = [];
  for (const [place, byte] of order.entries()) {
    const shift = shifts[Math.floor(place / signs.length) - 1] ?? "";
    const sign = signs[place % signs.length];
    rows[(shift && rowOf(shift)) * 128 + sign.charCodeAt(0)] = byte;
    spelled[byte] = shift + sign;
  }
  const half = (value) => String.fromCharCode(64 + value);
  const written = Array.from(rows, (byte) => half(byte >> 4) + half(byte & 15));
  return [...written, ...Array.from(bytes, (byte) => spelled[byte])].join("");
}

/** A module as text, to be read as UTF-8. */
export function ascii(module) {
  const text = module.toString("latin1");
  if (/[^\0-\x7f]/.test(text)) throw new Error("the decoder holds a byte above 127: see its first lines");
  return text;
}
