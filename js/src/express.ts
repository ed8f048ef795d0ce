// Middleware for Express, and for whatever else calls `(request, response, next)`.

import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { answer, type NodeRequest, type NodeResponse, partsOfNode } from "./middleware/node.js";
import { type Lazy, Source } from "./middleware/source.js";
import type { Token } from "./token.js";
import type { Verifier } from "./verifier.js";

declare global {
  namespace Express {
    interface Request {
      /** The verified token; undefined on a public route, and where `protect` did not run. */
      token?: Token;
    }
  }
}

/** What Express calls. */
export type Handler = (
  request: NodeRequest & { originalUrl?: string; token?: Token },
  response: NodeResponse,
  next: (error?: unknown) => void,
) => void;

/** Lets requests pass whose token holds what is required, and puts it on them as `request.token`. */
export function protect(verifier: Lazy<Verifier>, requirement: Requirement): Handler;
/** Lets requests pass that the gate's policy allows, and puts the token, if the route needs one, on them. */
export function protect(gate: Lazy<Gate>): Handler;
export function protect(source: Lazy<Verifier | Gate>, requirement?: Requirement): Handler {
  const guard = new Source(source, requirement);
  return (request, response, next) => {
    // A router that is mounted below a path sees the rest in `url`.
    guard.decideLeniently(partsOfNode(request, request.originalUrl)).then((decision) => {
      if (decision.outcome === "deny") return answer(response, decision.error);
      if (decision.outcome === "allow") request.token = decision.token;
      next();
    }, next);
  };
}
