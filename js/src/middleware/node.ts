// What the frameworks on Node's own HTTP server share.

import type { KeystoneError } from "../errors.js";
import type { RequestParts } from "../request.js";

/** What is read of Node's `IncomingMessage`. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: { readonly authorization?: string | undefined };
  readonly rawHeaders?: readonly string[] | undefined;
}

/** What is used of Node's `ServerResponse`. */
export interface NodeResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

export function partsOfNode(request: NodeRequest, path = request.url): RequestParts {
  return { method: request.method ?? "", path: path ?? "", authorization: authorizationOf(request) };
}

// `headers` holds only the first of several values.
function authorizationOf({ headers, rawHeaders = [] }: NodeRequest): string[] {
  if (rawHeaders.length === 0) return headers.authorization === undefined ? [] : [headers.authorization];
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === "authorization");
}

export function answer(response: NodeResponse, error: KeystoneError): void {
  response.statusCode = error.status;
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
  response.end(error.problem);
}
