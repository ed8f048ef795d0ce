//! Scope tokens (RFC 6749 §3.3).

/// Returns whether `token` is printable ASCII without space, quote and backslash.
pub(crate) fn is_scope_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
