// For Node, SERVER and PLATFORM stand in the environment: the package as CommonJS.

const { createVerifier } = require("@keystone-auth/verifier");
const { createGate } = require("@keystone-auth/verifier/policy");

import("./judge.mjs").then(({ report }) => report({ createGate, createVerifier }, process.env.SERVER, process.env.PLATFORM));
