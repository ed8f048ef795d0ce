//! A question about the claims of a verified token.

use super::provider::Provider;
use super::string_match::{Kind, StringMatch};
use crate::commands::policy::convert::formula::{Formula, Held};

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The key of the metadata that jwt_authn writes the payload to.
    pub(crate) payload: String,
    /// `None` asks about the payload as a whole.
    pub(crate) name: Option<String>,
    pub(crate) test: Test,
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Present,
    /// The value is a text that matches.
    Text(StringMatch),
    /// The value is a list in which a text matches.
    Item(StringMatch),
}

impl Claim {
    /// What a token must hold, given whose payload stands in the metadata. The policy has verified the token, so claims
    /// of RFC 9068 are there and have their types.
    pub(crate) fn formula(&self, payload: Option<&Provider>) -> Formula {
        let Some(provider) = payload.filter(|provider| provider.payload.as_deref() == Some(&self.payload))
        else {
            return Formula::False;
        };
        match (self.name.as_deref(), &self.test) {
            (None, Test::Present) => Formula::True,
            // The payload is an object.
            (None, _) => Formula::False,
            (Some("sub" | "client_id" | "jti" | "exp" | "iat" | "aud"), Test::Present) => Formula::Accepted,
            (Some("iss"), test) => match (&provider.issuer, test) {
                (None, _) => Formula::Unsaid,
                (Some(_), Test::Item(_)) => Formula::False,
                (Some(_), Test::Present) => Formula::True,
                (Some(issuer), Test::Text(text)) => Formula::from(text.matches(issuer)),
            },
            (Some("scope"), test) => scope(provider, test),
            // A policy refuses a token whose roles are no list of texts.
            (Some("roles"), Test::Text(_)) => Formula::False,
            (Some("roles"), Test::Item(text)) => match text.only().filter(|role| !role.is_empty()) {
                Some(role) => Formula::Holds(Held::Role(role.to_owned())),
                None => Formula::Unsaid,
            },
            _ => Formula::Unsaid,
        }
    }

    /// Why a policy cannot ask this.
    pub(super) fn why_not(&self, provider: &Provider) -> String {
        match self.name.as_deref() {
            Some("scope") if !provider.splits_scope => {
                "`scope` is one text here: a policy can ask for a scope in it, as `contains` does, \
                 or as `list_match` does with `normalize_payload_in_metadata`"
                    .to_owned()
            }
            Some("scope") => {
                "a policy can require one whole scope, as `list_match` with `exact` does".to_owned()
            }
            Some("roles") => {
                "a policy can require one whole role, as `list_match` with `exact` does".to_owned()
            }
            Some(other) => format!("a policy can require only the claims `scope` and `roles`, not `{other}`"),
            None => "a policy can require only the claims `scope` and `roles`".to_owned(),
        }
    }
}

fn scope(provider: &Provider, test: &Test) -> Formula {
    match test {
        // A list in the metadata is no text, and the text of a token that the policy accepts is no list.
        Test::Text(_) if provider.splits_scope => Formula::False,
        Test::Item(_) if !provider.splits_scope => Formula::False,
        Test::Item(text) => text.only().map_or(Formula::Unsaid, held),
        // Who has the scope has a text that contains it.
        Test::Text(StringMatch { kind: Kind::Contains, text, ignore_case: false }) => held(text),
        _ => Formula::Unsaid,
    }
}

fn held(scope: &str) -> Formula {
    Formula::Holds(Held::Scope(scope.to_owned()))
}
