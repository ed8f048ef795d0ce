//! `envoy.type.matcher.v3.MetadataMatcher`: what rbac asks of the claims that jwt_authn leaves.

use super::claim::{Claim, Test};
use super::provider::Provider;
use super::string_match::{Kind, StringMatch};
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::formula::{Formula, Held};
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;
use crate::commands::policy::convert::sayable;

pub(crate) fn read(node: &Node<'_>, providers: &[Provider]) -> Said<Condition> {
    let message = node.message(Known { read: &["filter", "path", "value", "invert"], refused: &[] })?;
    let filter = message.need("filter")?;
    if filter.text()? != NAMESPACE {
        return Err(filter.unsaid(&format!("a policy cannot check metadata other than {NAMESPACE}")));
    }
    let path = message.need("path")?;
    let segments: Said<Vec<&str>> = path.items()?.iter().map(segment).collect();
    let (payload, claim) = match segments?.as_slice() {
        [payload] => (*payload, None),
        [payload, claim] => (*payload, Some(*claim)),
        _ => return Err(path.unsaid("a policy cannot check nested claims")),
    };
    let tests = tests(message.need("value")?)?;
    let named = |test| Claim { payload: payload.to_owned(), name: claim.map(str::to_owned), test };
    let claims: Vec<Claim> = tests.into_iter().map(named).collect();
    check(&claims, providers, node)?;
    let any = Condition::Any(claims.into_iter().map(Condition::Claim).collect());
    Ok(if message.boolean("invert")? { Condition::Not(Box::new(any)) } else { any })
}

/// The namespace of jwt_authn, whatever the filter is called.
const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

fn segment<'a>(node: &Node<'a>) -> Said<&'a str> {
    node.message(Known { read: &["key"], refused: &[] })?.need("key")?.text()
}

/// `ValueMatcher`: one of several tests.
fn tests(node: &Node<'_>) -> Said<Vec<Test>> {
    let message = node.message(Known {
        read: &["string_match", "list_match", "present_match", "or_match"],
        refused: &["null_match", "double_match", "bool_match"],
    })?;
    let set = message.one_of(&["string_match", "list_match", "present_match", "or_match"])?;
    match set {
        Some(("string_match", text)) => Ok(vec![Test::Text(StringMatch::read(text)?)]),
        Some(("present_match", present)) if present.boolean()? => Ok(vec![Test::Present]),
        // Envoy reads `false` as "never", even where the claim is absent.
        Some(("present_match", present)) => Err(present.unsaid("must be true")),
        Some(("list_match", list)) => {
            let list = list.message(Known { read: &["one_of"], refused: &[] })?;
            let item = list.need("one_of")?;
            let item = item.message(Known {
                read: &["string_match"],
                refused: &[
                    "null_match",
                    "double_match",
                    "bool_match",
                    "present_match",
                    "list_match",
                    "or_match",
                ],
            })?;
            Ok(vec![Test::Item(StringMatch::read(item.need("string_match")?)?)])
        }
        Some((_, any)) => {
            let any = any.message(Known { read: &["value_matchers"], refused: &[] })?;
            let each: Said<Vec<Vec<Test>>> = any.items("value_matchers")?.iter().map(tests).collect();
            Ok(each?.into_iter().flatten().collect())
        }
        None => Err(node.unsaid("must have a value to compare with")),
    }
}

/// Records claims that a policy cannot ask for, and those that it asks for more strictly.
fn check(claims: &[Claim], providers: &[Provider], node: &Node<'_>) -> Said<()> {
    for provider in providers {
        let formulas: Vec<Formula> = claims.iter().map(|claim| claim.formula(Some(provider))).collect();
        let unsaid = claims.iter().zip(&formulas).find(|(_, formula)| !is_sayable(formula));
        if let Some((claim, _)) = unsaid {
            return Err(node.unsaid(&claim.why_not(provider)));
        }
        // A claim of a type that no accepted token has: Envoy's tokens must be others.
        let written = claims.iter().find(|claim| provider.payload.as_deref() == Some(&claim.payload));
        let never = formulas.iter().all(|formula| *formula == Formula::False);
        if let Some(claim) =
            written.filter(|claim| never && matches!(claim.name.as_deref(), Some("scope" | "roles")))
        {
            return Err(node.unsaid(&claim.why_not(provider)));
        }
        for claim in claims {
            if let (Formula::Holds(_), Test::Text(StringMatch { kind: Kind::Contains, text, .. })) =
                (claim.formula(Some(provider)), &claim.test)
            {
                node.report.note(format!("{}: the scope {text} is compared whole", node.place));
            }
        }
    }
    Ok(())
}

fn is_sayable(formula: &Formula) -> bool {
    match formula {
        Formula::Holds(Held::Scope(scope)) => sayable::scope(scope),
        formula => *formula != Formula::Unsaid,
    }
}
