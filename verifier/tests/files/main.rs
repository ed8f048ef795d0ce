//! The shared files of the project, checked with the crate: hostile requests, answers to clients, the schema of policies.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

mod answers;
mod case;
mod hostile;
mod schema;
