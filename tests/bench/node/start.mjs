// node start.mjs — milliseconds from before the import to the first verified token. The keys are at hand: another process
// left them. With a fetch it would be Node's loading of its own fetch that is measured, which takes longer than all else.

import { execFileSync } from "node:child_process";
import { audience, issuer } from "./tokens.mjs";

const { token, snapshot } = JSON.parse(execFileSync(process.execPath, ["snapshot.mjs"]).toString());

const begun = performance.now();
const { createVerifier } = await import("@keystone-auth/verifier");
const verifier = await createVerifier({ issuer, audience, snapshot });
verifier.verify(token);
console.log(performance.now() - begun);
verifier.close();
