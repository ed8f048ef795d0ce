// What a decision looks at in a request, from the objects that the platforms have for one.

import { kind, memberOf, object, string, strings } from "./arguments.js";

/** The parts of a request that a decision rests on. Nothing else of it is ever consulted. */
export interface RequestParts {
  readonly method: string;
  /** The request target as sent: path and query, percent-encoding untouched. */
  readonly path: string;
  /** Every value of `Authorization`. All of them: which of several counts is not for a framework to choose. */
  readonly authorization: FieldValues;
  /** Every value of `Origin`. Only a gate whose policy has `cors` looks at it. */
  readonly origin?: FieldValues;
  /** Every value of `Access-Control-Request-Method`. Only `preflight` of a gate looks at it. */
  readonly accessControlRequestMethod?: FieldValues;
}

/** The values of a header, one for each field line. */
export type FieldValues = string | readonly string[] | null | undefined;

/** @internal A request after the checks. */
export interface CheckedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string[];
}

/** @internal Throws a TypeError for everything that is not as above. `caller` begins its message. */
export function requestOf(caller: string, request: RequestParts | Request): CheckedRequest {
  const method = memberOf(object(caller, request, EXPECTED), "method");
  const path = isFetch(request) ? targetOf(caller, request) : memberOf(request, "path");
  return {
    method: bounded(string(caller, "method", method)),
    path: bounded(string(caller, "path", path)),
    authorization: boundedList(fieldOf(caller, request, "authorization")),
  };
}

/** @internal The value of a header that stands there once. */
export function singleOf(caller: string, request: RequestParts | Request, name: Field): string | undefined {
  const [value, ...more] = fieldOf(caller, request, name);
  return value === undefined || more.length > 0 ? undefined : bounded(value);
}

type Field = "authorization" | "origin" | "accessControlRequestMethod";

const EXPECTED = "request: expected a fetch Request or { method, path, authorization }";

function isFetch(request: RequestParts | Request): request is Request {
  return memberOf(request, "path") === undefined && memberOf(request, "url") !== undefined;
}

function targetOf(caller: string, { url }: Request): string {
  if (!URL.canParse(url)) throw new TypeError(`${caller}: ${EXPECTED}, its url is not absolute`);
  const { pathname, search } = new URL(url);
  return pathname + search;
}

function fieldOf(caller: string, request: RequestParts | Request, name: Field): string[] {
  const value = isFetch(request) ? headerOf(caller, request, name) : memberOf(request, name);
  if (typeof value === "string") return [value];
  if (value === undefined || value === null) return [];
  const values = strings(value);
  if (values !== undefined) return values;
  throw new TypeError(`${caller}: ${name}: expected a string or a list of strings, got ${kind(value)}`);
}

function headerOf(caller: string, { headers }: Request, name: Field): unknown {
  if (typeof headers?.get !== "function") throw new TypeError(`${caller}: ${EXPECTED}`);
  return headers.get(name === "accessControlRequestMethod" ? "access-control-request-method" : name);
}

// The longest path that the engine takes, in bytes, and of a method and an origin no more either. TokenCache that WebAssembly
// once had never comes back, so what is longer goes there as far as it takes to be refused.
const LONGEST = 8_192;

function bounded(text: string): string {
  return text.length > LONGEST ? text.slice(0, LONGEST + 1) : text;
}

// Longer than any token and its scheme.
const MAX_VALUE_LENGTH = 65_536;

/** Gets the same verdict. Two values that are not empty are one too many, whatever more of them are. */
function boundedList(values: string[]): string[] {
  let given = 0;
  return values.map((value) => {
    if (value !== "") given += 1;
    return given > 2 ? value.slice(0, 1) : shortened(value);
  });
}

/** Gets the same verdict. Behind what is too long for a token it still matters how many there are: see `bearer_token`. */
function shortened(value: string): string {
  if (value.length <= MAX_VALUE_LENGTH) return value;
  const rest = value.slice(MAX_VALUE_LENGTH);
  const spaces = " ".repeat(rest.split(" ", 3).length - 1);
  return value.slice(0, MAX_VALUE_LENGTH) + (rest.includes(",") ? "," : "") + (rest.includes("\t") ? "\t" : "") + spaces;
}
