//! An issuer for tests, and the verbs that tests use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use keystone_issuer::cache::MemoryCache;
use keystone_issuer::clock::World;
use keystone_issuer::declaration::File;
use keystone_issuer::http::{self, Peer};
use keystone_issuer::identity::{self, Authority, Expected, RoleSet};
use keystone_issuer::issuer::{Issuer, Parts};
use keystone_issuer::keys::KeyEncryptionKey;
use keystone_issuer::secret::Secret;
use keystone_issuer::store::{Actor, NewUser, RequestContext, Store};
use keystone_issuer::{identifier, users};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) use crate::answer::{Answer, unavailable};
pub(crate) use crate::surroundings::ISSUER;
use crate::surroundings::{DECLARATION, TestClock, TestEntropy, config};
use crate::{database, description};

pub(crate) const PASSWORD: &str = "nine purple hats";

#[derive(Debug)]
pub(crate) struct TestIssuer {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    public: Router,
    operations: Router,
    peer: SocketAddr,
    _directory: Arc<TempDir>,
}

impl TestIssuer {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// `settings`: more of `keystone.toml`.
    pub(crate) async fn start_with(settings: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(TestClock::default());
        let world = World::new(clock.clone(), Arc::new(TestEntropy::default()));
        let store = database::fresh(directory.path()).await;
        let config = config(settings);
        let cache = Arc::new(MemoryCache::new(clock.clone(), config.limits.replicas));
        let kek = KeyEncryptionKey::parse(&format!("kskek_{}", "5a".repeat(32))).unwrap();
        let parts = Parts { world, store, cache, kek };
        let issuer = Arc::new(Issuer::open(config, parts).await.unwrap());

        let (declaration, secrets) =
            File::parse(DECLARATION).unwrap().declare(&issuer.secrets, &issuer.world);
        identity::manifest::apply(&issuer.store, &Actor::Operator, &declaration).await.unwrap().unwrap();
        let test = Self::around(issuer, clock, directory);
        let test = Self { secrets, ..test };
        test.user("alice", &["customer"]).await;
        test.user("olaf", &["nobody"]).await;
        test
    }

    fn around(issuer: Arc<Issuer>, clock: Arc<TestClock>, directory: Arc<TempDir>) -> Self {
        Self {
            public: http::public(issuer.clone()),
            operations: http::operations(issuer.clone()),
            issuer,
            clock,
            secrets: BTreeMap::new(),
            peer: "192.0.2.1:1234".parse().unwrap(),
            _directory: directory,
        }
    }

    /// The same issuer after a change to one of its parts.
    pub(crate) fn rebuilt(self, change: impl FnOnce(&mut Issuer)) -> Self {
        let Self { issuer, clock, secrets, peer, public, operations, _directory } = self;
        drop((public, operations));
        let mut issuer = Arc::into_inner(issuer).unwrap();
        change(&mut issuer);
        Self { secrets, peer, ..Self::around(Arc::new(issuer), clock, _directory) }
    }

    /// The same issuer, asked from another address.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self {
            issuer: self.issuer.clone(),
            clock: self.clock.clone(),
            secrets: self.secrets.clone(),
            public: self.public.clone(),
            operations: self.operations.clone(),
            peer: SocketAddr::new(address.parse().unwrap(), 1234),
            _directory: self._directory.clone(),
        }
    }

    pub(crate) async fn user(&self, name: &str, roles: &[&str]) {
        let issuer = &self.issuer;
        let user = NewUser {
            id: users::user_id(issuer.world.bytes()),
            username: name.to_owned(),
            username_key: identifier::username_key(name).unwrap(),
            email: None,
            email_key: None,
            password_hash: issuer.passwords.hash(&Secret::new(PASSWORD)).await.unwrap(),
            one_time_for: None,
            password_must_change: false,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        identity::users::create(&issuer.store, &operator("keystone:users:write"), &user).await.unwrap();
    }

    /// Gives the user these roles and no others.
    pub(crate) async fn set_roles(&self, name: &str, roles: &[&str]) {
        let id = self.issuer.store.credential(name).await.unwrap().unwrap().user_id;
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let set = RoleSet { id, expected: Expected::Any, roles };
        identity::users::set_roles(&self.issuer.store, &operator("keystone:users:write"), &set)
            .await
            .unwrap();
    }

    pub(crate) fn secret(&self, client_id: &str) -> &str {
        self.secrets[client_id].expose()
    }

    pub(crate) fn basic(&self, client_id: &str) -> (&'static str, String) {
        basic(client_id, self.secret(client_id))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = Self::ask(&self.public, self.peer, request).await;
        description::holds((method.as_str(), &path), &answer);
        answer
    }

    pub(crate) async fn health(&self, path: &str) -> Answer {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        Self::ask(&self.operations, self.peer, request).await
    }

    async fn ask(router: &Router, peer: SocketAddr, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(Peer(peer));
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("id.example.com"));
        let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, body, bytes }
    }

    /// A token request as a form.
    pub(crate) async fn form(&self, body: impl Into<String>) -> Answer {
        self.form_with(&[], body).await
    }

    pub(crate) async fn form_with(&self, headers: &[(&str, String)], body: impl Into<String>) -> Answer {
        self.form_to("/auth/token", headers, body).await
    }

    pub(crate) async fn form_to(
        &self,
        path: &str,
        headers: &[(&str, String)],
        body: impl Into<String>,
    ) -> Answer {
        let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
        self.post(path, &[headers, &[form]].concat(), body).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, String)],
        body: impl Into<String>,
    ) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request.body(Body::from(body.into())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn login(&self, username: &str) -> Answer {
        self.login_as("app", username, PASSWORD).await
    }

    /// alice, with a token for her own account.
    pub(crate) async fn account_login(&self, client_id: &str) -> Answer {
        let body = format!(
            "grant_type=password&client_id={client_id}&username=alice&password={PASSWORD}&scope=keystone:account"
        );
        self.form(body).await.success()
    }

    pub(crate) async fn login_as(&self, client_id: &str, username: &str, password: &str) -> Answer {
        let body = json!({ "grant_type": "password", "client_id": client_id, "username": username, "password": password });
        self.post("/auth/token", &[("content-type", "application/json".to_owned())], body.to_string()).await
    }

    pub(crate) async fn refresh(&self, client_id: &str, token: &str) -> Answer {
        self.form(format!("grant_type=refresh_token&client_id={client_id}&refresh_token={token}")).await
    }

    pub(crate) async fn client_token(&self, client_id: &str, scope: &str) -> String {
        let body = format!("grant_type=client_credentials&scope={scope}");
        self.form_with(&[self.basic(client_id)], body).await.success().text("access_token")
    }

    /// `root` administers Keystone and holds nothing else; `boss` holds all there is. Both log in at the console, where a
    /// token has whatever its user holds.
    pub(crate) async fn with_administrators() -> Self {
        Self::with_administrators_and("").await
    }

    pub(crate) async fn with_administrators_and(settings: &str) -> Self {
        let test = Self::start_with(settings).await;
        let mut all = test.issuer.store.held_scopes(&Actor::Operator).await.unwrap();
        all.insert("keystone:account".to_owned());
        let all: Vec<_> = all.into_iter().collect();
        let own = all.iter().filter(|scope| scope.starts_with("keystone:"));
        let held: Vec<_> = own.filter(|scope| scope.as_str() != "keystone:account").collect();
        let file = format!(
            "[[clients]]\nclient_id = 'keystone-console'\nname = 'c'\npublic = true\ngrants = ['password', 'refresh_token']\nscopes = {all:?}\n[[roles]]\nname = 'administrator'\ndescription = 'May do everything in Keystone'\nscopes = {held:?}"
        );
        let (declaration, _) = File::parse(&file).unwrap().declare(&test.issuer.secrets, &test.issuer.world);
        identity::manifest::apply(&test.issuer.store, &Actor::Operator, &declaration).await.unwrap().unwrap();
        test.user("root", &["administrator"]).await;
        test.user("boss", &["administrator", "customer", "clerk"]).await;
        test
    }

    /// The names of all scopes there are, as a parameter.
    pub(crate) async fn every_scope(&self) -> String {
        let all = self.issuer.store.held_scopes(&Actor::Operator).await.unwrap();
        all.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// A token with all that this user holds, but for `keystone:grant`, which is asked for by name.
    pub(crate) async fn console(&self, username: &str) -> String {
        self.login_as("keystone-console", username, PASSWORD).await.success().text("access_token")
    }

    /// A token for less.
    pub(crate) async fn console_for(&self, username: &str, scope: &str) -> String {
        let body = format!(
            "grant_type=password&client_id=keystone-console&username={username}&password={PASSWORD}&scope={scope}"
        );
        self.form(body).await.success().text("access_token")
    }

    /// A request with a bearer token; `""` for no `If-Match`, `null` for no body.
    pub(crate) async fn ask_as(&self, token: &str, line: &str, condition: &str, body: Value) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [
            ("authorization", if token.is_empty() { String::new() } else { format!("Bearer {token}") }),
            ("if-match", condition.to_owned()),
            ("content-type", if body.is_null() { String::new() } else { "application/json".to_owned() }),
        ] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    /// The path of a user's administration, by username.
    pub(crate) async fn path_of(&self, username: &str) -> String {
        let user = self.issuer.store.credential(username).await.unwrap().unwrap();
        format!("/admin/users/{}", user.user_id)
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.get(path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    pub(crate) async fn delete_as(&self, path: &str, token: &str) -> Answer {
        let request = Request::builder().method(Method::DELETE).uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Applies a file.
    pub(crate) async fn declare(&self, file: &str) {
        let (declaration, _) = File::parse(file).unwrap().declare(&self.issuer.secrets, &self.issuer.world);
        identity::manifest::apply(&self.issuer.store, &Actor::Operator, &declaration).await.unwrap().unwrap();
    }

    /// Moves the epoch of the client.
    pub(crate) async fn take_scopes_from_robot(&self) {
        self.declare("[[clients]]\nclient_id = \"robot\"\nname = \"A service\"\ngrants = [\"client_credentials\"]\nscopes = [\"orders:read\"]").await;
    }

    /// The same issuer, which remembers its clients, after its database went away.
    pub(crate) fn without_database(self) -> Self {
        // Nothing listens on port 1.
        let gone = Store::postgres("postgres://keystone@127.0.0.1:1/keystone", 2).unwrap();
        self.rebuilt(|issuer| issuer.store = gone)
    }

    /// A JSON body with a bearer token.
    pub(crate) async fn call(&self, path: &str, token: &str, body: Value) -> Answer {
        let headers =
            [("authorization", format!("Bearer {token}")), ("content-type", "application/json".to_owned())];
        self.post(path, &headers, body.to_string()).await
    }
}

fn operator(scope: &'static str) -> Authority {
    let context = RequestContext::default();
    Authority { actor: Actor::Operator, scope, token: None, login_older_than: None, context }
}

pub(crate) fn basic(client_id: &str, secret: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}"))))
}

/// All at once.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in pinned.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
