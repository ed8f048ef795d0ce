// One bounded GET: no redirects, 5 seconds, 64 KiB. The answer comes from the network and is not trusted.

import { kind } from "./arguments.js";

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 64 * 1024;

/** An address could not be read; the message says why. */
export class FetchError extends Error {
  override readonly name = "FetchError";
  /** The status of the answer, if it was not 200. */
  readonly status: number | undefined;

  constructor(message: string, { status, ...options }: ErrorOptions & { status?: number } = {}) {
    super(message, options);
    this.status = status;
  }
}

export interface Get {
  fetch: typeof globalThis.fetch;
  /** Ends the request early. */
  signal: AbortSignal;
  /** Further options that the entry's platform needs. */
  init: RequestInit;
}

/** Reads the body of a 200 answer. Rejects with a FetchError in every other case. */
export async function readBytes(url: string, get: Get): Promise<Uint8Array> {
  const stop = new AbortController();
  const ended = ends(stop, get.signal);
  try {
    // The race ends the wait even when an injected fetch ignores its signal.
    return await Promise.race([body(url, get, stop.signal), ended.promise]);
  } catch (error) {
    throw error instanceof FetchError ? error : new FetchError(`GET ${url}: ${reason(error)}`, { cause: error });
  } finally {
    ended.forget();
    stop.abort();
  }
}

async function body(url: string, get: Get, signal: AbortSignal): Promise<Uint8Array> {
  // "manual", not "error": workerd knows no "error". A redirect then fails the check of the status.
  const init: RequestInit = { ...get.init, redirect: "manual", signal, headers: { accept: "application/json" } };
  const response = await get.fetch(url, init);
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    throw new FetchError(`GET ${url}: answered with a redirect, which is not followed`);
  }
  if (response.status !== 200 || response.redirected) {
    throw new FetchError(`GET ${url}: expected status 200, got ${response.status}`, { status: response.status });
  }
  return limited(response, url);
}

async function limited(response: Response, url: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_BYTES);
  let length = 0;
  const reader = response.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    // A fetch that is not the platform's may give anything.
    if (!ArrayBuffer.isView(value)) throw new FetchError(`GET ${url}: expected bytes, got ${kind(value)}`);
    if (length + value.length > MAX_BYTES) {
      reader.cancel().catch(() => {});
      throw new FetchError(`GET ${url}: the answer is longer than ${MAX_BYTES} bytes`);
    }
    bytes.set(value, length);
    length += value.length;
  }
  return bytes.slice(0, length);
}

function ends(stop: AbortController, closed: AbortSignal): { promise: Promise<never>; forget: () => void } {
  let forget = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    const end = (why: string): void => {
      reject(new Error(why));
      stop.abort();
    };
    const onClose = (): void => end("the verifier was closed");
    const timer = unref(setTimeout(() => end(`no complete answer within ${TIMEOUT_MS} ms`), TIMEOUT_MS));
    closed.addEventListener("abort", onClose, { once: true });
    forget = () => {
      clearTimeout(timer);
      closed.removeEventListener("abort", onClose);
    };
  });
  return { promise, forget };
}

/** A timer that does not keep the process alive, where the platform has such a thing. */
export function unref<Timer>(timer: Timer): Timer {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

// Node says "fetch failed" and hides why in the cause.
function reason(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  const hidden = cause?.code ?? cause?.message;
  const message = error instanceof Error ? error.message : String(error);
  return hidden === undefined ? message : `${message} (${String(hidden)})`;
}
