// The compiled verifier in the two forms that build.mjs puts in.

declare module "wasm:base64" {
  const text: string;
  export default text;
}

declare module "wasm:module" {
  const module: WebAssembly.Module;
  export default module;
}
