//! The configuration of a host: a policy, and a second one to try.

use super::error::Fault;
use super::read::{self, Member};
use super::{Policy, PolicyError};
use crate::json;

/// A policy with what stands beside it in one document.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The enforced policy.
    pub policy: Policy,
    /// The policy that is only evaluated, see [`Authorizer::with_shadow`](crate::Authorizer::with_shadow).
    pub shadow: Option<Policy>,
}

impl Bundle {
    /// Reads `{"policy": …, "shadow": …}`, or a policy file as it is.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        let document = json::parse(text).map_err(|error| PolicyError::json(text, error))?;
        bundle(&Member::root(&document)).map_err(|fault| PolicyError::at_line(text, fault))
    }
}

fn bundle(root: &Member<'_, '_>) -> Result<Bundle, Fault> {
    if root.get("policy").is_none() {
        return Ok(Bundle { policy: read::policy(root)?, shadow: None });
    }
    root.members(&["policy", "shadow"])?;
    let shadow = root.get("shadow").map(|shadow| read::policy(&shadow)).transpose()?;
    Ok(Bundle { policy: read::policy(&root.need("policy")?)?, shadow })
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    const POLICY: &str = r#"{ "version": 1,
  "issuers": [ { "issuer": "https://as.example", "audiences": ["a"], "keys": { "url": "https://as.example/k" } } ],
  "routes": [ { "methods": ["GET"], "path": "/", "public": true } ] }"#;

    #[test]
    fn a_policy_file_is_a_bundle_without_a_shadow() {
        assert!(Bundle::parse(POLICY.as_bytes()).unwrap().shadow.is_none());
        let wrapped = format!("{{\"policy\": {POLICY}}}");
        assert!(Bundle::parse(wrapped.as_bytes()).unwrap().shadow.is_none());
    }

    #[test]
    fn a_shadow_is_read_as_strictly_as_the_policy() {
        let good = format!("{{\"policy\": {POLICY},\n\"shadow\": {POLICY}}}");
        assert!(Bundle::parse(good.as_bytes()).unwrap().shadow.is_some());

        for (right, wrong, error) in [
            ("\"shadow\"", "\"shadows\"", "line 4, shadows: unknown member; known are `policy`, `shadow`"),
            (
                "/k\" } } ],\n  \"routes\": [ { \"methods\": [\"GET\"], \"path\": \"/\", \"public\": true } ] }}",
                "/k\" } } ], \"routes\": [] }}",
                "line 5, shadow.routes: must be a list",
            ),
        ] {
            assert!(good.contains(right), "{right}");
            let said = Bundle::parse(good.replace(right, wrong).as_bytes()).unwrap_err().to_string();
            assert!(said.contains(error), "{said}");
        }
    }
}
