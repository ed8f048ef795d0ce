// Starts a compiled module, once however many verifiers there are.

/** Gives the compiled module; each entry has its own way. */
export type LoadModule = () => WebAssembly.Module | Promise<WebAssembly.Module>;

/** The glue that a module is started with. */
export interface Glue {
  /** Gives what the module exports. */
  initSync(input: { module: WebAssembly.Module }): unknown;
  selfTest(): boolean;
  /** Whose methods call into the module. */
  classes: readonly { readonly prototype: object }[];
}

/** Calls into the module. */
export type Enter = <Result>(call: () => Result) => Result;

export function starter(glue: Glue, load: LoadModule): () => Promise<Enter> {
  let ready: Promise<Enter> | undefined;
  return () => {
    ready ??= start(glue, load);
    return ready;
  };
}

async function start(glue: Glue, load: LoadModule): Promise<Enter> {
  const enter = restoring(await compiled(glue, load));
  for (const { prototype } of glue.classes) enterBy(enter, prototype);
  // Also what the first token would otherwise be kept waiting for: V8 compiles a function when it is first called.
  if (!enter(glue.selfTest)) {
    throw new Error("the verifier's self-test failed: this WebAssembly engine computes something else");
  }
  return enter;
}

async function compiled(glue: Glue, load: LoadModule): Promise<WebAssembly.Global> {
  try {
    const exports = glue.initSync({ module: await load() }) as { readonly __stack_pointer: WebAssembly.Global };
    return exports.__stack_pointer;
  } catch (cause) {
    const hint = "a page's Content-Security-Policy must allow 'wasm-unsafe-eval'";
    throw new Error(`the verifier's WebAssembly could not be started; ${hint}`, { cause });
  }
}

// An exception unwinds nothing in the module: what the functions that it ended had taken of the stack would be gone, for
// every verifier of the process. So it is put back. No call comes from within another.
function restoring(stack: WebAssembly.Global): Enter {
  const top: unknown = stack.value;
  return (call) => {
    try {
      return call();
    } catch (error) {
      stack.value = top;
      throw error;
    }
  };
}

/** Makes every method and getter of a class enter in this way. */
function enterBy(enter: Enter, prototype: object): void {
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name === "constructor") continue;
    for (const kind of ["value", "get"] as const) {
      const method: unknown = property[kind];
      if (typeof method !== "function") continue;
      property[kind] = function (this: unknown, ...given: unknown[]): unknown {
        return enter(() => method.apply(this, given));
      };
    }
    Object.defineProperty(prototype, name, property);
  }
}
