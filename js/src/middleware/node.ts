// What the frameworks on Node's own HTTP server share.

import type { RequestParts } from "../request.js";
import type { Answer } from "./lazy-guard.js";

/** The used part of Node's `IncomingMessage`. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: { readonly [Name in Header]?: string | undefined };
  readonly rawHeaders?: readonly string[] | undefined;
}

type Header = "authorization" | "origin" | "access-control-request-method";

/** The used part of Node's `ServerResponse`. */
export interface NodeResponse {
  statusCode: number;
  readonly headersSent?: boolean;
  readonly writableEnded?: boolean;
  setHeader(name: string, value: string): unknown;
  end(body?: string): unknown;
  destroy?(): unknown;
}

export function partsOfNode(request: NodeRequest, path = request.url): RequestParts {
  return {
    method: request.method ?? "",
    path: path ?? "",
    authorization: valuesOf(request, "authorization"),
    // Looked for only when asked.
    get origin() {
      return valuesOf(request, "origin");
    },
    get accessControlRequestMethod() {
      return valuesOf(request, "access-control-request-method");
    },
  };
}

// `headers` holds only the first of several values.
function valuesOf({ headers, rawHeaders = [] }: NodeRequest, name: Header): string[] {
  if (rawHeaders.length > 0) {
    return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
  }
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return value === undefined ? [] : [value];
}

export function answerNode(response: NodeResponse, { status, headers, body }: Answer): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(body);
}
