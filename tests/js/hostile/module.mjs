// For Node, Deno and Bun, bundled or not; SERVER and PLATFORM stand in the environment: the package as a module.

import { createVerifier } from "@keystone-auth/verifier";
import { createGate } from "@keystone-auth/verifier/policy";
import { report } from "./judge.mjs";

await report({ createGate, createVerifier }, process.env.SERVER, process.env.PLATFORM);
