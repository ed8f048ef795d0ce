// Middleware for Hono.

import type { Context, MiddlewareHandler } from "hono";
import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { type Lazy, responseOf, LazyGuard } from "./middleware/lazy-guard.js";
import type { RequestParts } from "./request.js";
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
  const guard = new LazyGuard(source, requirement);
  return async (context, next) => {
    const parts = partsOf(context);
    const { answer, token } = await (isLenient(context, parts) ? guard.decideLeniently(parts) : guard.decide(parts));
    if (answer !== undefined) return responseOf(answer);
    context.set("token", token);
    return next();
  };
}

function partsOf({ req }: Context): RequestParts {
  const { pathname, search } = new URL(req.url);
  return {
    method: req.method,
    path: pathname + search,
    authorization: req.header("authorization"),
    origin: req.header("origin"),
    accessControlRequestMethod: req.header("access-control-request-method"),
  };
}

// `new Hono({ strict: false })` sends `/admin/` to the handler of `/admin`.
function isLenient({ req }: Context, { path }: RequestParts): boolean {
  return path.split("?", 1)[0]?.endsWith("/") === true && !req.path.endsWith("/");
}
