// The hostile file: requests with the verdict that Keystone gives on every platform.

import text from "hostile:json";
import type { RequestParts } from "../request.js";

/** One request and its verdict. */
export interface HostileCase {
  readonly name: string;
  /** The kind of attack: a letter. */
  readonly group: string;
  /** The standard or the advisory that it comes from. */
  readonly source: string;
  readonly request: RequestParts;
  /** `allow`, `public` or the code of the refusal. */
  readonly verdict: string;
  /** The policy it is judged by, with the keys inside: for `createGate`. */
  readonly policy: object;
  /** The time of the verdict in milliseconds: for `now`. */
  readonly now: number;
  /** Whether an HTTP request can carry it. */
  readonly http: boolean;
}

interface File {
  now: number;
  policy: { issuers: { keys: object }[] };
  cases: Case[];
}

interface Case {
  name: string;
  group: string;
  source: string;
  method: string;
  path: string;
  authorization: string[];
  verdict: string;
  now?: number;
  keys?: object;
  http?: boolean;
}

/** Every case of the hostile file. Their keys are public. */
export function* hostileCases(): Generator<HostileCase> {
  const { now, policy, cases } = JSON.parse(text) as File;
  for (const { name, group, source, method, path, authorization, verdict, ...own } of cases) {
    const [issuer] = policy.issuers;
    const issuers = own.keys === undefined ? policy.issuers : [{ ...issuer, keys: { inline: own.keys } }];
    yield {
      name,
      group,
      source,
      request: { method, path, authorization },
      verdict,
      policy: { ...policy, issuers },
      now: (own.now ?? now) * 1000,
      http: own.http ?? true,
    };
  }
}
