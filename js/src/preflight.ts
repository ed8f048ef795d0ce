// The answer to a preflight, by which a browser asks whether a page of another origin may call (Fetch standard).

/** The answer to a preflight request of a page of a listed origin. It has no body. */
export class Preflight {
  readonly status = 204;
  readonly headers: Readonly<Record<string, string>>;

  /** @internal */
  constructor(headers: Record<string, string>) {
    this.headers = Object.freeze(headers);
  }

  /** The whole answer. */
  toResponse(): Response {
    return new Response(null, { status: this.status, headers: this.headers });
  }
}
