//! The harness: starts the real programs around Keystone on free ports in temporary directories, and speaks to
//! them from outside. It must not use the crates it tests: it knows programs, files and HTTP.

pub mod browser;
pub mod cast;
pub mod clock;
pub mod deployment;
pub mod docs;
pub mod envoy;
pub mod hostile;
pub mod http;
pub mod http2;
pub mod issuer;
pub mod key_server;
pub mod ledger;
pub mod mint;
pub mod node;
pub mod orders;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod program;
pub mod python;
pub mod receiver;
pub mod redis;
pub mod relay;
pub mod sentinel;
pub mod server;
pub mod stack;
pub mod token;
pub mod tools;
pub mod verdicts;
pub mod wait;
pub mod wire;
pub mod yaml;
