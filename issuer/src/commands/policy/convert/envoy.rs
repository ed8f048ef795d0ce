//! The messages of Envoy's configuration, one in each file.

pub(super) mod claim;
pub(super) mod connection_manager;
pub(super) mod header_match;
pub(super) mod http_filters;
pub(super) mod identity_headers;
pub(super) mod jwt_authentication;
pub(super) mod keys;
pub(super) mod metadata_match;
pub(super) mod per_route;
pub(super) mod provider;
pub(super) mod rbac;
pub(super) mod rbac_rule;
pub(super) mod requirement;
pub(super) mod route_configuration;
pub(super) mod route_match;
pub(super) mod string_match;
