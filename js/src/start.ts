// Starts a compiled module, once however many verifiers there are.

/** Gives the compiled module; each entry has its own way. */
export type LoadModule = () => WebAssembly.Module | Promise<WebAssembly.Module>;

/** What a module is started with: its glue. */
export interface Glue {
  initSync(input: { module: WebAssembly.Module }): unknown;
  selfTest(): boolean;
}

export function starter(glue: Glue, load: LoadModule) {
  let ready: Promise<void> | undefined;
  return (): Promise<void> => {
    ready ??= start(glue, load);
    return ready;
  };
}

async function start(glue: Glue, load: LoadModule): Promise<void> {
  await compile(glue, load);
  // Also what the first token would otherwise be kept waiting for: V8 compiles a function when it is first called.
  if (!glue.selfTest()) throw new Error("the verifier's self-test failed: this WebAssembly engine computes something else");
}

async function compile(glue: Glue, load: LoadModule): Promise<void> {
  try {
    glue.initSync({ module: await load() });
  } catch (cause) {
    const hint = "a page's Content-Security-Policy must allow 'wasm-unsafe-eval'";
    throw new Error(`the verifier's WebAssembly could not be started; ${hint}`, { cause });
  }
}
