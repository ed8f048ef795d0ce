//! Arguments and refusals of administration.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::hex;
use crate::rbac;
use crate::store::{
    Actor, ClientProfile, DeclaredClient, DeclaredRole, DeclaredScope, Entry, GrantType, Initiator, Profile,
    RequestContext,
};

/// The caller and the scope that the operation takes. Both are checked again inside the change.
#[derive(Clone, Debug)]
pub struct Authority {
    pub actor: Actor,
    pub scope: &'static str,
    /// The scopes of the token. `None`: there is no token, as for the operator.
    pub token: Option<BTreeSet<String>>,
    /// The greatest age of a login for changes to Keystone itself, if the caller's is older.
    pub login_older_than: Option<u64>,
    pub context: RequestContext,
}

impl Authority {
    pub(super) fn entry(&self, action: impl Into<String>, target: impl fmt::Display) -> Entry {
        Entry::new(&self.actor, action, target).within(&self.context)
    }

    /// For what is changed elsewhere than in administration.
    pub fn initiator(&self) -> Initiator {
        Initiator { actor: self.actor.clone(), context: self.context.clone() }
    }
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("not found")]
    Missing,
    #[error("the object has changed since it was read; read it again")]
    Stale,
    /// An administrator can only grant, and take away, what they hold and their token allows.
    #[error("the caller or the token does not hold these scopes: {}", .0.join(" "))]
    BeyondCaller(Vec<String>),
    #[error(
        "`keystone:grant` cannot give scopes to its holders, including the caller, and cannot give itself; request a token with all of these scopes"
    )]
    ThroughGrant,
    /// RFC 9470.
    #[error("the login behind the token is older than {0} seconds, too old for this change; log in again")]
    LoginTooOld(u64),
    #[error("the last enabled administrator cannot be disabled, deleted or demoted")]
    LastAdministrator,
    #[error("the username, or one that looks the same, is already in use")]
    UsernameTaken,
    #[error("the e-mail address is already in use")]
    EmailTaken,
    #[error("role `{0}` does not exist")]
    UnknownRole(String),
    #[error("scope `{0}` does not exist")]
    UnknownScope(String),
    #[error("the name is already in use")]
    Exists,
    #[error("built-in objects cannot be changed or deleted")]
    BuiltIn,
    #[error("every default scope must be one of the client's scopes")]
    DefaultScope,
    #[error("`keystone:grant` cannot be a default scope; clients must request it by name")]
    GrantByDefault,
    /// RFC 6749 §4.4.
    #[error("a public client cannot have a secret, use client_credentials or set `forwards_user_address`")]
    PublicClient,
    #[error("the client already has two active secrets; delete one first")]
    TwoSecrets,
}

/// The version of an object's state, for `ETag`. Equal states have equal versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part.as_bytes());
            // No text in a database holds a NUL, so parts do not run into each other.
            context.update(&[0]);
        }
        Self(hex::encode(context.finish().as_ref().first_chunk::<16>().unwrap_or(&[0; 16])))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The versions a change may start from (RFC 9110 §13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Any,
    OneOf(Vec<String>),
}

impl Expected {
    pub(super) fn holds(&self, version: &Version) -> Result<(), Refused> {
        match self {
            Self::OneOf(versions) if !versions.contains(&version.0) => Err(Refused::Stale),
            _ => Ok(()),
        }
    }
}

impl Profile {
    pub fn version(&self) -> Version {
        let (id, enabled) = (self.id.to_string(), self.enabled.to_string());
        let fixed = [id.as_str(), &self.username, self.email.as_deref().unwrap_or_default(), &enabled];
        Version::of(fixed.into_iter().chain(self.roles.iter().map(String::as_str)))
    }
}

#[derive(Clone, Debug)]
pub struct RoleSet {
    pub id: Uuid,
    pub expected: Expected,
    pub roles: BTreeSet<String>,
}

impl DeclaredRole {
    pub fn version(&self) -> Version {
        let fixed = [self.name.as_str(), &self.description];
        Version::of(fixed.into_iter().chain(self.scopes.iter().map(String::as_str)))
    }
}

/// `None`: as it was.
#[derive(Clone, Debug)]
pub struct RoleChange {
    pub name: String,
    pub expected: Expected,
    pub description: Option<String>,
    pub scopes: Option<BTreeSet<String>>,
}

impl DeclaredScope {
    pub fn version(&self) -> Version {
        Version::of([self.name.as_str(), &self.description, &self.resource])
    }
}

impl ClientProfile {
    pub fn version(&self) -> Version {
        let (enabled, forwards) = (self.enabled.to_string(), self.forwards_user_address.to_string());
        let fixed = [self.client_id.as_str(), &self.name, &enabled, &forwards];
        let grants = self.grants.iter().map(|grant| grant.as_str());
        let lists = [&self.scopes, &self.default_scopes, &self.origins].into_iter();
        // An empty part between lists: no name is empty.
        let lists = lists.flat_map(|list| [""].into_iter().chain(list.iter().map(String::as_str)));
        Version::of(fixed.into_iter().chain(grants).chain(lists))
    }
}

/// `None`: as it was.
#[derive(Clone, Debug)]
pub struct ClientChange {
    pub client_id: String,
    pub expected: Expected,
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub grants: Option<BTreeSet<GrantType>>,
    pub scopes: Option<BTreeSet<String>>,
    /// Where only the scopes change, the defaults that are left.
    pub default_scopes: Option<BTreeSet<String>>,
    pub origins: Option<BTreeSet<String>>,
    pub forwards_user_address: Option<bool>,
}

impl ClientChange {
    pub(super) fn applied_to(&self, before: &ClientProfile) -> Result<DeclaredClient, Refused> {
        let scopes = self.scopes.as_ref().unwrap_or(&before.scopes).clone();
        let default_scopes = match &self.default_scopes {
            Some(defaults) if !defaults.is_subset(&scopes) => return Err(Refused::DefaultScope),
            Some(defaults) if defaults.contains(rbac::GRANT) => return Err(Refused::GrantByDefault),
            Some(defaults) => defaults.clone(),
            None => before.default_scopes.intersection(&scopes).cloned().collect(),
        };
        let grants = self.grants.as_ref().unwrap_or(&before.grants).clone();
        let forwards_user_address = self.forwards_user_address.unwrap_or(before.forwards_user_address);
        if before.public && (grants.contains(&GrantType::ClientCredentials) || forwards_user_address) {
            return Err(Refused::PublicClient);
        }
        Ok(DeclaredClient {
            client_id: before.client_id.clone(),
            name: self.name.as_ref().unwrap_or(&before.name).clone(),
            public: before.public,
            enabled: self.enabled.unwrap_or(before.enabled),
            grants,
            scopes,
            default_scopes,
            origins: self.origins.as_ref().unwrap_or(&before.origins).clone(),
            forwards_user_address,
            // It is not new.
            secret_if_new: [0; 32],
        })
    }
}

#[derive(Clone, Debug)]
pub struct NewSecret {
    pub client_id: String,
    pub hash: [u8; 32],
    /// `None`: until it is deleted.
    pub old_valid_for: Option<Duration>,
}
