//! Envoy, once with the Keystone filter and once with its own `jwt_authn`, on the time of each case.
//!
//! Requests come over HTTP/2: its frames carry every byte of a case exactly, where a line of HTTP/1.1 would end early.
//! Those with HEAD come over HTTP/1.1: their answers have no body, only a header that says the reason.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Column, LIMIT, REFUSED_EARLY, peers};
use crate::clock::write_in_place;
use crate::envoy::{address, cluster, keystone};
use crate::hostile::{self, Case};
use crate::http::Site;
use crate::http2::{self, Answer};
use crate::ledger::Ledger;
use crate::ports;
use crate::program::Program;
use crate::server::{Reply, Server};
use crate::tools::Tools;
use crate::wire::Message;

/// The verdicts of the two filters.
pub(super) struct Gateway {
    pub(super) keystone: Column,
    pub(super) jwt_authn: Column,
}

pub(super) fn judge(tools: &Tools, home: &Path) -> Result<Gateway> {
    fs::create_dir_all(home)?;
    let clock = home.join("clock");
    let upstream = Server::start(ports::free()?, seen)?;
    let doors = Doors::for_all()?;
    let admin = Site::new(ports::free()?, &Ledger::default());
    set(&clock, hostile::NOW)?;
    let configuration = doors.configuration(tools, admin.port, upstream.port);
    fs::write(home.join("envoy.json"), configuration.to_string())?;
    let mut process = Program::new("envoy", &tools.envoy, home)
        .args(["-c", "envoy.json", "--disable-hot-restart", "--concurrency", "1", "--log-level", "info"])
        .env("LD_PRELOAD", &tools.clock)
        .env("KEYTEST_CLOCK_FILE", &clock)
        .start()?;
    process.ready(LIMIT, || admin.get("/ready").send().is_ok_and(|answer| answer.status == 200))?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for case in &hostile::cases() {
        set(&clock, case.now)?;
        let door = doors.of(case)?;
        ours.push(match case.method.as_str() {
            "HEAD" => head(door.keystone, case)?,
            _ => verdict(&ask(door.keystone, case)?)?,
        });
        theirs.push(match peers::token(case) {
            Some(_) => opinion(&ask(door.jwt_authn, case)?),
            None => peers::NOT_ASKED.to_owned(),
        });
    }
    Ok(Gateway {
        keystone: Column::complete("Envoy", ours)?,
        jwt_authn: Column::complete("Envoy's jwt_authn", theirs)?,
    })
}

/// The service behind Envoy: it answers with the subject that the filter names, where it names one.
fn seen(request: &Message) -> Reply {
    Reply::json(200, &json!({ "code": if request.header(SUBJECT).is_some() { "allow" } else { "public" } }))
}

fn ask(port: u16, case: &Case) -> Result<Answer> {
    let (method, path) = (hostile::bytes(&case.method), hostile::bytes(&case.path));
    let values: Vec<Vec<u8>> = case.authorization.iter().map(|value| hostile::bytes(value)).collect();
    let mut fields: Vec<(&[u8], &[u8])> = vec![
        (b":method", &method),
        (b":scheme", b"http"),
        (b":authority", b"api.example"),
        (b":path", &path),
    ];
    fields.extend(values.iter().map(|value| (&b"authorization"[..], value.as_slice())));
    http2::send(port, &fields)
}

/// Read to the end of the connection: the length that such an answer names is not that of its body.
fn head(port: u16, case: &Case) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut request =
        format!("HEAD {} HTTP/1.1\r\nhost: api.example\r\nconnection: close\r\n", case.path).into_bytes();
    for value in &case.authorization {
        request.extend([b"authorization: ", &*hostile::bytes(value), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let reason = answer.lines().find_map(|line| line.strip_prefix("x-reason: keystone_"));
    Ok(reason.map_or_else(refused_early, str::to_owned))
}

fn refused_early() -> String {
    REFUSED_EARLY.to_owned()
}

/// The code that the filter or the service behind it gave; Envoy's own answers have none.
fn verdict(answer: &Answer) -> Result<String> {
    let Answer::Body(body) = answer else { return Ok(refused_early()) };
    let Ok(told) = serde_json::from_slice::<Value>(body) else { return Ok(refused_early()) };
    let code = told.get("code").and_then(Value::as_str).with_context(|| format!("no code in {told}"))?;
    Ok(code.to_owned())
}

/// The service behind it was reached, or not.
fn opinion(answer: &Answer) -> String {
    let reached = matches!(answer, Answer::Body(body) if body.starts_with(b"{\"code\""));
    if reached { peers::ACCEPTED } else { peers::REFUSED }.to_owned()
}

fn set(clock: &Path, now: u64) -> Result<()> {
    write_in_place(clock, now.to_ne_bytes())
}

/// Two listeners for each key set of the file.
struct Doors(BTreeMap<String, Door>);

struct Door {
    keystone: u16,
    jwt_authn: u16,
    policy: Value,
}

impl Doors {
    fn for_all() -> Result<Self> {
        let mut doors = BTreeMap::new();
        for case in hostile::cases() {
            let policy = case.policy();
            if let Entry::Vacant(place) = doors.entry(policy.to_string()) {
                place.insert(Door { keystone: ports::free()?, jwt_authn: ports::free()?, policy });
            }
        }
        Ok(Self(doors))
    }

    fn of(&self, case: &Case) -> Result<&Door> {
        self.0.get(&case.policy().to_string()).context("a case has a policy of its own")
    }

    fn configuration(&self, tools: &Tools, admin: u16, upstream: u16) -> Value {
        let mut listeners = Vec::new();
        for door in self.0.values() {
            let mut policy = door.policy.clone();
            if let Some(members) = policy.as_object_mut() {
                members.insert("identity_headers".to_owned(), json!({ "subject": SUBJECT }));
            }
            listeners.push(listener(door.keystone, keystone(&tools.filter, &policy.to_string())));
            listeners.push(listener(door.jwt_authn, jwt_authn(&door.policy)));
        }
        json!({
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": listeners, "clusters": [cluster("api", upstream)] },
        })
    }
}

fn listener(port: u16, filter: Value) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "api",
        // A connection that broke a rule ends at once.
        "delayed_close_timeout": "0s",
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "" }, "route": { "cluster": "api" } }],
                "response_headers_to_add": [{ "header": { "key": "x-reason", "value": "%RESPONSE_CODE_DETAILS%" } }],
            }],
        },
        "http_filters": [
            filter,
            {
                "name": "envoy.filters.http.router",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
            },
        ],
    });
    json!({
        "name": port.to_string(),
        "address": address(port),
        "filter_chains": [{
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
        }],
    })
}

/// As strict as it can be told to be.
fn jwt_authn(policy: &Value) -> Value {
    let issuer = policy.pointer("/issuers/0").cloned().unwrap_or_default();
    let keys = issuer.pointer("/keys/inline").cloned().unwrap_or_default();
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {
                "issuer": {
                    "issuer": issuer.get("issuer"),
                    "audiences": issuer.get("audiences"),
                    "local_jwks": { "inline_string": keys.to_string() },
                    "require_expiration": true,
                    "max_lifetime": "86400s",
                    "clock_skew_seconds": 30,
                },
            },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "issuer" } }],
        },
    })
}

const SUBJECT: &str = "x-keystone-subject";
