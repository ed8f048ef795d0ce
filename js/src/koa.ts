// Middleware for Koa.

import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { type NodeRequest, partsOfNode } from "./middleware/node.js";
import { type Lazy, LazyGuard } from "./middleware/lazy-guard.js";
import type { Token } from "./token.js";
import type { Verifier } from "./verifier.js";

/** For `new Koa<State>()`. */
export interface State {
  /** The verified token; undefined on a public route, and where `protect` did not run. */
  token?: Token;
}

/** The used part of Koa's context. */
export interface Context {
  readonly req: NodeRequest;
  readonly originalUrl: string;
  readonly headerSent?: boolean;
  readonly state: State;
  status: number;
  body: unknown;
  set(headers: Record<string, string>): void;
}

/** The middleware function that Koa calls. */
export type Middleware = (context: Context, next: () => Promise<unknown>) => Promise<void>;

/** Lets requests pass whose token holds what is required, and puts it on them as `ctx.state.token`. */
export function protect(verifier: Lazy<Verifier>, requirement: Requirement): Middleware;
/** Lets requests pass that the gate's policy allows, and puts the token, if the route needs one, on them. */
export function protect(gate: Lazy<Gate>): Middleware;
export function protect(source: Lazy<Verifier | Gate>, requirement?: Requirement): Middleware {
  const guard = new LazyGuard(source, requirement);
  return async (context, next) => {
    const { answer, token } = await guard.decideLeniently(partsOfNode(context.req, context.originalUrl));
    if (answer === undefined) {
      if (token !== undefined) context.state.token = token;
      await next();
      return;
    }
    // It was answered meanwhile.
    if (context.headerSent) return;
    context.status = answer.status;
    context.set(answer.headers);
    if (answer.body !== undefined) context.body = answer.body;
  };
}
