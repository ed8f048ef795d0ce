//! The differences that a change made in a user, role, scope or client, member by member. `None` stands for an object that
//! did not exist before, or does not exist any more.

use std::collections::BTreeSet;

use crate::store::{
    ClientProfile, DeclaredClient, DeclaredRole, DeclaredScope, Difference, GrantType, Profile,
};

pub(super) fn of_users(before: Option<&Profile>, after: Option<&Profile>) -> Vec<Difference> {
    let text = |of: fn(&Profile) -> &str| (before.map(of), after.map(of));
    let (username, enabled) = (text(|user| &user.username), text(|user| flag(user.enabled)));
    let email = |user: Option<&'_ Profile>| user.and_then(|user| user.email.clone());
    let roles = |user: Option<&Profile>| user.map(|user| user.roles.clone()).unwrap_or_default();
    [
        Difference::of_values("username", username.0, username.1),
        Difference::of_values("email", email(before).as_deref(), email(after).as_deref()),
        Difference::of_values("enabled", enabled.0, enabled.1),
        Difference::of_sets("roles", &roles(before), &roles(after)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn of_roles(before: Option<&DeclaredRole>, after: Option<&DeclaredRole>) -> Vec<Difference> {
    let description = |role: Option<&DeclaredRole>| role.map(|role| role.description.clone());
    let scopes = |role: Option<&DeclaredRole>| role.map(|role| role.scopes.clone()).unwrap_or_default();
    [
        Difference::of_values("description", description(before).as_deref(), description(after).as_deref()),
        Difference::of_sets("scopes", &scopes(before), &scopes(after)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn of_scopes(before: Option<&DeclaredScope>, after: Option<&DeclaredScope>) -> Vec<Difference> {
    let text = |of: fn(&DeclaredScope) -> &str| (before.map(of), after.map(of));
    let (description, resource) = (text(|scope| &scope.description), text(|scope| &scope.resource));
    [
        Difference::of_values("description", description.0, description.1),
        Difference::of_values("resource", resource.0, resource.1),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The members of a client, whether it is stored or declared.
#[derive(Clone, Copy)]
pub(super) struct ClientMembers<'a> {
    name: &'a str,
    public: bool,
    enabled: bool,
    grants: &'a BTreeSet<GrantType>,
    scopes: &'a BTreeSet<String>,
    default_scopes: &'a BTreeSet<String>,
    origins: &'a BTreeSet<String>,
    forwards_user_address: bool,
}

pub(super) fn of_clients(before: Option<ClientMembers>, after: Option<ClientMembers>) -> Vec<Difference> {
    let text = |of: fn(ClientMembers) -> &str| (before.map(of), after.map(of));
    let [name, public, enabled] =
        [text(|client| client.name), text(|client| flag(client.public)), text(|client| flag(client.enabled))];
    let (no_grants, none) = (BTreeSet::new(), BTreeSet::new());
    let grants = |client: Option<ClientMembers>| client.map_or(&no_grants, |client| client.grants).clone();
    let set = |client: Option<ClientMembers>, of: fn(ClientMembers) -> &BTreeSet<String>| {
        client.map_or(&none, of).clone()
    };
    let sets = |member, of: fn(ClientMembers) -> &BTreeSet<String>| {
        Difference::of_sets(member, &set(before, of), &set(after, of))
    };
    let forwards =
        |client: Option<ClientMembers>| flag(client.is_some_and(|client| client.forwards_user_address));
    [
        Difference::of_values("name", name.0, name.1),
        Difference::of_values("public", public.0, public.1),
        Difference::of_values("enabled", enabled.0, enabled.1),
        Difference::of_sets("grants", &grants(before), &grants(after)),
        sets("scopes", |client| client.scopes),
        sets("default_scopes", |client| client.default_scopes),
        sets("origins", |client| client.origins),
        Difference::of_values("forwards_user_address", Some(forwards(before)), Some(forwards(after))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl<'a> From<&'a ClientProfile> for ClientMembers<'a> {
    fn from(client: &'a ClientProfile) -> Self {
        Self {
            name: &client.name,
            public: client.public,
            enabled: client.enabled,
            grants: &client.grants,
            scopes: &client.scopes,
            default_scopes: &client.default_scopes,
            origins: &client.origins,
            forwards_user_address: client.forwards_user_address,
        }
    }
}

impl<'a> From<&'a DeclaredClient> for ClientMembers<'a> {
    fn from(client: &'a DeclaredClient) -> Self {
        Self {
            name: &client.name,
            public: client.public,
            enabled: client.enabled,
            grants: &client.grants,
            scopes: &client.scopes,
            default_scopes: &client.default_scopes,
            origins: &client.origins,
            forwards_user_address: client.forwards_user_address,
        }
    }
}
