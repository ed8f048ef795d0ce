//! The issuer: the authority over users, clients, roles, scopes, sessions and keys.
//!
//! `http` → `grant` → `token`, `feed`, `keys`, `password`, `rbac`, `session` → `store` and `cache`. Nothing points back.

pub mod access;
pub mod administration;
pub mod attempts;
pub mod cache;
pub mod clients;
pub mod clock;
pub mod commands;
pub mod config;
pub mod declaration;
pub mod feed;
mod grammar;
pub mod grant;
pub mod hex;
pub mod http;
pub mod identifier;
pub mod identity;
pub mod introspection;
pub mod issuer;
pub mod keys;
pub mod metrics;
pub mod network;
pub mod outbound;
pub mod own_sessions;
pub mod password;
pub mod rbac;
pub mod revocation;
pub mod secret;
pub mod secrets;
pub mod session;
pub mod store;
pub mod sweep;
pub mod tagged;
pub mod telemetry;
pub mod tls;
pub mod token;
mod toml_text;
pub mod users;
