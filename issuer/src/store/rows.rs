//! From what a column can hold to what a type allows; a row that does not fit is never guessed at.

use std::collections::BTreeSet;

use super::{GrantType, Result, StoreError};

pub(super) fn grants(names: &[String]) -> Result<BTreeSet<GrantType>> {
    names
        .iter()
        .map(|name| {
            GrantType::named(name).ok_or_else(|| StoreError::Inconsistent(format!("a grant called `{name}`")))
        })
        .collect()
}

pub(super) fn bytes<const N: usize>(column: &str, value: &[u8]) -> Result<[u8; N]> {
    value
        .try_into()
        .map_err(|_| StoreError::Inconsistent(format!("{column} of {} bytes where {N} are due", value.len())))
}

pub(super) fn generation(value: i64) -> Result<u32> {
    value.try_into().map_err(|_| StoreError::Inconsistent(format!("a session of generation {value}")))
}

pub(super) fn no_such_role(name: &str) -> StoreError {
    StoreError::Inconsistent(format!("a user with the role `{name}`, which does not exist"))
}

/// The greatest text that begins like this: UTF-8 sorts by code point, and this is the last.
pub(super) fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
