//! Skin for Envoy (proxy-wasm): request headers in, the verifier's decision out. It marshals and decides nothing.
//!
//! A VM serves one worker thread. `abi` speaks to the host, `vm` knows which configuration a request belongs to, `held` the
//! requests that wait, `root` one configuration. `keys` keeps the keys of one issuer fresh and `feed` its revocations, both with
//! `turn`, `lease` and `source`; `memory` keeps the revocations for the next VM; all of them by way of `record`. `request` carries out
//! one decision, `metrics` and `heartbeat` tell the operator.
//!
//! Nothing here may panic: a trap ends the VM and with it every request of the worker.

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(test)]
mod fake;
mod feed;
mod heartbeat;
mod held;
pub mod host;
mod keys;
mod lease;
mod memory;
mod metrics;
pub mod pairs;
mod record;
mod request;
mod root;
mod source;
mod turn;
pub mod vm;
