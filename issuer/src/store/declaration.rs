//! What it takes to bring the database to a declaration. Decided here; carried out by either database.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Entry;
use super::{
    Actor, Applied, ApplyError, Declaration, DeclaredClient, DeclaredRole, DeclaredScope, GrantType,
};

/// What the database says now, by name.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) scopes: BTreeMap<String, DeclaredScope>,
    pub(super) roles: BTreeMap<String, DeclaredRole>,
    pub(super) clients: BTreeMap<String, KnownClient>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct KnownClient {
    pub(super) name: String,
    pub(super) public: bool,
    pub(super) enabled: bool,
    pub(super) grants: BTreeSet<GrantType>,
    pub(super) scopes: BTreeSet<String>,
    pub(super) default_scopes: BTreeSet<String>,
    pub(super) origins: BTreeSet<String>,
}

/// The changes, in the order in which they may be made.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) scopes: Vec<PlannedScope<'a>>,
    pub(super) roles: Vec<&'a DeclaredRole>,
    pub(super) clients: Vec<PlannedClient<'a>>,
    /// Roles that lose a scope: the tokens of their users are revoked.
    pub(super) reduced_roles: Vec<String>,
    /// Clients that lose a scope or are disabled: their tokens are revoked.
    pub(super) reduced_clients: Vec<String>,
    pub(super) applied: Applied,
}

#[derive(Debug)]
pub(super) struct PlannedScope<'a> {
    pub(super) scope: &'a DeclaredScope,
    pub(super) is_new: bool,
}

#[derive(Debug)]
pub(super) struct PlannedClient<'a> {
    pub(super) client: &'a DeclaredClient,
    /// The client is new and confidential: it takes its first secret.
    pub(super) takes_secret: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(declaration: &'a Declaration, known: &Known) -> Result<Self, ApplyError> {
        let mut plan = Self::default();
        let mut seen = BTreeSet::new();
        let mut once = |what: &str| match seen.insert(what.to_owned()) {
            true => Ok(()),
            false => Err(ApplyError::Twice { what: what.to_owned() }),
        };

        for scope in &declaration.scopes {
            once(&format!("scope `{}`", scope.name))?;
            plan.scope(scope, known);
        }
        let scopes: BTreeSet<&str> = known
            .scopes
            .keys()
            .map(String::as_str)
            .chain(declaration.scopes.iter().map(|scope| scope.name.as_str()))
            .collect();
        for role in &declaration.roles {
            let holder = format!("role `{}`", role.name);
            once(&holder)?;
            all_known(&holder, &role.scopes, &scopes)?;
            plan.role(role, known);
        }
        for client in &declaration.clients {
            let holder = format!("client `{}`", client.client_id);
            once(&holder)?;
            all_known(&holder, &client.scopes, &scopes)?;
            plan.client(client, known)?;
        }
        Ok(plan)
    }

    fn scope(&mut self, scope: &'a DeclaredScope, known: &Known) {
        let before = known.scopes.get(&scope.name);
        if before != Some(scope) {
            let is_new = before.is_none();
            self.scopes.push(PlannedScope { scope, is_new });
            self.note(is_new, "scope", &scope.name);
        }
    }

    fn role(&mut self, role: &'a DeclaredRole, known: &Known) {
        let before = known.roles.get(&role.name);
        if before == Some(role) {
            return;
        }
        self.roles.push(role);
        self.note(before.is_none(), "role", &role.name);
        if before.is_some_and(|before| !before.scopes.is_subset(&role.scopes)) {
            self.reduced_roles.push(role.name.clone());
        }
    }

    fn client(&mut self, client: &'a DeclaredClient, known: &Known) -> Result<(), ApplyError> {
        if let Some(scope) = client.default_scopes.difference(&client.scopes).next() {
            return Err(ApplyError::DefaultScope {
                client_id: client.client_id.clone(),
                scope: scope.clone(),
            });
        }
        let before = known.clients.get(&client.client_id);
        if let Some(before) = before
            && before.public != client.public
        {
            return Err(ApplyError::ClientKind {
                client_id: client.client_id.clone(),
                stored: kind(before.public),
                declared: kind(client.public),
            });
        }
        if before.is_some_and(|before| *before == KnownClient::from(client)) {
            return Ok(());
        }

        let takes_secret = before.is_none() && !client.public;
        self.clients.push(PlannedClient { client, takes_secret });
        self.note(before.is_none(), "client", &client.client_id);
        if takes_secret {
            self.applied.secrets_taken.push(client.client_id.clone());
        }
        if before.is_some_and(|before| {
            !before.scopes.is_subset(&client.scopes) || (before.enabled && !client.enabled)
        }) {
            self.reduced_clients.push(client.client_id.clone());
        }
        Ok(())
    }

    fn note(&mut self, is_new: bool, what: &str, name: &str) {
        let list = if is_new { &mut self.applied.created } else { &mut self.applied.updated };
        list.push(format!("{what} {name}"));
    }

    /// One audit row per change.
    pub(super) fn entries(&self, actor: &Actor) -> Vec<Entry> {
        let created = self.applied.created.iter().map(|what| (what, "created"));
        let updated = self.applied.updated.iter().map(|what| (what, "updated"));
        created
            .chain(updated)
            .filter_map(|(what, verb)| {
                let (kind, name) = what.split_once(' ')?;
                Some(Entry::new(actor, format!("{kind}.{verb}"), name))
            })
            .collect()
    }
}

impl From<&DeclaredClient> for KnownClient {
    fn from(client: &DeclaredClient) -> Self {
        Self {
            name: client.name.clone(),
            public: client.public,
            enabled: client.enabled,
            grants: client.grants.clone(),
            scopes: client.scopes.clone(),
            default_scopes: client.default_scopes.clone(),
            origins: client.origins.clone(),
        }
    }
}

fn all_known(holder: &str, scopes: &BTreeSet<String>, known: &BTreeSet<&str>) -> Result<(), ApplyError> {
    match scopes.iter().find(|scope| !known.contains(scope.as_str())) {
        None => Ok(()),
        Some(scope) => Err(ApplyError::UnknownScope { holder: holder.to_owned(), scope: scope.clone() }),
    }
}

fn kind(public: bool) -> &'static str {
    if public { "public" } else { "confidential" }
}
