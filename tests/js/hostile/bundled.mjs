// For browsers: the package found by a bundler.

import { createVerifier } from "@keystone-auth/verifier";
import { createGate } from "@keystone-auth/verifier/policy";
import { report } from "./judge.mjs";

await report({ createGate, createVerifier }, location.origin, location.hash.slice(1));
