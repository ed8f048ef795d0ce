// What a decision looks at in a request, from the objects that the platforms have for one.

/** What a decision looks at. Nothing else of a request is ever consulted. */
export interface RequestParts {
  readonly method: string;
  /** The request target as sent: path and query, percent-encoding untouched. */
  readonly path: string;
  /** Every value of `Authorization`. All of them: which of several counts is not for a framework to choose. */
  readonly authorization: string | readonly string[] | null | undefined;
}

/** @internal The same of a fetch `Request`. */
export function partsOf(request: RequestParts | Request): RequestParts {
  if ("path" in request) return request;
  const { pathname, search } = new URL(request.url);
  return { method: request.method, path: pathname + search, authorization: request.headers.get("authorization") };
}

/** @internal */
export function valuesOf(authorization: RequestParts["authorization"]): string[] {
  if (authorization === undefined || authorization === null) return [];
  return typeof authorization === "string" ? [authorization] : [...authorization];
}
