//! A request and the decision on it.

use crate::error::Refusal;
use crate::verify::Verified;

/// The parts of a request that a decision rests on. Nothing else of it is ever consulted, whatever it claims its original path
/// was.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// As sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a [u8],
    /// The request target in origin form, with its query.
    pub path: &'a [u8],
    /// Every value of `Authorization`, one for each field line.
    pub authorization: &'a [&'a [u8]],
}

/// The decision on a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The route is public: no token was looked at.
    Public,
    /// The token is valid and holds what the route needs.
    Allow(Verified),
    /// The answer is the refusal's.
    Deny(Refusal),
}

impl Decision {
    /// Returns `public`, `allow`, or the code of the refusal, for logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Allow(_) => "allow",
            Self::Deny(refusal) => refusal.code().as_str(),
        }
    }
}

impl From<Result<Option<Verified>, Refusal>> for Decision {
    fn from(outcome: Result<Option<Verified>, Refusal>) -> Self {
        match outcome {
            Ok(None) => Self::Public,
            Ok(Some(token)) => Self::Allow(token),
            Err(refusal) => Self::Deny(refusal),
        }
    }
}
