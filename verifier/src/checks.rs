//! The checks of a decision, by name and in order, and the observer that is told of each.

use alloc::string::String;
use core::fmt;

use crate::signature::{Algorithm, PublicKey};

macro_rules! checks {
    ($($(#[$doc:meta])+ $variant:ident $name:literal;)+) => {
        /// One check of a decision. The order is that in which they are made: the first that fails gives the reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Check {
            $($(#[$doc])+ $variant,)+
        }

        impl Check {
            /// Every check, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the stable text. Extended, never renamed.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

checks! {
    /// The path has one reading.
    Path "path";
    /// A route of the policy allows it.
    Route "route";
    /// There is exactly one bearer token, where one belongs (RFC 6750 §2.1).
    Credentials "credentials";
    /// The token is no longer than the limit.
    Size "size";
    /// Three segments (RFC 7515 §7.1).
    Form "form";
    /// The header is canonical base64url and a JSON object (RFC 7515 §4).
    Header "header";
    /// `alg` is accepted (RFC 8725 §3.1).
    Alg "alg";
    /// `typ` is that of an access token (RFC 9068 §4).
    Typ "typ";
    /// No extension is asked for: `crit`, `b64`, `zip` (RFC 7515 §4.1.11).
    Crit "crit";
    /// `kid` names a key.
    Kid "kid";
    /// The policy believes the claimed issuer, whose rules and keys apply from here on.
    Rules "rules";
    /// The keys of the issuer are there and not too old.
    Keys "keys";
    /// The named key is one of them, and is for the named algorithm.
    Key "key";
    /// The signature is right.
    Signature "signature";
    /// The claims are a JSON object with the members and types of RFC 9068 §2.2.
    Claims "claims";
    /// `iss` is the issuer.
    Issuer "issuer";
    /// `aud` names the audience (RFC 7519 §4.1.3).
    Audience "audience";
    /// `exp` has not passed, and comes after `iat` and `nbf` (RFC 7519 §4.1.4).
    Exp "exp";
    /// `nbf` has come (RFC 7519 §4.1.5).
    Nbf "nbf";
    /// `iat` does not lie in the future (RFC 7519 §4.1.6).
    Iat "iat";
    /// `exp` − `iat` is not longer than allowed.
    Lifetime "lifetime";
    /// The issuer did not take the token back, as far as its revocation feed is followed.
    Revocation "revocation";
    /// The scopes that the route needs.
    Scopes "scopes";
    /// One of the roles that the route needs.
    Roles "roles";
}

impl Check {
    /// Returns whether the check is one of a token alone, without a request and a policy.
    pub(crate) const fn is_of_token(self) -> bool {
        !matches!(
            self,
            Self::Path
                | Self::Route
                | Self::Credentials
                | Self::Rules
                | Self::Revocation
                | Self::Scopes
                | Self::Roles
        )
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Observes every check as it is made, by the same functions that decide, so that an explanation agrees with the decision.
/// It may have the signature checked elsewhere.
pub(crate) trait Observer {
    /// Called when `check` begins. A refusal before the next call belongs to it.
    fn enter(&mut self, _check: Check) {}

    /// Called with the values that the check looks at, as text without a signature or a whole token.
    fn detail(&mut self, _text: impl FnOnce() -> String) {}

    /// Returns whether signatures of this algorithm can be checked.
    fn can_verify(&self, algorithm: Algorithm) -> bool {
        algorithm.is_built_in()
    }

    fn verify(&mut self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        key.verify(message, signature)
    }
}

/// Observes nothing.
#[derive(Debug)]
pub(crate) struct NoObserver;

impl Observer for NoObserver {}
