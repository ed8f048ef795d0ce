//! The core: a token, keys, revocations, a policy and a time go in; a verdict comes out.
//!
//! No I/O, no clock, no operating system: the same code gives the same verdict natively, in JavaScript and in
//! Envoy. Strict RFC 9068 with Ed25519; [`Check`] is the list of what is checked.
//!
//! A service that reads a policy file asks a [`Gate`]; one that knows itself what it needs asks [`verify`] or [`verify_cached`].
//! With feature `tower` there is a layer for axum and its kind.
//!
//! ```
//! use keystone_verifier::{Decision, Gate, Policy, RequestView};
//!
//! let policy = Policy::parse(br#"{ "version": 1,
//!     "issuers": [{ "issuer": "https://as.example", "audiences": ["orders"],
//!                   "keys": { "inline": { "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1",
//!                                 "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] } } }],
//!     "routes": [{ "methods": ["GET"], "path": "/about", "public": true },
//!                { "methods": ["GET"], "path": "/orders/{id}", "require": { "all": ["orders:read"] } }] }"#)?;
//! let mut gate = Gate::new(policy);
//!
//! let request = RequestView { method: b"GET", path: b"/orders/7", authorization: &[b"Bearer abc"] };
//! match gate.decide(&request, 1_800_000_000) {
//!     Decision::Public => {}
//!     Decision::Allow(token) => assert!(token.has("orders:read")),
//!     Decision::Deny(refusal) => assert_eq!((refusal.code().as_str(), refusal.status()), ("malformed", 401)),
//! }
//! assert!(gate.explain(&request, 1_800_000_000).to_string().contains("failed       form         1 segments"));
//! # Ok::<(), keystone_verifier::PolicyError>(())
//! ```

#![no_std]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "tower")]
extern crate std;

mod base64url;
mod checks;
mod claims;
pub mod compat;
mod credentials;
mod decide;
mod delegated;
mod error;
mod explain;
#[cfg(test)]
mod fixture;
mod header;
mod json;
mod judge;
mod key_cache;
mod keys;
#[cfg(feature = "tower")]
pub mod layer;
mod path;
mod pause;
mod policy;
mod record;
mod revocations;
mod shadow;
mod signature;
mod text;
#[cfg(test)]
mod vectors;
mod verdicts;
mod verify;

pub use checks::Check;
pub use credentials::bearer_token;
pub use decide::{Decision, Gate, RequestView};
pub use error::{Code, Refusal};
pub use explain::{Explanation, Outcome, Step};
pub use key_cache::{KeyCache, KeyState, NeedKeys, SnapshotError};
pub use keys::{KeySet, KeySetError};
pub use policy::{
    Access, Address, Bundle, Cors, EnvoySettings, IdentityField, IssuerPolicy, KeySource, MergeError,
    PathComparison, Policy, PolicyError, Preflight, Respelled, RevocationSource, Route, ScopeError, Shadowed,
};
pub use record::record;
pub use revocations::{FeedState, PageError, Revocations};
pub use shadow::Difference;
pub use signature::Algorithm;
pub use text::text_of;
pub use verify::{Rules, Verified, explain, verify, verify_cached};

/// Wrong everywhere but where its words say: looser than RFC 9068 §4 asks of a resource, or resting on what a caller says.
pub mod danger {
    pub use crate::delegated::{Begun, Delegation, Question, begin_decision, resume_decision};
    pub use crate::verify::{explain_for_any_audience, verify_for_any_audience};
}

/// Unix time in seconds (RFC 7519 §2, NumericDate).
pub type Seconds = u64;
