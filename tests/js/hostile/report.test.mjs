// For jest and vitest, which bring `test`. SERVER and PLATFORM stand in the environment.

import { createVerifier } from "@keystone-auth/verifier";
import { createGate } from "@keystone-auth/verifier/policy";
import { report } from "./judge.mjs";

test("the hostile file is judged", () => report({ createGate, createVerifier }, process.env.SERVER, process.env.PLATFORM), 60_000);
