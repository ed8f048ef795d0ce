// Handlers that take a `Request` and give a `Response`: Bun, Deno, workerd and other edge runtimes.

import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { type Lazy, responseOf, LazyGuard } from "./middleware/lazy-guard.js";
import type { Token } from "./token.js";
import type { Verifier } from "./verifier.js";

/** Answers a request: `rest` holds further arguments of the platform, such as `env` and `ctx`. */
export type Handler<Given, Rest extends unknown[]> = (
  request: Request,
  token: Given,
  ...rest: Rest
) => Response | Promise<Response>;

/** The handler that the platform calls. */
export type Protected<Rest extends unknown[]> = (request: Request, ...rest: Rest) => Promise<Response>;

/** Calls the handler for requests whose token holds what is required; all others are answered here. */
export function protect<Rest extends unknown[]>(
  verifier: Lazy<Verifier>,
  requirement: Requirement,
  handler: Handler<Token, Rest>,
): Protected<Rest>;
/** Calls the handler for requests that the gate's policy allows; without a token where the route is public. */
export function protect<Rest extends unknown[]>(
  gate: Lazy<Gate>,
  handler: Handler<Token | undefined, Rest>,
): Protected<Rest>;
export function protect<Rest extends unknown[]>(
  source: Lazy<Verifier | Gate>,
  ...how: [Requirement, Handler<Token, Rest>] | [Handler<Token | undefined, Rest>]
): Protected<Rest> {
  const [requirement, handler] = how.length === 1 ? [undefined, how[0]] : how;
  if (typeof handler !== "function") throw new TypeError("protect: expected a handler as the last argument");
  const guard = new LazyGuard(source, requirement);
  return async (request, ...rest) => {
    const { answer, token } = await guard.decide(request);
    if (answer !== undefined) return responseOf(answer);
    return (handler as Handler<Token | undefined, Rest>)(request, token, ...rest);
  };
}
