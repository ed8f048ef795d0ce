// What build.mjs puts in: the compiled verifier in two forms, and the hostile file.

declare module "wasm:embedded" {
  const text: string;
  export default text;
}

declare module "wasm:embedded-policy" {
  const text: string;
  export default text;
}

declare module "wasm:decoder" {
  const module: string;
  export default module;
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
