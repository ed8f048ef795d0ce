//! The issuer's HTTP surface, driven in process on a real SQLite file, with time and randomness handed in.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

mod accounts;
mod all_sessions;
mod answer;
mod audit;
mod cors;
mod description;
mod introspection;
mod keys;
mod login;
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
mod unavailable;
mod users;
