//! Adapter for Envoy (proxy-wasm): request headers in, the verifier's decision out. It marshals and decides nothing.
//!
//! A VM serves one worker thread. `abi` speaks to the host, `vm` knows which configuration a request belongs to, `root` is one
//! configuration, `request` carries out one decision, `outcome` is its result and `held` the requests that wait. `keys` keeps the
//! keys of one issuer fresh and `feed` its revocations, both with `fetch_coordinator`, `lease` and `endpoint`; `memory` keeps the
//! revocations for the next VM; all of them share data through `record`. `metrics` and `heartbeat` inform the operator.
//!
//! Nothing here may panic: a trap ends the VM and with it every request of the worker.

#[cfg(target_arch = "wasm32")]
mod abi;
mod endpoint;
#[cfg(test)]
mod fake;
mod feed;
mod fetch_coordinator;
pub mod header_map;
mod heartbeat;
mod held;
pub mod host;
mod keys;
mod lease;
mod memory;
mod metrics;
pub mod outcome;
mod record;
mod request;
mod root;
pub mod vm;
