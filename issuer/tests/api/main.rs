//! The issuer's HTTP surface, driven in process on a real database, with time and randomness handed in.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

mod accounts;
mod algorithms;
mod all_sessions;
mod answer;
mod attacks;
mod audit;
mod client_authentication;
mod clients;
#[path = "../../src/store/tests/cluster.rs"]
mod cluster;
mod connections;
mod cors;
mod database;
mod description;
mod feed;
mod grant;
mod hostile;
mod introspection;
mod keys;
mod limits;
mod login;
mod metrics;
mod names;
mod programs;
mod protocol;
mod published;
mod rbac;
mod refresh;
mod revocation;
mod rights;
mod sessions;
mod step_up;
mod support;
mod surroundings;
mod tls;
mod unavailable;
mod users;
