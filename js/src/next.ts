// For Next: route handlers by `protect`, and a policy file in front of the whole application by `middleware`.

import type { Gate } from "./gate.js";
import { type Lazy, responseOf, Source } from "./middleware/source.js";

export { type Handler, protect, type Protected } from "./fetch.js";

/** For `middleware.ts` (`proxy.ts` since Next 16): answers what the policy refuses, and lets the rest pass. */
export function middleware(gate: Lazy<Gate>): (request: Request) => Promise<Response | undefined> {
  const guard = new Source(gate, undefined);
  return async (request) => {
    const { answer } = await guard.decide(request);
    return answer && responseOf(answer);
  };
}
