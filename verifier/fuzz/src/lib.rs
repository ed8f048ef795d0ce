//! Invariants of the verifier, and of how the issuer reads requests: each target checks them for one input, against a second
//! implementation.
//!
//! Only public edges are used. A guided run looks for inputs that break a promise; `replay` holds every change
//! to those in `corpus/` and to random changes of them.

#![expect(clippy::expect_used, clippy::panic, reason = "a promise that is broken ends the run")]

pub mod ed25519;
pub mod feed;
mod forge;
pub mod framing;
pub mod jwks;
pub mod path;
pub mod policy;
#[cfg(test)]
mod replay;
mod routes;
mod strict;
pub mod token;

/// The name of a target and its judgement on one input, which panics where a promise is broken.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("token", token::check),
    ("jwks", jwks::check),
    ("policy", policy::check),
    ("path", path::check),
    ("ed25519", ed25519::check),
    ("feed", feed::check),
    ("framing", framing::check),
];
