// A hook for Fastify.

import type { FastifyReply, FastifyRequest, RouteGenericInterface } from "fastify";
import type { Requirement } from "./decision.js";
import type { Gate } from "./gate.js";
import { partsOfNode } from "./middleware/node.js";
import { type Lazy, LazyGuard } from "./middleware/lazy-guard.js";
import type { Token } from "./token.js";
import type { Verifier } from "./verifier.js";

declare module "fastify" {
  interface FastifyRequest<RouteGeneric, RawServer, RawRequest, SchemaCompiler, TypeProvider, ContextConfig, Logger, RequestType> {
    /**
     * The verified token: always there behind a verifier's `protect` of the same route. Undefined on a public route, and where
     * `protect` did not run.
     */
    token: ContextConfig extends Protected ? Token : Token | undefined;
  }
}

/** Tells TypeScript that `protect` ran before; at run time nothing of it is in a route's `config`. */
export interface Protected {
  readonly [PROTECTED]: true;
}
declare const PROTECTED: unique symbol;

/** The hook that Fastify calls: for `addHook("onRequest", …)`, or a route's `onRequest`. */
export type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** The same. TypeScript reads of the second form what the route's handler is given. */
export type ProtectedHook = Hook &
  ((request: FastifyRequest<RouteGenericInterface, any, any, any, any, Protected>, reply: FastifyReply) => Promise<unknown>);

/** Lets requests pass whose token holds what is required, and puts it on them as `request.token`. */
export function protect(verifier: Lazy<Verifier>, requirement: Requirement): ProtectedHook;
/** Lets requests pass that the gate's policy allows, and puts the token, if the route needs one, on them. */
export function protect(gate: Lazy<Gate>): Hook;
export function protect(source: Lazy<Verifier | Gate>, requirement?: Requirement): Hook {
  const guard = new LazyGuard(source, requirement);
  return async (request, reply) => {
    const parts = partsOfNode(request.raw);
    const { answer, token } = await (isLenient(request) ? guard.decideLeniently(parts) : guard.decide(parts));
    if (answer === undefined) {
      if (token !== undefined) request.token = token;
      return undefined;
    }
    // It was answered meanwhile, with Fastify or around it.
    if (reply.sent || reply.raw.headersSent) return reply.sent ? reply : reply.hijack();
    return reply.code(answer.status).headers(answer.headers).send(answer.body);
  };
}

interface RouterOptions {
  caseSensitive?: boolean;
  ignoreTrailingSlash?: boolean;
}

function isLenient(request: FastifyRequest): boolean {
  const config = request.server.initialConfig as RouterOptions & { routerOptions?: RouterOptions };
  const { caseSensitive, ignoreTrailingSlash } = { ...config, ...config.routerOptions };
  return caseSensitive === false || ignoreTrailingSlash === true;
}
