// The modules that build.mjs provides: the compiled verifier in its forms, and the hostile file.

declare module "wasm:embedded" {
  const hex: string;
  export default hex;
}

declare module "wasm:embedded-policy" {
  const hex: string;
  export default hex;
}

declare module "wasm:policy-module" {
  const module: WebAssembly.Module;
  export default module;
}

declare module "wasm:module" {
  const module: WebAssembly.Module;
  export default module;
}

declare module "wasm:plain" {
  export function instantiate(imports: object): object;
}

declare module "hostile:json" {
  const text: string;
  export default text;
}
