//! The file that `keystone apply` reads: scopes, roles and clients as they should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::administration::described;
use crate::clients::{is_client_id, is_origin, resembles_a_subject};
use crate::clock::World;
use crate::grammar::{ClientId, Description, Origin, ScopeName};
use crate::rbac::{GRANT, is_scope_token};
use crate::secret::Secret;
use crate::secrets::Secrets;
use crate::store::{Declaration, DeclaredClient, DeclaredRole, DeclaredScope, GrantType};
use crate::toml_text;

/// Closed: an unknown key is a mistake, with its line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub scopes: Vec<Scope>,
    #[serde(default)]
    pub roles: Vec<Role>,
    #[serde(default)]
    pub clients: Vec<Client>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// The audience of tokens that hold it.
    pub resource: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub scopes: BTreeSet<String>,
}

/// The client to create
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewClient)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The `client_id`
    #[schema(value_type = ClientId)]
    pub client_id: String,
    /// The name, for people
    #[schema(value_type = Description)]
    pub name: String,
    /// Whether the client is public, that is, has no secret (RFC 6749 §2.1)
    #[serde(default)]
    pub public: bool,
    /// Whether the client can request tokens
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The grant types that the client may use; none by default (ASVS 10.4.4)
    #[serde(default)]
    #[schema(value_type = Vec<GrantType>)]
    pub grants: BTreeSet<GrantType>,
    /// The names of the scopes that the client may request
    #[serde(default)]
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: BTreeSet<String>,
    /// The scopes of a token request without `scope`; by default all of `scopes` except `keystone:grant`
    #[schema(value_type = Option<Vec<ScopeName>>)]
    pub default_scopes: Option<BTreeSet<String>>,
    /// The origins of the web pages of the client, for CORS, as browsers send them in `Origin`
    #[serde(default)]
    #[schema(value_type = Vec<Origin>)]
    pub origins: BTreeSet<String>,
    /// Whether the client reports the address of its user in `X-Forwarded-For`; confidential clients only
    #[serde(default)]
    pub forwards_user_address: bool,
}

const fn yes() -> bool {
    true
}

/// Everything wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl File {
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let line = toml_text::line(text, error.span());
            Mistakes(vec![format!("line {line}: {}", error.message())])
        })?;
        let mistakes = file.mistakes();
        if mistakes.is_empty() { Ok(file) } else { Err(Mistakes(mistakes)) }
    }

    /// `secret_if_new`: what is stored of the secret that a client takes if it is new; the store says which clients were.
    pub fn declare_with(&self, mut secret_if_new: impl FnMut(&str) -> [u8; 32]) -> Declaration {
        let scopes = self.scopes.iter().map(|scope| DeclaredScope {
            name: scope.name.clone(),
            description: scope.description.clone(),
            resource: scope.resource.clone(),
        });
        let roles = self.roles.iter().map(|role| DeclaredRole {
            name: role.name.clone(),
            description: role.description.clone(),
            scopes: role.scopes.clone(),
        });
        let clients = self.clients.iter().map(|client| {
            let hash = secret_if_new(&client.client_id);
            client.clone().declare(hash)
        });
        Declaration {
            scopes: scopes.collect(),
            roles: roles.collect(),
            clients: clients.collect(),
            prune: false,
        }
    }

    /// The same with a fresh secret for each client, by `client_id`.
    pub fn declare(&self, secrets: &Secrets, world: &World) -> (Declaration, BTreeMap<String, Secret>) {
        let mut fresh = BTreeMap::new();
        let declaration = self.declare_with(|client_id| {
            let (secret, hash) = secrets.new_client_secret(world);
            fresh.insert(client_id.to_owned(), secret);
            hash
        });
        (declaration, fresh)
    }

    /// For a rehearsal, in which no client takes a secret.
    pub fn declare_without_secrets(&self) -> Declaration {
        self.declare_with(|_| [0; 32])
    }

    fn mistakes(&self) -> Vec<String> {
        let scopes = self.scopes.iter().flat_map(Scope::mistakes);
        let roles = self.roles.iter().flat_map(Role::mistakes);
        let clients = self.clients.iter().flat_map(Client::mistakes);
        let twice = [
            twice("scope", self.scopes.iter().map(|scope| &scope.name)),
            twice("role", self.roles.iter().map(|role| &role.name)),
            twice("client", self.clients.iter().map(|client| &client.client_id)),
        ];
        scopes.chain(roles).chain(clients).chain(twice.into_iter().flatten()).collect()
    }
}

impl Scope {
    fn mistakes(&self) -> Vec<String> {
        let Self { name, resource, description } = self;
        let mut mistakes: Vec<String> =
            text_mistake(&format!("scope `{name}`"), "description", description).into_iter().collect();
        if !is_scope_token(name) || name.len() > MOST_NAME {
            mistakes.push(format!("scope `{name}`: a name must be 1 to {MOST_NAME} printable ASCII characters except space, double quote and backslash"));
        }
        if !is_scope_token(resource) || resource.len() > MOST_NAME {
            mistakes.push(format!(
                "scope `{name}`: `resource` must be 1 to {MOST_NAME} printable ASCII characters except space, double quote and backslash"
            ));
        }
        mistakes
    }
}

impl Role {
    fn mistakes(&self) -> Vec<String> {
        let name = &self.name;
        // Roles travel in a header, separated by commas.
        let fits = is_scope_token(name) && name.len() <= MOST_NAME && !name.contains(',');
        let wrong = format!(
            "role `{name}`: a name must be 1 to {MOST_NAME} printable ASCII characters except space, double quote, backslash and comma"
        );
        let text = text_mistake(&format!("role `{name}`"), "description", &self.description);
        (!fits).then_some(wrong).into_iter().chain(text).collect()
    }
}

impl Client {
    pub(crate) fn declare(self, secret_if_new: [u8; 32]) -> DeclaredClient {
        DeclaredClient {
            default_scopes: self.default_scopes.unwrap_or_else(|| by_default(&self.scopes)),
            client_id: self.client_id,
            name: self.name,
            public: self.public,
            enabled: self.enabled,
            grants: self.grants,
            scopes: self.scopes,
            origins: self.origins,
            forwards_user_address: self.forwards_user_address,
            secret_if_new,
        }
    }

    pub(crate) fn mistakes(&self) -> Vec<String> {
        let client_id = &self.client_id;
        let mut mistakes: Vec<String> =
            text_mistake(&format!("client `{client_id}`"), "name", &self.name).into_iter().collect();
        if !is_client_id(client_id) {
            mistakes.push(format!(
                "client `{client_id}`: a client_id must be 1 to 64 ASCII letters, digits or - _ ."
            ));
        }
        if resembles_a_subject(client_id) {
            mistakes.push(format!(
                "client `{client_id}`: a client_id must not look like the id of a user (a UUID)"
            ));
        }
        // RFC 6749 §4.4: "MUST only be used by confidential clients".
        if self.public && self.grants.contains(&GrantType::ClientCredentials) {
            mistakes.push(format!("client `{client_id}`: a public client cannot use client_credentials"));
        }
        if self.public && self.forwards_user_address {
            mistakes.push(format!(
                "client `{client_id}`: a public client cannot set `forwards_user_address`, because anyone can make requests in its name"
            ));
        }
        for scope in self.default_scopes.iter().flatten().filter(|scope| !self.scopes.contains(*scope)) {
            mistakes.push(format!("client `{client_id}`: default scope `{scope}` is not one of its scopes"));
        }
        if self.default_scopes.as_ref().is_some_and(|scopes| scopes.contains(GRANT)) {
            mistakes.push(format!(
                "client `{client_id}`: `{GRANT}` cannot be a default scope; clients must request it by name"
            ));
        }
        mistakes
            .extend(origin_mistakes(&self.origins).map(|mistake| format!("client `{client_id}`: {mistake}")));
        mistakes
    }
}

fn text_mistake(whose: &str, member: &str, text: &str) -> Option<String> {
    let wrong = || format!("{whose}: `{member}` must be one line of at most 256 visible characters");
    described(text.to_owned()).is_err().then(wrong)
}

pub(crate) fn origin_mistakes(origins: &BTreeSet<String>) -> impl Iterator<Item = String> {
    origins.iter().filter(|origin| !is_origin(origin)).map(|origin| {
        format!(
            "origin `{origin}` must be an origin as a browser sends it, like https://app.example.com or http://localhost:3000: \
             lower case, no path, no default port, no wildcard"
        )
    })
}

fn by_default(scopes: &BTreeSet<String>) -> BTreeSet<String> {
    scopes.iter().filter(|scope| *scope != GRANT).cloned().collect()
}

fn twice<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names
        .filter(|name| !seen.insert(*name))
        .map(|name| format!("{kind} `{name}` is declared more than once"))
        .collect()
}

const MOST_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_defaults() {
        let file = File::parse(
            "[[clients]]\nclient_id = 'orders-app'\nname = 'The orders app'\ngrants = ['password', 'refresh_token']\nscopes = ['a']",
        )
        .unwrap();

        let client = &file.clients[0];
        assert!(client.enabled && !client.public && client.default_scopes.is_none());
        assert!(client.grants.contains(&GrantType::Password));
    }

    #[test]
    fn unknown_keys_and_values_name_their_line() {
        let key = File::parse("[[scopes]]\nname = 'a'\nresorce = 'b'").unwrap_err().to_string();
        let grant = File::parse("[[clients]]\nclient_id = 'a'\nname = 'a'\ngrants = ['implicit']")
            .unwrap_err()
            .to_string();

        assert!(key.starts_with("line 3: unknown field `resorce`"), "{key}");
        assert!(grant.starts_with("line 4: unknown variant `implicit`"), "{grant}");
    }

    #[test]
    fn every_mistake_in_the_content_is_reported() {
        let mistakes = File::parse(
            "[[scopes]]\nname = 'a b'\nresource = ''\n[[roles]]\nname = 'a,b'\nscopes = []\n[[clients]]\nclient_id = 'a:b'\nname = ''\n\
             public = true\ngrants = ['client_credentials']\nscopes = ['x']\ndefault_scopes = ['y']\n[[roles]]\nname = 'a,b'\nscopes = []",
        )
        .unwrap_err();

        assert_eq!(mistakes.0.len(), 8, "{mistakes}");
    }
}
