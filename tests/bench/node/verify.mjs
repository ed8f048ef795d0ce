// node verify.mjs cold|cached — what one verification takes, in µs, as one line of JSON: each side's figures, one of
// each round. The sides take turns, so that what else the machine does falls on all of them.

import { aws, byHand, es256, fastJwt, jose, keystone } from "./peers.mjs";
import { collect, Issuer } from "./tokens.mjs";

const ROUNDS = 9;
// Enough for V8 to have compiled everything as well as it will.
const WARM_UP = 3000;
const COLD = 1000;
const CACHED = { tokens: 500, times: 40 };

const eddsa = new Issuer();
const p256 = new Issuer("ES256");

console.log(JSON.stringify(await { cold, cached }[process.argv[2]]()));

/** Nobody sees a token twice, so no cache can help. */
async function cold() {
  const sides = {
    keystone: await keystone(eddsa),
    "node:crypto and checks": byHand(eddsa),
    jose: jose(eddsa),
    "fast-jwt": fastJwt(false)(eddsa),
    "aws-jwt-verify": aws(eddsa),
    "jsonwebtoken, ES256": es256(p256),
  };
  return turns(sides, (count) => {
    const tokens = [eddsa, p256].map((of) => of.tokens(count));
    return (name) => tokens[name.endsWith("ES256") ? 1 : 0];
  });
}

/** The same tokens again and again, as many as fit into every cache. */
async function cached() {
  const tokens = eddsa.tokens(CACHED.tokens);
  const often = Array.from({ length: CACHED.times }, () => tokens).flat();
  const sides = { keystone: await keystone(eddsa), "fast-jwt's cache": fastJwt(CACHED.tokens)(eddsa) };
  return turns(sides, () => () => often);
}

/** `draw` gives the tokens of one round, for each side by its name. */
async function turns(sides, draw) {
  const figures = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round++) {
    const tokens = draw(round < 0 ? WARM_UP : COLD);
    for (const [name, verify] of Object.entries(sides)) {
      const took = await microseconds(verify, tokens(name));
      if (round >= 0) figures[name].push(took);
    }
  }
  return figures;
}

async function microseconds(verify, tokens) {
  collect();
  const begun = process.hrtime.bigint();
  let length = 0;
  for (const token of tokens) {
    let claims = verify(token);
    if (claims instanceof Promise) claims = await claims;
    length += claims.sub.length;
  }
  const spent = Number(process.hrtime.bigint() - begun);
  if (length !== tokens.length * 36) throw new Error("a subject is missing");
  return spent / 1000 / tokens.length;
}
