//! `envoy.config.route.v3.HeaderMatcher`: of all headers a policy knows the method alone.

use super::string_match::{Kind, StringMatch};
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

const SPECIFIERS: [&str; 6] =
    ["exact_match", "prefix_match", "suffix_match", "contains_match", "string_match", "present_match"];

pub(crate) fn read(node: &Node<'_>) -> Said<Condition> {
    let message = node.message(Known {
        read: &[
            "name",
            "exact_match",
            "prefix_match",
            "suffix_match",
            "contains_match",
            "string_match",
            "present_match",
            "invert_match",
            "treat_missing_header_as_empty",
        ],
        refused: &["safe_regex_match", "range_match"],
    })?;
    let name = message.need("name")?;
    if !name.text()?.eq_ignore_ascii_case(":method") {
        return Err(name.unsaid("a policy cannot check headers other than `:method`"));
    }
    let method =
        |kind, text: &str| Condition::Method(StringMatch { kind, text: text.to_owned(), ignore_case: false });
    let condition = match message.one_of(&SPECIFIERS)? {
        // A header that is named only must be there, and every request has a method.
        None => Condition::Always,
        Some(("present_match", node)) => {
            if node.boolean()? {
                Condition::Always
            } else {
                Condition::Never
            }
        }
        Some(("string_match", node)) => Condition::Method(StringMatch::read(node)?),
        Some(("prefix_match", node)) => method(Kind::Prefix, node.text()?),
        Some(("suffix_match", node)) => method(Kind::Suffix, node.text()?),
        Some(("contains_match", node)) => method(Kind::Contains, node.text()?),
        Some((_, node)) => method(Kind::Exact, node.text()?),
    };
    let inverted = message.boolean("invert_match")?;
    Ok(if inverted { Condition::Not(Box::new(condition)) } else { condition })
}
