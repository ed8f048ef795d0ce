// Middleware for Express, and for whatever else calls `(request, response, next)`.

import type {} from "express-serve-static-core";
import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { answerNode, type NodeRequest, type NodeResponse, partsOfNode } from "./middleware/node.js";
import { type Lazy, type Outcome, LazyGuard } from "./middleware/lazy-guard.js";
import type { Token } from "./token.js";
import type { Verifier } from "./verifier.js";

declare global {
  namespace Express {
    interface Request {
      /** The verified token; undefined on a public route, and where `protect` did not run. */
      token?: Token | undefined;
    }
  }
}

declare module "express-serve-static-core" {
  interface Request<P, ResBody, ReqBody, ReqQuery, LocalsObj> {
    /** The verified token: always there behind a verifier's `protect` of the same route. */
    token: LocalsObj extends Protected ? Token : Token | undefined;
  }
}

/** Tells TypeScript that `protect` ran before; at run time nothing of it is in `response.locals`. */
export interface Protected {
  readonly [PROTECTED]: true;
}
declare const PROTECTED: unique symbol;

/** The middleware function that Express calls. */
export type Handler = (request: ExpressRequest, response: NodeResponse, next: (error?: unknown) => void) => void;

/** The same. TypeScript reads of the second form what the handlers behind it are given. */
export type ProtectedHandler = Handler &
  ((
    request: ExpressRequest,
    response: NodeResponse & { readonly locals: Record<string, unknown> & Protected },
    next: (error?: unknown) => void,
  ) => void);

type ExpressRequest = NodeRequest & { originalUrl?: string; token?: Token | undefined };

/** Lets requests pass whose token holds what is required, and puts it on them as `request.token`. */
export function protect(verifier: Lazy<Verifier>, requirement: Requirement): ProtectedHandler;
/** Lets requests pass that the gate's policy allows, and puts the token, if the route needs one, on them. */
export function protect(gate: Lazy<Gate>): Handler;
export function protect(source: Lazy<Verifier | Gate>, requirement?: Requirement): Handler {
  const guard = new LazyGuard(source, requirement);
  return (request, response, next) => {
    // A router that is mounted below a path sees the rest in `url`.
    const decided = guard.decideLeniently(partsOfNode(request, request.originalUrl));
    decided
      .then((outcome) => passes(outcome, request, response))
      .then((isPassed) => isPassed && next(), (error: unknown) => response.headersSent || next(error))
      // An exception of `next` has no caller any more, and uncaught it would end the process.
      .catch(() => response.destroy?.());
  };
}

/** Whether the request goes on; answers it where it does not. */
function passes({ answer, token }: Outcome, request: { token?: Token | undefined }, response: NodeResponse): boolean {
  // It was answered meanwhile, by a deadline for example.
  if (response.writableEnded || (answer && response.headersSent)) return false;
  if (answer !== undefined) {
    answerNode(response, answer);
    return false;
  }
  if (token !== undefined) request.token = token;
  return true;
}
