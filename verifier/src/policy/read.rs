//! From JSON to a policy: every member is known, typed and makes sense together with the others.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::Fault;
use super::{
    Access, Address, Cors, EnvoySettings, IdentityField, IssuerPolicy, KeySource, PathComparison, Policy,
    RevocationSource, Route, paths,
};
use crate::json::{Node, Value};
use crate::keys::{KeySet, STRICT};
use crate::path::Template;
use crate::scope::is_scope_token;
use crate::text::text;
use crate::verify::Rules;

type Result<T> = core::result::Result<T, Fault>;

pub(super) fn policy(root: &Member<'_, '_>) -> Result<Policy> {
    root.members(&[
        "$schema",
        "version",
        "issuers",
        "routes",
        "identity_headers",
        "cors",
        "envoy",
        "path_comparison",
        "jwt_authn_compatible",
    ])?;
    if let Some(schema) = root.get("$schema").filter(|schema| schema.node.value.as_str().is_none()) {
        return Err(schema.fault("must be a text"));
    }
    if root.need("version")?.node.value.as_whole() != Some(1) {
        return Err(root.need("version")?.fault("must be 1"));
    }
    let issuers = issuers(&root.need("issuers")?)?;
    let feeds = issuers.iter().all(|issuer| issuer.revocations.is_some());
    let routes = routes(&root.need("routes")?, feeds)?;
    Ok(Policy {
        alternatives: paths::alternatives(&routes),
        routes,
        paths: root.get("path_comparison").map(|member| path_comparison(&member)).transpose()?,
        jwt_authn_compatible: root
            .get("jwt_authn_compatible")
            .map_or(Ok(false), |member| member.boolean())?,
        issuers,
        identity_headers: root
            .get("identity_headers")
            .map_or(Ok(Vec::new()), |member| identity_headers(&member))?,
        cors: root.get("cors").map(|member| Cors::read(&member)).transpose()?,
        envoy: envoy(root.get("envoy"))?,
    })
}

fn issuers(list: &Member<'_, '_>) -> Result<Vec<IssuerPolicy>> {
    let mut issuers: Vec<IssuerPolicy> = Vec::new();
    for member in list.items("at least one issuer")? {
        let issuer = issuer(&member)?;
        if issuers.iter().any(|other| other.rules.issuer == issuer.rules.issuer) {
            return Err(member.need("issuer")?.fault("stands in this list before"));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

fn issuer(member: &Member<'_, '_>) -> Result<IssuerPolicy> {
    member.members(&[
        "issuer",
        "audiences",
        "keys",
        "revocation",
        "leeway_seconds",
        "max_lifetime_seconds",
    ])?;
    let mut rules = Rules::new(member.need("issuer")?.text()?, member.need("audiences")?.texts()?);
    if let Some(leeway) = member.get("leeway_seconds") {
        rules.leeway = leeway.number(0, 120)?;
    }
    if let Some(lifetime) = member.get("max_lifetime_seconds") {
        rules.max_lifetime = lifetime.number(1, 31_536_000)?;
    }
    let revocations = match member.get("revocation").filter(|mode| mode.node.value.as_str() != Some("off")) {
        None => None,
        Some(feed) => Some(revocation_source(&feed)?),
    };
    Ok(IssuerPolicy { rules, keys: key_source(&member.need("keys")?)?, revocations })
}

fn revocation_source(member: &Member<'_, '_>) -> Result<RevocationSource> {
    if member.node.value.as_object().is_none() {
        return Err(member.fault("must be `off`, or an object with the `url` of the feed and its `keys_url`"));
    }
    member.members(&["url", "keys_url", "cluster", "max_stale_seconds"])?;
    Ok(RevocationSource {
        url: member.need("url")?.address()?,
        keys_url: member.need("keys_url")?.address()?,
        cluster: member.get("cluster").map(|cluster| cluster.text()).transpose()?,
        max_stale: member.get("max_stale_seconds").map_or(Ok(60), |seconds| seconds.number(10, 900))?,
    })
}

fn key_source(member: &Member<'_, '_>) -> Result<KeySource> {
    member.members(&["inline", "url", "cluster"])?;
    match (member.get("inline"), member.get("url"), member.get("cluster")) {
        (Some(inline), None, None) => KeySet::from_json(STRICT, &inline.node.value)
            .map(KeySource::Inline)
            .map_err(|error| inline.fault(&text!("{error}"))),
        (None, Some(url), cluster) => {
            let cluster = cluster.map(|cluster| cluster.text()).transpose()?;
            Ok(KeySource::Remote { url: url.address()?, cluster })
        }
        _ => Err(member.fault("must hold either `inline`, or `url` and for Envoy a `cluster`")),
    }
}

fn routes(list: &Member<'_, '_>, all_have_feeds: bool) -> Result<Vec<Route>> {
    let mut routes: Vec<Route> = Vec::new();
    for member in list.items("at least one route")? {
        let route = route(&member)?;
        if route.strict && !all_have_feeds {
            return Err(member
                .need("revocation")?
                .fault("needs the feed of every issuer: give each one's `revocation` its addresses"));
        }
        let twin = |other: &Route| {
            other.path == route.path && other.methods.iter().any(|method| route.methods.contains(method))
        };
        if routes.iter().any(twin) {
            return Err(
                member.fault("a route before has the same path and method, so this one would never apply")
            );
        }
        insert(&mut routes, route);
    }
    Ok(routes)
}

/// At its place by precedence, after those that have the same.
pub(super) fn insert(routes: &mut Vec<Route>, route: Route) {
    let at = routes.partition_point(|other| other.path.by_precedence(&route.path).is_le());
    routes.insert(at, route);
}

fn route(member: &Member<'_, '_>) -> Result<Route> {
    member.members(&["methods", "path", "public", "authenticated", "require", "roles", "revocation"])?;
    let methods = member.need("methods")?;
    for method in methods.items("at least one method")? {
        if !method.text()?.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            return Err(method.fault("must be a method in upper case, as GET"));
        }
    }
    let path = member.need("path")?;
    let template = Template::parse(&path.text()?).map_err(|problem| path.fault(problem))?;
    let access = access(member)?;
    let strict = match member.get("revocation") {
        None => false,
        Some(mode) if mode.node.value.as_str() != Some("strict") => {
            return Err(mode.fault("must be `strict`, or be left out"));
        }
        Some(mode) if access == Access::Public => {
            return Err(mode.fault("a public route looks at no token that could be revoked"));
        }
        Some(_) => true,
    };
    Ok(Route { methods: methods.texts()?, path: template, access, strict })
}

fn access(member: &Member<'_, '_>) -> Result<Access> {
    let roles = member.get("roles");
    match (member.get("public"), member.get("authenticated"), member.get("require")) {
        (Some(public), None, None) => {
            public.must_be_true()?;
            match roles {
                Some(roles) => Err(roles.fault("a public route cannot ask for roles")),
                None => Ok(Access::Public),
            }
        }
        (None, Some(authenticated), None) => {
            authenticated.must_be_true()?;
            Ok(Access::Token { all: Vec::new(), any: Vec::new(), roles: optional_texts(roles)? })
        }
        (None, None, Some(require)) => {
            require.members(&["all", "any"])?;
            let (all, any) = (scopes(require.get("all"))?, scopes(require.get("any"))?);
            if all.is_empty() && any.is_empty() {
                return Err(require
                    .fault("must hold `all` or `any`; for any valid token write `authenticated: true`"));
            }
            Ok(Access::Token { all, any, roles: optional_texts(roles)? })
        }
        _ => {
            Err(member.fault("must hold exactly one of `public: true`, `authenticated: true` and `require`"))
        }
    }
}

fn scopes(list: Option<Member<'_, '_>>) -> Result<Vec<String>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    for scope in list.items("at least one scope")? {
        if !is_scope_token(&scope.text()?) {
            return Err(scope.fault("must be a scope: printable ASCII without space, quote and backslash"));
        }
    }
    list.texts()
}

fn identity_headers(member: &Member<'_, '_>) -> Result<Vec<(IdentityField, String)>> {
    const FIELDS: [(&str, IdentityField); 5] = [
        ("subject", IdentityField::Subject),
        ("client_id", IdentityField::ClientId),
        ("scope", IdentityField::Scope),
        ("session", IdentityField::Session),
        ("roles", IdentityField::Roles),
    ];
    member.members(&FIELDS.map(|(name, _)| name))?;
    let mut headers: Vec<(IdentityField, String)> = Vec::new();
    for (name, field) in FIELDS {
        let Some(header) = member.get(name) else { continue };
        let text = header.text()?;
        if !text.starts_with("x-")
            || !text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        {
            return Err(header
                .fault("must be a header name of its own: `x-`, then lower-case letters, digits and `-`"));
        }
        if headers.iter().any(|(_, other)| *other == text) {
            return Err(header.fault("is used for another claim"));
        }
        headers.push((field, text));
    }
    Ok(headers)
}

fn path_comparison(member: &Member<'_, '_>) -> Result<PathComparison> {
    let named = member.node.value.as_str().and_then(PathComparison::named);
    named.ok_or_else(|| member.fault("must be `lenient` or `exact`"))
}

fn envoy(member: Option<Member<'_, '_>>) -> Result<EnvoySettings> {
    let mut settings = EnvoySettings::default();
    let Some(member) = member else { return Ok(settings) };
    member.members(&["forward_authorization", "access_log"])?;
    if let Some(forward) = member.get("forward_authorization") {
        settings.forward_authorization = forward.boolean()?;
    }
    if let Some(log) = member.get("access_log") {
        settings.access_log = log.boolean()?;
    }
    Ok(settings)
}

fn optional_texts(list: Option<Member<'_, '_>>) -> Result<Vec<String>> {
    list.map_or(Ok(Vec::new()), |list| list.texts())
}

/// A value and its name, as `routes[1].path`.
pub(super) struct Member<'a, 'j> {
    node: &'a Node<'j>,
    name: String,
}

impl<'a, 'j> Member<'a, 'j> {
    /// The whole document.
    pub(super) const fn root(node: &'a Node<'j>) -> Self {
        Self { node, name: String::new() }
    }

    pub(super) fn fault(&self, problem: &str) -> Fault {
        Fault { at: self.node.at, member: self.name.clone(), problem: problem.to_owned() }
    }

    /// Refuses members that are not in `known`.
    pub(super) fn members(&self, known: &[&str]) -> Result<()> {
        let object = self.node.value.as_object().ok_or_else(|| self.fault("must be an object"))?;
        match object.iter().find(|(name, _)| !known.contains(name)) {
            Some((name, node)) => Err(Fault::unknown(node.at, &self.child(name), known)),
            None => Ok(()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let node = self.node.value.as_object()?.get(name)?;
        Some(Self { node, name: self.child(name) })
    }

    pub(super) fn need(&self, name: &str) -> Result<Self> {
        self.get(name).ok_or_else(|| self.fault(&text!("the member `{name}` is missing")))
    }

    pub(super) fn items(&self, at_least: &str) -> Result<Vec<Self>> {
        let items = self.node.value.as_array().filter(|items| !items.is_empty());
        let items = items.ok_or_else(|| self.fault(&text!("must be a list with {at_least}")))?;
        let named =
            items.iter().enumerate().map(|(at, node)| Self { node, name: text!("{}[{at}]", self.name) });
        Ok(named.collect())
    }

    pub(super) fn texts(&self) -> Result<Vec<String>> {
        self.items("at least one text")?.iter().map(Self::text).collect()
    }

    pub(super) fn text(&self) -> Result<String> {
        let text = self.node.value.as_str().filter(|text| !text.is_empty());
        text.map(ToOwned::to_owned).ok_or_else(|| self.fault("must be a text that is not empty"))
    }

    fn address(&self) -> Result<String> {
        let text = self.text()?;
        if Address::parse(&text).is_none() {
            return Err(self.fault(
                "must be an absolute http or https URL: a host and perhaps a port, a path and perhaps a query, in the characters of \
                 RFC 3986, others percent-encoded or, in the host, as Punycode, and without dot segments",
            ));
        }
        Ok(text)
    }

    pub(super) fn number(&self, least: u64, most: u64) -> Result<u64> {
        let number = self.node.value.as_whole().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.fault(&text!("must be a whole number from {least} to {most}")))
    }

    fn boolean(&self) -> Result<bool> {
        match self.node.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.fault("must be `true` or `false`")),
        }
    }

    fn must_be_true(&self) -> Result<()> {
        if self.node.value == Value::Bool(true) {
            Ok(())
        } else {
            Err(self.fault("must be `true`, or be left out"))
        }
    }

    fn child(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { text!("{}.{name}", self.name) }
    }
}
