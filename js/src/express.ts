// Middleware for Express, and for whatever else calls `(request, response, next)`.

import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { answerNode, type NodeRequest, type NodeResponse, partsOfNode } from "./middleware/node.js";
import { type Lazy, type Outcome, Source } from "./middleware/source.js";
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
    const decided = guard.decideLeniently(partsOfNode(request, request.originalUrl));
    decided
      .then((outcome) => passes(outcome, request, response))
      .then((isPassed) => isPassed && next(), (error: unknown) => response.headersSent || next(error))
      // What `next` throws has no caller any more, and an exception that nobody catches would end the process.
      .catch(() => response.destroy?.());
  };
}

/** Whether the request goes on; answers it where it does not. */
function passes({ answer, token }: Outcome, request: { token?: Token }, response: NodeResponse): boolean {
  // Somebody answered meanwhile, such as a deadline.
  if (response.writableEnded || (answer && response.headersSent)) return false;
  if (answer !== undefined) {
    answerNode(response, answer);
    return false;
  }
  if (token !== undefined) request.token = token;
  return true;
}
