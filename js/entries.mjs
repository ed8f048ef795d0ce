// The entries of the package: for verifying, for policy files, for pages without WebAssembly, one for each framework, one for tests.

export const entries = ["index", "policy", "webcrypto", "express", "fastify", "fetch", "hono", "koa", "next", "testing"];
