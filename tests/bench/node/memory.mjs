// node memory.mjs TIMES — how many MiB of resident memory so many verifications of 100,000 distinct tokens add to what
// the first 200,000 took.

import { setImmediate } from "node:timers/promises";
import { keystone } from "./peers.mjs";
import { collect, Issuer } from "./tokens.mjs";

const times = Number(process.argv[2]);
const DISTINCT = 100_000;
const AT_ONCE = 1000;

const of = new Issuer();
const tokens = of.tokens(DISTINCT);
const verify = await keystone(of);

await verifyAll(2 * DISTINCT);
const before = resident();
await verifyAll(times);
console.log(resident() - before);

async function verifyAll(count) {
  for (let done = 0; done < count; done++) {
    verify(tokens[done % DISTINCT]);
    // As a service does between requests: fetched keys arrive only then, and old ones end after ten minutes.
    if (done % AT_ONCE === 0) await setImmediate();
  }
}

function resident() {
  collect();
  return process.memoryUsage.rss() / 1024 / 1024;
}
