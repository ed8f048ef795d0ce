//! `JwtClaimToHeader`: claims that the upstream gets as headers.

use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

/// A member of `identity_headers` and the header.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Forwarded {
    pub(crate) field: &'static str,
    pub(crate) header: String,
}

const FIELDS: [(&str, &str); 4] =
    [("sub", "subject"), ("client_id", "client_id"), ("scope", "scope"), ("sid", "session")];

pub(crate) fn read(items: &[Node<'_>]) -> Said<Vec<Forwarded>> {
    let read: Vec<Said<Forwarded>> = items.iter().map(forwarded).collect();
    let mut read = read.into_iter().collect::<Said<Vec<Forwarded>>>()?;
    read.sort();
    for (one, next) in read.iter().zip(read.iter().skip(1)) {
        if one.field == next.field
            && let Some(node) = items.last()
        {
            return Err(node.unsaid("a policy forwards each claim in one header"));
        }
    }
    Ok(read)
}

fn forwarded(node: &Node<'_>) -> Said<Forwarded> {
    let message = node.message(Known { read: &["header_name", "claim_name"], refused: &["claim_path"] })?;
    let (claim, header) = (message.need("claim_name")?, message.need("header_name")?);
    let known = FIELDS.iter().find(|(name, _)| claim.value.as_str() == Some(*name));
    let Some((_, field)) = known else {
        return Err(claim.unsaid("a policy forwards `sub`, `client_id`, `scope` and `sid` as Envoy does"));
    };
    let name = header.text()?.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.starts_with("x-") || !name.bytes().all(allowed) {
        return Err(header.unsaid("a policy forwards claims in headers that begin with `x-`"));
    }
    Ok(Forwarded { field, header: name })
}
