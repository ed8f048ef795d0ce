// Stands in for WebAssembly in the one bundle that must do without: its module is JavaScript already.

import { instantiate } from "wasm:plain";

class Module {}

class Instance {
  readonly exports: object;

  constructor(_: Module, imports: object) {
    this.exports = instantiate(imports);
  }
}

export const WebAssembly = { Module, Instance };
