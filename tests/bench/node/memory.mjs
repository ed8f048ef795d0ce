// node memory.mjs TIMES — how many MiB of resident memory so many verifications of 100,000 distinct tokens add to what
// the first 200,000 took.

import { setImmediate, setTimeout } from "node:timers/promises";
import { keystone } from "./peers.mjs";
import { collect, Issuer } from "./tokens.mjs";

const times = Number(process.argv[2]);
const DISTINCT = 100_000;
const AT_ONCE = 1000;
/** Milliseconds. */
const PAUSE = 500;

const of = new Issuer();
const tokens = of.tokens(DISTINCT);
const verify = await keystone(of);

await verifyAll(2 * DISTINCT);
const before = await resident();
await verifyAll(times);
console.log((await resident()) - before);

async function verifyAll(count) {
  for (let done = 0; done < count; done++) {
    verify(tokens[done % DISTINCT]);
    // As a service does between requests: fetched keys arrive only then, and old ones end after ten minutes.
    if (done % AT_ONCE === 0) await setImmediate();
  }
}

// What is set free goes back to the machine a little later, by another thread of V8: it has, once nothing more goes.
async function resident() {
  let least = Number.POSITIVE_INFINITY;
  for (;;) {
    collect();
    await setTimeout(PAUSE);
    const now = process.memoryUsage.rss();
    if (now >= least) return least / 1024 / 1024;
    least = now;
  }
}
