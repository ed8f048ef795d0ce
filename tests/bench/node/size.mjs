// node size.mjs — how many bytes the package's default entry takes, compressed as servers do it.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const entry = fileURLToPath(import.meta.resolve("@keystone-auth/verifier"));
console.log(gzipSync(readFileSync(entry), { level: 9 }).length);
