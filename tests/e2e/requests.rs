//! Every kind of request, for tests of what happens behind the issuer while it is answered.

use anyhow::{Context, Result};
use keystone_tests::http::Request;
use keystone_tests::issuer::{Home, Issuer, Tokens};
use keystone_tests::{cast, stack};
use serde_json::{Value, json};

/// An issuer with the fixtures, an administrator and a user who looks after an account.
pub(crate) struct Staffed {
    pub(crate) issuer: Issuer,
    /// The secret of [`ROBOT`].
    pub(crate) secret: String,
    admin: String,
}

/// A kind of request; the number makes the names in it new.
pub(crate) type Kind = (&'static str, fn(&Staffed, usize) -> Result<Request>);

impl Staffed {
    pub(crate) fn serve(home: &Home) -> Result<Self> {
        home.bootstrap()?;
        let applied = home.apply(&[&cast::orders(&home.url()), STAFF].concat())?;
        let issuer = home.serve()?;
        let secret = |client: &str| {
            let secret = applied.pointer(&format!("/secrets/{client}")).and_then(Value::as_str);
            secret.with_context(|| format!("apply printed no secret of {client}"))
        };
        stack::create_people(&issuer, secret("demo-setup")?)?;
        let secret = secret(ROBOT)?.to_owned();
        let admin = issuer.tokens(&issuer.client_grant(ROBOT, &secret))?.access;
        issuer.create_user(&admin, MEMBER)?.expect(201)?;
        Ok(Self { issuer, secret, admin })
    }

    /// A login of the user who looks after an account.
    pub(crate) fn member(&self) -> Result<Tokens> {
        let (name, password, _) = MEMBER;
        let client = ("client_id", "account-app");
        let login = [("grant_type", "password"), client, ("username", name), ("password", password)];
        self.issuer.tokens(&self.issuer.token(&login))
    }

    pub(crate) fn admin(&self, method: &str, path: &str) -> Request {
        self.issuer.site.request(method, path).bearer(&self.admin).header("if-match", "*")
    }

    pub(crate) fn own(&self, method: &str, path: &str) -> Result<Request> {
        let token = self.member()?.access;
        Ok(self.issuer.site.request(method, path).bearer(&token).header("if-match", "*"))
    }

    /// A user made for this request, by id.
    fn new_user(&self, number: usize) -> Result<String> {
        let user =
            json!({ "username": format!("made-{number}"), "password": MEMBER.1, "roles": ["customer"] });
        self.admin("POST", "/admin/users").json(&user).send()?.expect(201)?.member("id")
    }

    /// A client made for this request, by id.
    fn new_client(&self, number: usize) -> Result<String> {
        self.admin("POST", "/admin/clients").json(&client(number)).send()?.expect(201)?.member("client_id")
    }

    fn with_new_role(&self, number: usize, request: Request) -> Result<Request> {
        self.admin("POST", "/admin/roles").json(&role(number)).send()?.expect(201)?;
        Ok(request)
    }

    fn with_new_scope(&self, number: usize, request: Request) -> Result<Request> {
        self.admin("POST", "/admin/scopes").json(&scope(number)).send()?.expect(201)?;
        Ok(request)
    }
}

fn role(number: usize) -> Value {
    json!({ "name": format!("role-{number}"), "scopes": ["orders:read"] })
}

fn scope(number: usize) -> Value {
    json!({ "name": format!("scope-{number}"), "resource": "orders" })
}

fn client(number: usize) -> Value {
    let id = format!("client-{number}");
    json!({ "client_id": id, "name": id, "grants": ["client_credentials"], "scopes": ["orders:read"] })
}

/// The requests of all clients.
pub(crate) const TOKENS: &[Kind] = &[
    ("login", |on, _| Ok(on.issuer.password_grant("alice", cast::password("alice")?))),
    ("refresh", |on, _| Ok(on.issuer.refresh_grant(on.issuer.login("alice")?.refresh()?))),
    ("client credentials", |on, _| Ok(on.issuer.client_grant(ROBOT, &on.secret))),
    ("revocation of a refresh token", |on, _| {
        let alice = on.issuer.login("alice")?;
        let fields = [("client_id", cast::APP), ("token", alice.refresh()?)];
        Ok(on.issuer.site.post("/auth/revoke").form(&fields))
    }),
    ("introspection", |on, _| {
        let token = on.issuer.login("alice")?.access;
        Ok(on.issuer.site.post("/auth/introspect").form(&[("token", &token)]).basic(ROBOT, &on.secret))
    }),
    ("logout", |on, _| Ok(on.issuer.site.post("/auth/logout").bearer(&on.issuer.login("alice")?.access))),
];

/// The requests of users for their own accounts.
pub(crate) const ACCOUNT: &[Kind] = &[
    ("own profile", |on, _| on.own("GET", "/users/me")),
    ("own sessions", |on, _| on.own("GET", "/users/me/sessions")),
    ("own address", |on, number| {
        Ok(on.own("PATCH", "/users/me")?.json(&json!({ "email": format!("mia-{number}@example.com") })))
    }),
    ("own password", |on, _| {
        let same = json!({ "old_password": MEMBER.1, "new_password": MEMBER.1 });
        Ok(on.own("POST", "/users/me/password")?.json(&same))
    }),
];

/// The requests of administrators.
pub(crate) const ADMINISTRATION: &[Kind] = &[
    ("users", |on, _| Ok(on.admin("GET", "/admin/users"))),
    ("a new user", |on, number| {
        let user = json!({ "username": format!("user-{number}"), "roles": ["customer"] });
        Ok(on.admin("POST", "/admin/users").json(&user))
    }),
    ("a disabled user", |on, number| {
        let path = format!("/admin/users/{}", on.new_user(number)?);
        Ok(on.admin("PATCH", &path).json(&json!({ "enabled": false })))
    }),
    ("roles of a user", |on, number| {
        let path = format!("/admin/users/{}/roles", on.new_user(number)?);
        Ok(on.admin("PUT", &path).json(&json!({ "roles": ["clerk"] })))
    }),
    ("a reset", |on, number| Ok(on.admin("POST", &format!("/admin/users/{}/reset", on.new_user(number)?)))),
    ("sessions of a user", |on, number| {
        Ok(on.admin("DELETE", &format!("/admin/users/{}/sessions", on.new_user(number)?)))
    }),
    (
        "a deleted user",
        |on, number| Ok(on.admin("DELETE", &format!("/admin/users/{}", on.new_user(number)?))),
    ),
    ("a new role", |on, number| Ok(on.admin("POST", "/admin/roles").json(&role(number)))),
    ("a changed role", |on, number| {
        let change = on.admin("PATCH", &format!("/admin/roles/role-{number}"));
        on.with_new_role(number, change.json(&json!({ "scopes": [] })))
    }),
    ("a deleted role", |on, number| {
        on.with_new_role(number, on.admin("DELETE", &format!("/admin/roles/role-{number}")))
    }),
    ("a new scope", |on, number| Ok(on.admin("POST", "/admin/scopes").json(&scope(number)))),
    ("a deleted scope", |on, number| {
        on.with_new_scope(number, on.admin("DELETE", &format!("/admin/scopes/scope-{number}")))
    }),
    ("a new client", |on, number| Ok(on.admin("POST", "/admin/clients").json(&client(number)))),
    ("a changed client", |on, number| {
        let path = format!("/admin/clients/{}", on.new_client(number)?);
        Ok(on.admin("PATCH", &path).json(&json!({ "scopes": [] })))
    }),
    ("a new secret", |on, number| {
        Ok(on.admin("POST", &format!("/admin/clients/{}/secrets", on.new_client(number)?)))
    }),
    ("a deleted client", |on, number| {
        Ok(on.admin("DELETE", &format!("/admin/clients/{}", on.new_client(number)?)))
    }),
    ("sessions", |on, _| Ok(on.admin("GET", "/admin/sessions"))),
    ("the audit log", |on, _| Ok(on.admin("GET", "/admin/audit"))),
    ("signing keys", |on, _| Ok(on.admin("GET", "/admin/keys"))),
    ("a rotation of keys", |on, _| Ok(on.admin("POST", "/admin/keys/rotate"))),
    ("the feed", |on, _| Ok(on.issuer.site.get("/.well-known/keystone/revocations"))),
];

/// The client that administers.
pub(crate) const ROBOT: &str = "robot";

const MEMBER: (&str, &str, &str) = ("mia", "Member-Of-The-Club-3", "customer");

const STAFF: &str = r#"
[[clients]]
client_id = "account-app"
name = "The page of accounts"
public = true
grants = ["password", "refresh_token"]
scopes = ["keystone:account", "orders:read"]

[[clients]]
client_id = "robot"
name = "Administers"
grants = ["client_credentials"]
scopes = [
    "orders:read", "orders:write", "keystone:audit:read",
    "keystone:users:read", "keystone:users:write", "keystone:roles:read", "keystone:roles:write",
    "keystone:scopes:read", "keystone:scopes:write", "keystone:clients:read", "keystone:clients:write",
    "keystone:keys:read", "keystone:keys:write", "keystone:sessions:read", "keystone:sessions:write",
]
"#;
