//! Decides on requests: a token, keys, revocations, a policy and a time go in; a decision comes out.
//!
//! No I/O, no clock, no operating system: the same code gives the same decision natively, in JavaScript and in
//! Envoy. Strict RFC 9068 with Ed25519; [`Check`] is the list of what is checked.
//!
//! A service with a policy file uses an [`Authorizer`]; one that knows its own requirements calls [`verify()`] or
//! [`verify_cached`]. Feature `tower` adds a layer for axum and other `tower` services.
//!
//! ```
//! use keystone_verifier::{Decision, Authorizer, Policy, RequestView};
//!
//! let policy = Policy::parse(br#"{ "version": 1,
//!     "issuers": [{ "issuer": "https://as.example", "audiences": ["orders"],
//!                   "keys": { "inline": { "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1",
//!                                 "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] } } }],
//!     "routes": [{ "methods": ["GET"], "path": "/about", "public": true },
//!                { "methods": ["GET"], "path": "/orders/{id}", "require": { "all": ["orders:read"] } }] }"#)?;
//! let mut authorizer = Authorizer::new(policy);
//!
//! let request = RequestView { method: b"GET", path: b"/orders/7", authorization: &[b"Bearer abc"] };
//! match authorizer.decide(&request, 1_800_000_000) {
//!     Decision::Public => {}
//!     Decision::Allow(token) => assert!(token.has("orders:read")),
//!     Decision::Deny(refusal) => assert_eq!((refusal.code().as_str(), refusal.status()), ("malformed", 401)),
//! }
//! assert!(authorizer.explain(&request, 1_800_000_000).to_string().contains("failed       form         1 segments"));
//! # Ok::<(), keystone_verifier::PolicyError>(())
//! ```

#![no_std]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "tower")]
extern crate std;

mod access_log;
mod authorizer;
mod base64url;
mod checks;
mod claims;
pub mod compat;
mod credentials;
mod error;
mod evaluate;
mod explain;
mod external_signature;
#[cfg(test)]
mod fixture;
mod header;
mod issuers;
mod json;
mod key_cache;
mod keys;
#[cfg(feature = "tower")]
pub mod layer;
mod path;
mod pause;
mod policy;
mod request;
mod revocations;
mod scope;
mod shadow;
mod signature;
mod text;
mod token_cache;
#[cfg(test)]
mod vectors;
mod verify;

pub use access_log::access_log_entry;
pub use authorizer::Authorizer;
pub use checks::Check;
pub use credentials::bearer_token;
pub use error::{Awaits, Code, Refusal};
pub use explain::{Explanation, Outcome, Step, explain};
pub use key_cache::{KeyCache, KeyState, NeedKeys, SnapshotError};
pub use keys::{KeySet, KeySetError};
pub use policy::{
    Access, Address, Bundle, Cors, EnvoySettings, IdentityField, IssuerPolicy, KeySource, MergeError,
    PathComparison, Policy, PolicyError, Preflight, Respelled, RevocationSource, Route, ScopeError, Shadowed,
};
pub use request::{Decision, RequestView};
pub use revocations::{FeedState, PageError, Revocations};
pub use shadow::Difference;
pub use signature::Algorithm;
pub use text::text_of;
pub use verify::{Rules, Verified, verify, verify_cached};

/// Functions that are safe only in the cases their documentation names: they check less than RFC 9068 §4 asks of a resource, or
/// trust what the caller reports.
pub mod danger {
    pub use crate::explain::explain_for_any_audience;
    pub use crate::external_signature::{
        BegunDecision, ExternalVerifier, SignatureAnswer, SignatureRequest, begin_decision, resume_decision,
    };
    pub use crate::verify::verify_for_any_audience;
}

/// Unix time in seconds (RFC 7519 §2, NumericDate).
pub type Seconds = u64;
