//! What Envoy asks of a request, in one form for both filters.

use super::envoy::claim::Claim;
use super::envoy::provider::Provider;
use super::envoy::string_match::StringMatch;
use super::formula::Formula;

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Always,
    Never,
    /// Recorded in the report: a policy cannot ask this.
    Unsaid,
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// The path without its query is this.
    Path(String),
    /// The path without its query begins like this.
    Prefix(String),
    Method(StringMatch),
    Claim(Claim),
}

/// A kind of request. Its path may end with a character that no configuration holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Whose payload stands in the metadata.
    pub(super) payload: Option<&'a Provider>,
}

impl Condition {
    /// What a token must hold for this to be true of the request.
    pub(super) fn formula(&self, request: Request<'_>) -> Formula {
        self.signed(request, true)
    }

    /// The same, or with `affirmed` false, for this to be untrue.
    fn signed(&self, request: Request<'_>, affirmed: bool) -> Formula {
        let constant = |truth: bool| Formula::from(truth == affirmed);
        match self {
            Self::Always => constant(true),
            Self::Never => constant(false),
            Self::Unsaid => Formula::Unsaid,
            Self::Not(inner) => inner.signed(request, !affirmed),
            Self::All(parts) | Self::Any(parts) => {
                let parts = parts.iter().map(|part| part.signed(request, affirmed));
                // De Morgan
                if matches!(self, Self::All(_)) == affirmed {
                    Formula::all(parts)
                } else {
                    Formula::any(parts)
                }
            }
            Self::Path(path) => constant(path == request.path),
            Self::Prefix(prefix) => constant(request.path.starts_with(prefix)),
            Self::Method(matcher) => constant(matcher.matches(request.method)),
            Self::Claim(claim) => match claim.formula(request.payload) {
                Formula::True => constant(true),
                Formula::False => constant(false),
                // No route asks that a token lacks something.
                held if affirmed => held,
                _ => Formula::Unsaid,
            },
        }
    }

    /// Calls `visit` for every part that is no combination of others.
    pub(super) fn visit(&self, visit: &mut impl FnMut(&Self)) {
        match self {
            Self::Not(inner) => inner.visit(visit),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(visit)),
            leaf => visit(leaf),
        }
    }
}

/// What the first row whose condition is true says. Where that is not known, all of the candidates must agree.
pub(super) fn first_match<T>(
    rows: &[(Condition, T)],
    request: Request<'_>,
    says: &dyn Fn(&T) -> Formula,
    otherwise: &dyn Fn() -> Formula,
) -> Formula {
    let mut candidates = Vec::new();
    for (condition, row) in rows {
        match condition.formula(request) {
            Formula::False => {}
            Formula::True => {
                candidates.push(says(row));
                return Formula::all(candidates);
            }
            _ => candidates.push(says(row)),
        }
    }
    candidates.push(otherwise());
    Formula::all(candidates)
}
