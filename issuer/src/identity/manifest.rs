//! Brings scopes, roles and clients to what a file says: judged as a whole, then carried out step by step.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::differences;
use super::rules::{self, ADMINISTRATOR, CONSOLE};
use crate::rbac;
use crate::store::{
    self, Actor, Applied, ApplyError, ClientProfile, Declaration, DeclaredClient, DeclaredRole,
    DeclaredScope, Deleted, Difference, Entry, Event, Page, Result, Revoked, ScopeChange, Store, Transaction,
    Updated,
};

/// Brings scopes, roles and clients to what the declaration says, in one transaction.
pub async fn apply(
    store: &Store,
    by: &Actor,
    declaration: &Declaration,
) -> Result<std::result::Result<Applied, ApplyError>> {
    let (by, declaration) = (by.clone(), declaration.clone());
    let work = async move |mut transaction: Transaction| {
        transaction.lock_rights().await?;
        let outcome = carry_out(&mut transaction, &by, &declaration).await?;
        if outcome.is_ok() {
            transaction.commit().await?;
        }
        Ok(outcome)
    };
    store.administration().write_patiently(work).await
}

/// Does what `apply` does, and takes it back.
pub async fn dry_run(
    store: &Store,
    by: &Actor,
    declaration: &Declaration,
) -> Result<std::result::Result<Applied, ApplyError>> {
    let (by, declaration) = (by.clone(), declaration.clone());
    let work = async move |mut transaction: Transaction| {
        transaction.lock_rights().await?;
        carry_out(&mut transaction, &by, &declaration).await
    };
    store.administration().write_patiently(work).await
}

async fn carry_out(
    transaction: &mut Transaction,
    by: &Actor,
    declaration: &Declaration,
) -> Result<std::result::Result<Applied, ApplyError>> {
    let known = Known::read(transaction).await?;
    if let Err(error) = judge(declaration, &known) {
        return Ok(Err(error));
    }

    let administrator = declaration.roles.iter().find(|role| role.name == ADMINISTRATOR);
    let mut work = Work {
        transaction,
        by,
        administrator,
        undeclared: known,
        applied: Applied::default(),
        books: Books::default(),
    };
    for scope in &declaration.scopes {
        work.scope(scope).await?;
    }
    for role in &declaration.roles {
        work.role(role).await?;
    }
    for client in &declaration.clients {
        work.client(client).await?;
    }
    if declaration.prune {
        work.prune().await?;
    }
    work.close().await.map(Ok)
}

/// The objects in the database, by name.
struct Known {
    scopes: BTreeMap<String, DeclaredScope>,
    roles: BTreeMap<String, DeclaredRole>,
    clients: BTreeMap<String, ClientProfile>,
}

impl Known {
    async fn read(transaction: &mut Transaction) -> Result<Self> {
        let all = Page { after: String::new(), limit: i64::MAX };
        let (scopes, roles, clients) = (
            transaction.scopes(&all).await?,
            transaction.roles(&all).await?,
            transaction.clients(&all).await?,
        );
        Ok(Self {
            scopes: scopes.into_iter().map(|scope| (scope.name.clone(), scope)).collect(),
            roles: roles.into_iter().map(|role| (role.name.clone(), role)).collect(),
            clients: clients.into_iter().map(|client| (client.client_id.clone(), client)).collect(),
        })
    }
}

/// Whatever is wrong is found before anything is changed.
fn judge(declaration: &Declaration, known: &Known) -> std::result::Result<(), ApplyError> {
    let mut seen = BTreeSet::new();
    let mut once = |what: String| {
        if seen.insert(what.clone()) { Ok(what) } else { Err(ApplyError::Twice { what }) }
    };
    for scope in &declaration.scopes {
        let what = once(format!("scope `{}`", scope.name))?;
        if rules::is_own_scope(&scope.name, &scope.resource) && known.scopes.get(&scope.name) != Some(scope) {
            return Err(ApplyError::BuiltIn { what });
        }
    }
    for role in &declaration.roles {
        let what = once(format!("role `{}`", role.name))?;
        still_administers(role, known)?;
        all_exist(what, &role.scopes, (declaration, known))?;
    }
    for client in &declaration.clients {
        let what = once(format!("client `{}`", client.client_id))?;
        all_exist(what, &client.scopes, (declaration, known))?;
        can_be(client, known.clients.get(&client.client_id))?;
        still_logs_administrators_in(client, known)?;
    }
    Ok(())
}

/// Checks that the built-in role keeps Keystone's own scopes, without which there would be no administrator.
fn still_administers(role: &DeclaredRole, known: &Known) -> std::result::Result<(), ApplyError> {
    let before = known.roles.get(&role.name).filter(|_| role.name == ADMINISTRATOR);
    let needed = |scope: &&String| store::is_needed(scope);
    let lost = before.and_then(|before| before.scopes.difference(&role.scopes).find(needed));
    lost.map_or(Ok(()), |scope| Err(ApplyError::Administrator { scope: scope.clone() }))
}

/// Administrators log in with the built-in client, whatever else it is to be.
fn still_logs_administrators_in(
    client: &DeclaredClient,
    known: &Known,
) -> std::result::Result<(), ApplyError> {
    let all = known.scopes.keys().cloned().collect();
    let lacks = store::console_lacks(client, &all).filter(|_| client.client_id == CONSOLE);
    lacks.map_or(Ok(()), |lacks| Err(ApplyError::Console { lacks }))
}

fn all_exist(
    holder: String,
    named: &BTreeSet<String>,
    (declaration, known): (&Declaration, &Known),
) -> std::result::Result<(), ApplyError> {
    for name in named {
        if declaration.scopes.iter().any(|scope| scope.name == *name) {
            continue;
        }
        let scope = name.clone();
        match known.scopes.get(name) {
            None => return Err(ApplyError::UnknownScope { holder, scope }),
            Some(stored) if declaration.prune && !rules::is_own_scope(name, &stored.resource) => {
                return Err(ApplyError::PrunedScope { holder, scope });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn can_be(client: &DeclaredClient, before: Option<&ClientProfile>) -> std::result::Result<(), ApplyError> {
    let client_id = || client.client_id.clone();
    if let Some(scope) = client.default_scopes.difference(&client.scopes).next() {
        return Err(ApplyError::DefaultScope { client_id: client_id(), scope: scope.clone() });
    }
    if client.default_scopes.contains(rbac::GRANT) {
        return Err(ApplyError::GrantByDefault { client_id: client_id() });
    }
    let kind = |public| if public { "public" } else { "confidential" };
    match before {
        Some(before) if before.public != client.public => Err(ApplyError::ClientKind {
            client_id: client_id(),
            stored: kind(before.public),
            declared: kind(client.public),
        }),
        _ => Ok(()),
    }
}

struct Work<'a> {
    transaction: &'a mut Transaction,
    by: &'a Actor,
    /// The built-in role, if the file declares it.
    administrator: Option<&'a DeclaredRole>,
    /// The objects in the database that the file has not named so far.
    undeclared: Known,
    applied: Applied,
    books: Books,
}

/// The rows to write at the end.
#[derive(Default)]
struct Books {
    entries: Vec<Entry>,
    /// The epochs of those whose tokens are revoked; of several changes the last counts.
    users: BTreeMap<Uuid, i64>,
    clients: BTreeMap<String, i64>,
}

impl Work<'_> {
    async fn scope(&mut self, scope: &DeclaredScope) -> Result<()> {
        let Some(before) = self.undeclared.scopes.remove(&scope.name) else {
            self.transaction.insert_scope(scope).await?;
            if self.administrator.is_none_or(|role| role.scopes.contains(&scope.name)) {
                self.transaction.give_to_administrators(&scope.name).await?;
                let administrator = self.undeclared.roles.get_mut(ADMINISTRATOR);
                administrator.map(|role| role.scopes.insert(scope.name.clone()));
            }
            self.created(("scope", &scope.name), differences::of_scopes(None, Some(scope)));
            return Ok(());
        };
        let members = differences::of_scopes(Some(&before), Some(scope));
        if !self.updated("scope", &scope.name, members) {
            return Ok(());
        }
        self.transaction
            .update_scope(&ScopeChange {
                name: scope.name.clone(),
                description: Some(scope.description.clone()),
                resource: Some(scope.resource.clone()),
            })
            .await?;
        // Another resource makes it another right.
        if before.resource != scope.resource {
            self.revoke_scope(&scope.name).await?;
        }
        Ok(())
    }

    async fn role(&mut self, role: &DeclaredRole) -> Result<()> {
        let before = self.undeclared.roles.remove(&role.name);
        let had = before.as_ref().map(|before| before.scopes.clone()).unwrap_or_default();
        match before {
            None => {
                self.transaction.insert_role(role).await?;
                self.created(("role", &role.name), differences::of_roles(None, Some(role)));
            }
            Some(before) => {
                let members = differences::of_roles(Some(&before), Some(role));
                if !self.updated("role", &role.name, members) {
                    return Ok(());
                }
                self.transaction.describe_role(&role.name, &role.description).await?;
            }
        }
        for scope in role.scopes.difference(&had) {
            self.transaction.add_role_scope(&role.name, scope).await?;
        }
        for scope in had.difference(&role.scopes) {
            self.transaction.remove_role_scope(&role.name, scope).await?;
        }
        if !had.is_subset(&role.scopes) {
            self.revoke_role(&role.name).await?;
        }
        Ok(())
    }

    async fn client(&mut self, client: &DeclaredClient) -> Result<()> {
        let id = &client.client_id;
        let Some(before) = self.undeclared.clients.remove(id) else {
            self.transaction.put_client(client).await?;
            // What was published of an earlier client of this name must not match this one's tokens.
            self.transaction.continue_client_epoch(id).await?;
            if !client.public {
                self.transaction.insert_client_secret(id, 1, &client.secret_if_new).await?;
                self.applied.secrets_taken.push(id.clone());
            }
            self.created(("client", id), differences::of_clients(None, Some(client.into())));
            return Ok(());
        };
        let members = differences::of_clients(Some((&before).into()), Some(client.into()));
        if !self.updated("client", id, members) {
            return Ok(());
        }
        self.transaction.put_client(client).await?;
        if !before.scopes.is_subset(&client.scopes) || (before.enabled && !client.enabled) {
            self.revoke_client(id).await?;
        }
        Ok(())
    }

    /// Deletes everything that the file does not name and that is not built in: clients and roles first, then the scopes that
    /// they held.
    async fn prune(&mut self) -> Result<()> {
        let clients = std::mem::take(&mut self.undeclared.clients);
        for client in clients.into_values().filter(|client| client.client_id != CONSOLE) {
            let id = &client.client_id;
            self.revoke_client(id).await?;
            self.transaction.delete_client(id).await?;
            self.deleted(("client", id, 0), differences::of_clients(Some((&client).into()), None));
        }
        let roles = std::mem::take(&mut self.undeclared.roles);
        for role in roles.into_values().filter(|role| role.name != ADMINISTRATOR) {
            let users = self.revoke_role(&role.name).await?;
            self.transaction.delete_role(&role.name).await?;
            self.deleted(("role", &role.name, users), differences::of_roles(Some(&role), None));
        }
        let scopes = std::mem::take(&mut self.undeclared.scopes);
        for scope in scopes.into_values().filter(|scope| !rules::is_own_scope(&scope.name, &scope.resource)) {
            let users = self.revoke_scope(&scope.name).await?;
            self.transaction.delete_scope(&scope.name).await?;
            self.deleted(("scope", &scope.name, users), differences::of_scopes(Some(&scope), None));
        }
        Ok(())
    }

    async fn revoke_client(&mut self, id: &str) -> Result<()> {
        let epoch = self.transaction.increment_client_epoch(id).await?;
        self.books.clients.insert(id.to_owned(), epoch);
        Ok(())
    }

    /// How many users had it.
    async fn revoke_role(&mut self, name: &str) -> Result<usize> {
        let users = self.transaction.increment_epochs_of_role(name).await?;
        let count = users.len();
        self.books.users.extend(users);
        Ok(count)
    }

    /// How many users held it.
    async fn revoke_scope(&mut self, name: &str) -> Result<usize> {
        let users = self.transaction.increment_user_epochs_of_scope(name).await?;
        let count = users.len();
        self.books.users.extend(users);
        self.books.clients.extend(self.transaction.increment_client_epochs_of_scope(name).await?);
        Ok(count)
    }

    fn created(&mut self, (kind, name): (&str, &str), members: Vec<Difference>) {
        self.note((kind, "created", name), members);
        self.applied.created.push(format!("{kind} {name}"));
    }

    /// `false`: nothing differs.
    fn updated(&mut self, kind: &str, name: &str, members: Vec<Difference>) -> bool {
        if members.is_empty() {
            return false;
        }
        self.note((kind, "updated", name), members.clone());
        self.applied.updated.push(Updated { what: format!("{kind} {name}"), members });
        true
    }

    fn deleted(&mut self, (kind, name, users): (&str, &str, usize), members: Vec<Difference>) {
        self.note((kind, "deleted", name), members);
        self.applied.deleted.push(Deleted { what: format!("{kind} {name}"), users });
    }

    fn note(&mut self, (kind, verb, name): (&str, &str, &str), members: Vec<Difference>) {
        self.books.entries.push(Entry::new(self.by, format!("{kind}.{verb}"), name).with(members));
    }

    async fn close(self) -> Result<Applied> {
        let Books { entries, users, clients } = self.books;
        let revoked = Revoked { users: users.len(), clients: clients.keys().cloned().collect() };
        let users = users.into_iter().map(|(id, epoch)| Event::user(id, epoch));
        let events: Vec<Event> =
            users.chain(clients.into_iter().map(|(id, epoch)| Event::client(id, epoch))).collect();
        self.transaction.record(&entries).await?;
        self.transaction.publish(&events).await?;
        Ok(Applied { revoked, ..self.applied })
    }
}
