// For Next: route handlers by `protect`, and a policy file in front of the whole application by `middleware`.

import type { Gate } from "./gate.js";
import { type Lazy, responseOf, LazyGuard } from "./middleware/lazy-guard.js";

export { type Handler, protect, type Protected } from "./fetch.js";

/**
 * For `proxy.ts`, `middleware.ts` before Next 16: answers what the policy refuses, and lets the rest pass. In Next's edge
 * runtime, which compiles no WebAssembly, the gate must be of the entry `/webcrypto`.
 */
export function middleware(gate: Lazy<Gate>): (request: Request) => Promise<Response | undefined> {
  const guard = new LazyGuard(gate, undefined);
  return async (request) => {
    const { answer } = await guard.decide(request);
    return answer && responseOf(answer);
  };
}
