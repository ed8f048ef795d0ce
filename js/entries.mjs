// The entries of the package: for verifying, for policy files, one for each framework, one for tests.

export const entries = ["index", "policy", "express", "fastify", "fetch", "hono", "koa", "next", "testing"];
