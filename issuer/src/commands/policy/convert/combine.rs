//! Envoy asks both filters in turn; a policy says it in one route.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::proto::set;

/// Where a rule applies.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    /// As in a policy: literal, or with `{*rest}` at the end.
    pub(super) path: String,
    pub(super) method: String,
}

/// What jwt_authn asks for there.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) places: Vec<Place>,
    pub(super) needs_token: bool,
}

/// What an ALLOW policy of rbac lets through.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) name: String,
    pub(super) places: Vec<Place>,
    pub(super) needs: Needs,
}

/// Every one of `all`, at least one of `any`, and one of the roles.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Needs {
    pub(super) all: Vec<String>,
    pub(super) any: Vec<String>,
    pub(super) roles: Vec<String>,
}

impl Needs {
    const fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty() && self.roles.is_empty()
    }
}

pub(super) const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// The paths that a prefix means, for each of these methods. One that ends with a slash does not mean what is before it.
pub(super) fn below(prefix: &str, methods: &[String]) -> Vec<Place> {
    let directory = prefix.trim_end_matches('/');
    let own = match (directory, prefix) {
        ("", _) => Some("/"),
        (directory, prefix) => Some(directory).filter(|_| !prefix.ends_with('/')),
    };
    let rest = format!("{directory}/{{*rest}}");
    own.into_iter().chain([rest.as_str()]).flat_map(|path| at(path, methods)).collect()
}

pub(super) fn at(path: &str, methods: &[String]) -> Vec<Place> {
    methods.iter().map(|method| Place { path: path.to_owned(), method: method.clone() }).collect()
}

/// Routes as a policy has them. Without grants nobody asks after scopes.
pub(super) fn routes(rules: &[Rule], grants: Option<&[Grant]>, notes: &mut Vec<String>) -> Value {
    let mut routes: BTreeMap<Place, Value> = BTreeMap::new();
    let everywhere = below("/", &METHODS.map(str::to_owned));
    let anybody = [Grant { name: String::new(), places: everywhere.clone(), needs: Needs::default() }];
    let grants = grants.unwrap_or(&anybody);
    // Where no rule matches, jwt_authn lets everything through.
    let otherwise = Rule { places: everywhere.clone(), needs_token: false };
    let rules: Vec<&Rule> = rules.iter().chain([&otherwise]).collect();
    for grant in grants {
        for place in &grant.places {
            if !everywhere.iter().any(|known| known.method == place.method) {
                notes.push(format!("{}: the method {} is left out", grant.name, place.method));
            }
            for (at, rule) in rules.iter().enumerate() {
                let earlier = rules.iter().take(at).flat_map(|rule| &rule.places);
                for common in rule.places.iter().filter_map(|other| common(place, other)) {
                    // The first rule decides, however narrow the later ones.
                    if !earlier.clone().any(|other| other.covers(&common)) {
                        add(&mut routes, common, (rule, grant), notes);
                    }
                }
            }
        }
    }
    alternatives(grants, notes);
    grouped(routes)
}

/// A caller whom only the wider of two grants lets through is refused where the narrower one is a route.
fn alternatives(grants: &[Grant], notes: &mut Vec<String>) {
    for wide in grants {
        for narrow in grants.iter().filter(|narrow| narrow.needs != wide.needs) {
            let inside = |place: &Place| {
                wide.places.iter().any(|other| other.path != place.path && other.covers(place))
            };
            if let Some(place) = narrow.places.iter().find(|place| inside(place)) {
                notes.push(format!(
                    "{}: it no longer opens {} {}, for which {} has a route",
                    wide.name, place.method, place.path, narrow.name
                ));
            }
        }
    }
}

/// The first rule for a place decides, as in Envoy; a second grant is an alternative, which a route cannot hold.
fn add(
    routes: &mut BTreeMap<Place, Value>,
    place: Place,
    (rule, grant): (&Rule, &Grant),
    notes: &mut Vec<String>,
) {
    let access = match (rule.needs_token, grant.needs.is_empty()) {
        (true, true) => json!({ "authenticated": true }),
        (true, false) => access(&grant.needs),
        (false, true) => json!({ "public": true }),
        // No token was read, so rbac sees no claims and refuses.
        (false, false) => return,
    };
    match routes.get(&place) {
        Some(before) if *before != access && !grant.name.is_empty() => notes.push(format!(
            "{}: {} {} is let through for another reason as well; only the first stands in the policy",
            grant.name, place.method, place.path
        )),
        Some(_) => {}
        None => {
            routes.insert(place, access);
        }
    }
}

fn access(needs: &Needs) -> Value {
    let Needs { all, any, roles } = needs;
    let mut scopes = json!({});
    for (name, listed) in [("all", all), ("any", any)] {
        if !listed.is_empty() {
            set(&mut scopes, name, listed.clone());
        }
    }
    let mut access = if all.is_empty() && any.is_empty() {
        json!({ "authenticated": true })
    } else {
        json!({ "require": scopes })
    };
    if !roles.is_empty() {
        set(&mut access, "roles", roles.clone());
    }
    access
}

/// Where both apply: the narrower of two, if it lies within the other.
fn common(one: &Place, other: &Place) -> Option<Place> {
    match (one.covers(other), other.covers(one)) {
        (true, _) => Some(other.clone()),
        (_, true) => Some(one.clone()),
        _ => None,
    }
}

impl Place {
    fn covers(&self, narrow: &Self) -> bool {
        let paths = match self.path.strip_suffix("{*rest}") {
            Some(directory) => narrow.path.strip_prefix(directory).is_some_and(|rest| !rest.is_empty()),
            None => self.path == narrow.path,
        };
        paths && self.method == narrow.method
    }
}

/// Methods of one path that need the same, in one route.
fn grouped(routes: BTreeMap<Place, Value>) -> Value {
    let mut grouped: Vec<(String, Vec<String>, Value)> = Vec::new();
    for (Place { path, method }, access) in routes {
        match grouped.iter_mut().find(|(other, _, needs)| *other == path && *needs == access) {
            Some((_, methods, _)) => methods.push(method),
            None => grouped.push((path, vec![method], access)),
        }
    }
    let route = |(path, methods, mut access): (String, Vec<String>, Value)| {
        set(&mut access, "methods", methods);
        set(&mut access, "path", path);
        access
    };
    grouped.into_iter().map(route).collect()
}
