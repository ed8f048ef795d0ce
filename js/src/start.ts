// Starts a compiled module, once however many verifiers there are.

/** Gives the compiled module; each entry has its own way. */
export type LoadModule = () => WebAssembly.Module | Promise<WebAssembly.Module>;

/** `initSync` is the glue's. */
export function starter(initSync: (input: { module: WebAssembly.Module }) => unknown, load: LoadModule) {
  let ready: Promise<void> | undefined;
  return (): Promise<void> => {
    ready ??= start(initSync, load);
    return ready;
  };
}

async function start(initSync: (input: { module: WebAssembly.Module }) => unknown, load: LoadModule): Promise<void> {
  try {
    initSync({ module: await load() });
  } catch (cause) {
    const hint = "a page's Content-Security-Policy must allow 'wasm-unsafe-eval'";
    throw new Error(`the verifier's WebAssembly could not be started; ${hint}`, { cause });
  }
}
