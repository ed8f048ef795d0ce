// For browsers, on a page that forbids WebAssembly.

import { createGate } from "/package/dist/webcrypto.js";
import { report } from "./judge.mjs";

await report({ createGate }, location.origin, location.hash.slice(1));
