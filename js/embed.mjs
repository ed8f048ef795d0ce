// Bytes as text that a bundle can hold: ASCII only, and almost as short under gzip as the bytes themselves, where base64
// costs a quarter more. The reader is src/embedded.ts.

// What stands for itself in a string literal, in a template and in a page's script.
const plain = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).filter((sign) => !`"\\\`$<`.includes(sign));
/** The first of two signs: the byte is one of a rarer group. */
const shifts = plain.splice(0, 4).join("");
export const signs = plain.join("");

/** `order` holds the 256 bytes, the most frequent first; each byte of `text` is its place there. */
export function embed(bytes) {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] += 1;
  const order = Uint8Array.from(Array.from(counts.keys()).sort((one, other) => counts[other] - counts[one]));
  const spelled = [];
  for (const [place, byte] of order.entries()) {
    const rare = place - signs.length;
    const group = Math.floor(rare / signs.length);
    spelled[byte] = rare < 0 ? signs[place] : `${shifts[group]}${signs[rare % signs.length]}`;
  }
  const text = Array.from(bytes, (byte) => spelled[byte]).join("");
  return { shifts, signs, order: Buffer.from(order).toString("base64"), text };
}
