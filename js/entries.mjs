// The entries of the package: one for verifying, one for each framework, one for tests.

export const entries = ["index", "express", "fastify", "fetch", "hono", "koa", "next", "testing"];
