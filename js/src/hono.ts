// Middleware for Hono.

import type { Context, MiddlewareHandler } from "hono";
import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { type Lazy, Source } from "./middleware/source.js";
import { partsOf, type RequestParts } from "./request.js";
import type { Token } from "./token.js";
import type { Verifier } from "./verifier.js";

/** After a verifier's `protect`: `c.var.token` is the verified token. */
export interface Verified {
  Variables: { token: Token };
}

/** After a gate's `protect`: `c.var.token` is undefined on a public route. */
export interface Judged {
  Variables: { token: Token | undefined };
}

/** Lets requests pass whose token holds what is required, and puts it on them as `c.var.token`. */
export function protect(verifier: Lazy<Verifier>, requirement: Requirement): MiddlewareHandler<Verified>;
/** Lets requests pass that the gate's policy allows, and puts the token, if the route needs one, on them. */
export function protect(gate: Lazy<Gate>): MiddlewareHandler<Judged>;
export function protect(source: Lazy<Verifier | Gate>, requirement?: Requirement): MiddlewareHandler {
  const guard = new Source(source, requirement);
  return async (context, next) => {
    const parts = partsOf(context.req.raw);
    const { outcome, token, error } = await (isLenient(context, parts) ? guard.decideLeniently(parts) : guard.decide(parts));
    if (outcome === "deny") return error.toResponse();
    context.set("token", token);
    return next();
  };
}

// `new Hono({ strict: false })` sends `/admin/` to the handler of `/admin`.
function isLenient({ req }: Context, { path }: RequestParts): boolean {
  return path.split("?", 1)[0]?.endsWith("/") === true && !req.path.endsWith("/");
}
