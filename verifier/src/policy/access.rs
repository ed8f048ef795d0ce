//! The access that a route asks for.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::scope::is_scope_token;
use crate::text::{joined, quoted};

/// The access that a route asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A valid token, and more where the lists are not empty. Made by [`Access::token`], or read from a policy.
    #[non_exhaustive]
    Token {
        /// Every one of these scopes.
        all: Vec<String>,
        /// At least one of these scopes.
        any: Vec<String>,
        /// At least one of these roles.
        roles: Vec<String>,
    },
}

impl Access {
    /// Requires a valid token with every scope of `all`, one of `any` and one of `roles`, each unless it is empty.
    ///
    /// A scope goes into the challenge of a refusal, and no token could hold one that is none: `Err` names the first.
    pub fn token(all: Vec<String>, any: Vec<String>, roles: Vec<String>) -> Result<Self, ScopeError> {
        ScopeError::check(all.iter().chain(&any))?;
        Ok(Self::Token { all, any, roles })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Token { all, any, roles } = self else { return f.write_str("public") };
        f.write_str("a valid token")?;
        for (which, needed) in [("all of", all), ("one of", any), ("one of the roles", roles)] {
            if !needed.is_empty() {
                write!(f, ", {which} {}", joined(needed, " "))?;
            }
        }
        Ok(())
    }
}

/// A text that is no scope (RFC 6749 §3.3, `scope-token`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError(String);

impl ScopeError {
    /// `Err` names the first of `scopes` that is none.
    pub(crate) fn check<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Result<(), Self> {
        let wrong = scopes.into_iter().find(|scope| !is_scope_token(scope.as_ref()));
        wrong.map_or(Ok(()), |scope| Err(Self(String::from(scope.as_ref()))))
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is no scope: printable ASCII without space, `\"` and `\\` (RFC 6749 §3.3)",
            quoted(&self.0)
        )
    }
}

impl core::error::Error for ScopeError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_access_takes_scopes_only() {
        let token =
            |all: &str, any: &str| Access::token([all.into()].into(), [any.into()].into(), Vec::new());

        assert!(token("orders:read", "!#[]~").is_ok());
        for wrong in ["", "a b", "a\"", "a\\", "a\r\nx: y", "a\u{7f}", "\u{e9}", "a\t"] {
            assert_eq!(token(wrong, "a"), Err(ScopeError(wrong.into())));
            assert_eq!(token("a", wrong), Err(ScopeError(wrong.into())));
        }
        assert_eq!(
            token("a\n\"", "a").unwrap_err().to_string(),
            r#""a\u000a\"" is no scope: printable ASCII without space, `"` and `\` (RFC 6749 §3.3)"#
        );
    }
}
