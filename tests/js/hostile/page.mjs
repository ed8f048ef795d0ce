// For browsers: the package as it lies on a server, without a bundler. The page's name says the platform.

import { createVerifier } from "/package/dist/index.js";
import { createGate } from "/package/dist/policy.js";
import { report } from "./judge.mjs";

await report({ createGate, createVerifier }, location.origin, location.hash.slice(1));
