// Reads what embed.mjs wrote: bytes as ASCII text that is short under gzip.

/** Bytes, as a bundle holds them. */
export interface Embedded {
  /** Each begins a byte of two signs. */
  readonly shifts: string;
  readonly signs: string;
  /** Base64 of the 256 bytes, the most frequent first. */
  readonly order: string;
  readonly text: string;
}

export function bytesOf({ shifts, signs, order, text }: Embedded): Uint8Array<ArrayBuffer> {
  const table = tableOf(shifts, signs, order);
  // A byte is never longer than its text.
  const bytes = new Uint8Array(text.length);
  let length = 0;
  let group = 0;
  for (let at = 0; at < text.length; at += 1) {
    const found = table[group + text.charCodeAt(at)] as number;
    if (found < 0) {
      group = -found;
    } else {
      bytes[length] = found;
      length += 1;
      group = 0;
    }
  }
  return bytes.subarray(0, length);
}

// For each group of 128 places what a sign means there: a byte or, negative, where the group of the next sign begins.
function tableOf(shifts: string, signs: string, order: string): Int16Array {
  const table = new Int16Array(128 * (shifts.length + 1));
  const bytes = atob(order);
  for (let at = 0; at < bytes.length; at += 1) {
    const group = Math.floor(at / signs.length);
    table[group * 128 + signs.charCodeAt(at % signs.length)] = bytes.charCodeAt(at);
  }
  for (let at = 0; at < shifts.length; at += 1) table[shifts.charCodeAt(at)] = -(at + 1) * 128;
  return table;
}
