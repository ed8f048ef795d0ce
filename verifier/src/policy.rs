//! The policy file: which issuers are believed and which route needs what. The same file is read everywhere.
//!
//! Closed: an unknown member is an error, a route says in words that it is public, and what no route names is denied.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::Seconds;
use crate::json;
use crate::keys::KeySet;
use crate::path::Template;
use crate::text::joined;
use crate::verify::Rules;

mod access;
mod address;
mod bundle;
mod cors;
mod error;
mod lint;
mod merge;
mod paths;
mod read;

pub use access::{Access, ScopeError};
pub use address::Address;
pub use bundle::Bundle;
pub use cors::{Cors, Preflight};
pub use error::PolicyError;
pub use lint::{Respelled, Shadowed};
pub use merge::MergeError;
use paths::Alternatives;
pub(crate) use paths::MatchedRoutes;
pub use paths::PathComparison;
use read::Member;

/// A policy that holds no contradiction.
#[derive(Clone, Debug)]
pub struct Policy {
    issuers: Vec<IssuerPolicy>,
    /// The most specific first.
    routes: Vec<Route>,
    /// One for each route.
    alternatives: Vec<Alternatives>,
    /// `None`: the file does not say.
    paths: Option<PathComparison>,
    /// Whether a token in a form that Envoy's `jwt_authn` does not know is refused.
    pub(crate) jwt_authn_compatible: bool,
    identity_headers: Vec<(IdentityField, String)>,
    cors: Option<Cors>,
    envoy: EnvoySettings,
}

impl Policy {
    /// Reads a policy file (JSON, schema in `docs/policy.schema.json`).
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        let document = json::parse(text).map_err(|error| PolicyError::json(text, error))?;
        read::policy(&Member::root(&document)).map_err(|fault| PolicyError::at_line(text, fault))
    }

    /// Returns the trusted issuers with the sources of their keys.
    pub fn issuers(&self) -> &[IssuerPolicy] {
        &self.issuers
    }

    /// Returns the routes, the most specific first: of several that match, the first decides.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns the headers that name the caller to the upstream.
    pub fn identity_headers(&self) -> &[(IdentityField, String)] {
        &self.identity_headers
    }

    /// Returns the settings of the Envoy filter; every other host ignores them.
    pub const fn envoy(&self) -> &EnvoySettings {
        &self.envoy
    }
}

/// One issuer: its rules and where its keys come from. A key never serves two issuers.
#[derive(Clone, Debug)]
pub struct IssuerPolicy {
    /// The rules for its tokens.
    pub rules: Rules,
    /// Its keys.
    pub keys: KeySource,
    /// Its revocation feed. `None`: it is not followed.
    pub revocations: Option<RevocationSource>,
}

/// Where an issuer's revocation feed is, and how long its last word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationSource {
    /// The absolute URL of the feed.
    pub url: String,
    /// The absolute URL of the JWK set of the feed's own keys.
    pub keys_url: String,
    /// The Envoy cluster that serves both; only the Envoy filter needs it.
    pub cluster: Option<String>,
    /// Seconds after the last word of the issuer for which a strict route still decides. 60 unless changed.
    pub max_stale: Seconds,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Written in the policy.
    Inline(KeySet),
    /// Fetched by the host.
    Remote {
        /// The absolute URL of the JWK set.
        url: String,
        /// The Envoy cluster that serves it; only the Envoy filter needs it.
        cluster: Option<String>,
    },
}

/// One rule: these methods of this path need this.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) methods: Vec<String>,
    pub(crate) path: Template,
    pub(crate) access: Access,
    /// Whether a token is refused while revocations are not known well enough.
    pub(crate) strict: bool,
}

impl Route {
    /// Returns the access that a request needs.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    fn allows(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|allowed| allowed.as_bytes() == method)
    }

    /// Returns whether it asks for something else.
    fn differs(&self, other: &Self) -> bool {
        (&self.access, self.strict) != (&other.access, other.strict)
    }

    fn shares_a_method(&self, other: &Self) -> bool {
        self.methods.iter().any(|method| other.methods.contains(method))
    }
}

/// Methods and path template, as `GET,POST /orders/{id}`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", joined(&self.methods, ","), self.path)
    }
}

/// The settings of the Envoy filter besides its decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoySettings {
    /// Whether the upstream gets the token that was accepted. It does unless changed.
    pub forward_authorization: bool,
    /// Whether access logs can tell the verdict and the caller. They cannot unless changed.
    pub access_log: bool,
}

impl Default for EnvoySettings {
    fn default() -> Self {
        Self { forward_authorization: true, access_log: false }
    }
}

/// A claim that can be forwarded as a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityField {
    /// `sub`
    Subject,
    /// `client_id`
    ClientId,
    /// `scope`
    Scope,
    /// `sid`
    Session,
    /// `roles`, separated by commas
    Roles,
}

#[cfg(test)]
mod tests;
