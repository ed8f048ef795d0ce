//! rbac on the claims that jwt_authn left: an ALLOW policy becomes a grant.

use serde_json::{Value, json};

use super::combine::{Grant, METHODS, Needs, Place, at, below};
use super::proto::{entries, items, member, text};

/// `None`: no filter asks for anything.
pub(super) fn grants(filters: &[&Value], notes: &mut Vec<String>) -> Option<Vec<Grant>> {
    let mut grants = None;
    for rules in filters.iter().filter_map(|filter| member(filter, "rules")) {
        if text(rules, "action").is_some_and(|action| action != "ALLOW") {
            notes.push(
                "rbac: rules of another action than ALLOW are left out; a policy denies by default"
                    .to_owned(),
            );
            continue;
        }
        let grants = grants.get_or_insert_with(Vec::new);
        for (name, policy) in entries(rules, "policies") {
            match grant(name, policy) {
                Some(grant) => grants.push(grant),
                None => notes.push(format!(
                    "rbac policy {name}: left out, and so denied; it asks for more than path, method, scopes and roles"
                )),
            }
        }
    }
    grants
}

fn grant(name: &str, policy: &Value) -> Option<Grant> {
    if member(policy, "condition").is_some() {
        return None;
    }
    let mut places = Vec::new();
    for permission in items(policy, "permissions") {
        places.extend(Permission::read(permission)?.places());
    }
    let principals = items(policy, "principals");
    let needs = match principals {
        [one] => needs(one)?,
        several => any_of(several)?,
    };
    Some(Grant { name: format!("rbac policy {name}"), places, needs })
}

/// Conditions that must all hold.
#[derive(Debug, Default)]
struct Permission {
    /// A literal, or a prefix.
    path: Option<(String, bool)>,
    methods: Option<Vec<String>>,
}

impl Permission {
    fn read(permission: &Value) -> Option<Self> {
        let mut read = Self::default();
        read.add(permission)?;
        Some(read)
    }

    /// `None`: it asks for something else, or for the same thing twice.
    fn add(&mut self, permission: &Value) -> Option<()> {
        if member(permission, "any") == Some(&json!(true)) {
            return Some(());
        }
        if let Some(all) = member(permission, "and_rules") {
            return items(all, "rules").iter().try_for_each(|rule| self.add(rule));
        }
        if let Some(any) = member(permission, "or_rules") {
            let methods: Option<Vec<_>> = items(any, "rules").iter().map(method).collect();
            return none(self.methods.replace(methods?));
        }
        if let Some(path) = member(permission, "url_path").and_then(|url| member(url, "path")) {
            let literal = text(path, "exact").map(|path| (path.to_owned(), false));
            let prefix = || text(path, "prefix").map(|path| (path.to_owned(), true));
            return none(self.path.replace(literal.or_else(prefix)?));
        }
        none(self.methods.replace(vec![method(permission)?]))
    }

    fn places(&self) -> Vec<Place> {
        let all = || METHODS.map(str::to_owned).to_vec();
        let methods = self.methods.clone().unwrap_or_else(all);
        match &self.path {
            Some((path, false)) => at(path, &methods),
            Some((prefix, true)) => below(prefix, &methods),
            None => below("/", &methods),
        }
    }
}

fn none<T>(before: Option<T>) -> Option<()> {
    before.is_none().then_some(())
}

fn method(permission: &Value) -> Option<String> {
    let header = member(permission, "header").filter(|header| text(header, "name") == Some(":method"))?;
    let exact = member(header, "string_match").and_then(|matcher| text(matcher, "exact"));
    exact.or_else(|| text(header, "exact_match")).map(str::to_owned)
}

fn needs(principal: &Value) -> Option<Needs> {
    if member(principal, "any") == Some(&json!(true)) {
        return Some(Needs::default());
    }
    if let Some(all) = member(principal, "and_ids") {
        let mut together = Needs::default();
        for part in items(all, "ids") {
            let Needs { all, any, roles } = needs(part)?;
            // A policy holds one list of alternatives of each kind.
            if !(any.is_empty() || together.any.is_empty())
                || !(roles.is_empty() || together.roles.is_empty())
            {
                return None;
            }
            together.all.extend(all);
            together.any.extend(any);
            together.roles.extend(roles);
        }
        return Some(together);
    }
    if let Some(any) = member(principal, "or_ids") {
        return any_of(items(any, "ids"));
    }
    claim(principal)
}

/// Alternatives of single scopes, or of roles.
fn any_of(principals: &[Value]) -> Option<Needs> {
    let each: Option<Vec<Needs>> = principals.iter().map(needs).collect();
    let mut together = Needs::default();
    for Needs { all, any, roles } in each? {
        if all.len() + any.len() + roles.len() != 1 {
            return None;
        }
        together.any.extend(all.into_iter().chain(any));
        together.roles.extend(roles);
    }
    (together.any.is_empty() != together.roles.is_empty()).then_some(together)
}

/// A scope or a role among the claims. A text that only contains it is the usual way to ask, and means the scope itself.
fn claim(principal: &Value) -> Option<Needs> {
    let asked = member(principal, "metadata")?;
    if text(asked, "filter") != Some("envoy.filters.http.jwt_authn") {
        return None;
    }
    let name = text(items(asked, "path").last()?, "key")?;
    let value = member(asked, "value")?;
    let in_list = member(value, "list_match").and_then(|list| member(list, "one_of"));
    let matcher = member(in_list.unwrap_or(value), "string_match")?;
    let held = text(matcher, "exact").or_else(|| text(matcher, "contains"))?.to_owned();
    match name {
        "scope" | "scopes" | "scp" => Some(Needs { all: vec![held], ..Needs::default() }),
        "roles" => Some(Needs { roles: vec![held], ..Needs::default() }),
        _ => None,
    }
}
