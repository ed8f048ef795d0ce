//! What a token may hold: the intersection of what was asked, what the client may ask and what the subject has.

use std::collections::BTreeSet;

use crate::store::Scope;

/// A `scope` parameter (RFC 6749 §3.3). `None`: not the syntax of RFC 6749 appendix A.4.
pub fn parse_scope(text: &str) -> Option<BTreeSet<String>> {
    text.split(' ').map(|token| is_scope_token(token).then(|| token.to_owned())).collect()
}

/// `1*NQCHAR`: printable ASCII without space, quote and backslash.
pub fn is_scope_token(text: &str) -> bool {
    let allowed = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(allowed)
}

/// The names in the one order that tokens and responses use.
pub fn join(scopes: &[Scope]) -> String {
    let names: BTreeSet<&str> = scopes.iter().map(|scope| scope.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

/// The distinct resources behind the scopes: a token is for these and no others (RFC 8707 §2).
pub fn audiences(scopes: &[Scope]) -> Vec<&str> {
    let distinct: BTreeSet<&str> = scopes.iter().map(|scope| scope.resource.as_str()).collect();
    distinct.into_iter().collect()
}

/// Only these scopes of `scopes`.
pub fn narrowed(scopes: Vec<Scope>, asked: &BTreeSet<String>) -> Vec<Scope> {
    scopes.into_iter().filter(|scope| asked.contains(&scope.name)).collect()
}

/// Whether someone who holds `held` may hand out `given`. Judged on the scopes that the change results in, so no
/// detour through roles helps (an administrator can only grant what they hold).
pub fn may_grant(held: &BTreeSet<String>, given: &BTreeSet<String>) -> bool {
    given.is_subset(held)
}

/// Whether rights over Keystone itself are among them; one's own account is everyone's.
pub fn administers(scopes: &BTreeSet<String>) -> bool {
    scopes.iter().any(|scope| scope.starts_with(OWN_PREFIX) && scope != ACCOUNT)
}

/// What Keystone's own scopes begin with.
pub const OWN_PREFIX: &str = "keystone:";
/// What every user holds.
pub const ACCOUNT: &str = "keystone:account";
/// Lets a user give what they hold although their token does not have it. Never a default scope, and no client's own.
pub const GRANT: &str = "keystone:grant";

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(name: &str, resource: &str) -> Scope {
        Scope { name: name.to_owned(), resource: resource.to_owned() }
    }

    #[test]
    fn a_scope_parameter_is_a_set() {
        let parsed = parse_scope("orders:write orders:read orders:write").unwrap();

        assert_eq!(parsed.into_iter().collect::<Vec<_>>(), ["orders:read", "orders:write"]);
    }

    #[test]
    fn other_separators_and_characters_are_no_scope() {
        for wrong in ["", " a", "a ", "a  b", "a\tb", "a\"b", "a\\b", "é", "a\0", "a\n"] {
            assert_eq!(parse_scope(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn audiences_are_the_distinct_resources() {
        let scopes = [scope("b", "orders"), scope("a", "orders"), scope("c", "billing")];

        assert_eq!(audiences(&scopes), ["billing", "orders"]);
        assert_eq!(join(&scopes), "a b c");
    }

    #[test]
    fn nobody_grants_more_than_they_hold() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

        assert!(may_grant(&set(&["a", "b"]), &set(&["a"])));
        assert!(may_grant(&set(&[]), &set(&[])));
        assert!(!may_grant(&set(&["a"]), &set(&["a", "b"])));
    }
}
