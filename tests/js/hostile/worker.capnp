# workerd: the worker, the package's own entries for workerd, and their WebAssembly beside them.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "judge", worker = .judge)],
  sockets = [(name = "http", http = (), service = "judge")],
);

const judge :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "judge.mjs", esModule = embed "judge.mjs"),
    (name = "@keystone-auth/verifier", esModule = embed "node_modules/@keystone-auth/verifier/dist/workerd.js"),
    (name = "@keystone-auth/keystone_verifier.wasm", wasm = embed "node_modules/@keystone-auth/verifier/dist/keystone_verifier.wasm"),
    (name = "@keystone-auth/verifier/policy", esModule = embed "node_modules/@keystone-auth/verifier/dist/policy.workerd.js"),
    (name = "@keystone-auth/verifier/keystone_policy.wasm", wasm = embed "node_modules/@keystone-auth/verifier/dist/keystone_policy.wasm"),
  ],
);
