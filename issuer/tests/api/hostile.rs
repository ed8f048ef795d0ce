//! Requests that nobody sends by mistake: each is refused, costs little, and ends nothing.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use keystone_issuer::config::PasswordPolicy;
use keystone_issuer::http::{guarded_routes, public, server};
use keystone_issuer::password::Passwords;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{PASSWORD, TestIssuer};

const NONE: Value = Value::Null;

/// L-01, L-11: with a lane that cannot compute the stand-in's hash, whoever would cost one is not answered.
#[tokio::test]
async fn whoever_cannot_log_in_costs_a_hash_all_the_same() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let olaf = format!("PATCH {}", test.path_of("olaf").await);
    test.ask_as(&boss, &olaf, "*", json!({ "enabled": false })).await.success();
    let impossible = keystone_issuer::config::Passwords {
        policy: PasswordPolicy::Classic,
        memory_kib: 1,
        passes: 1,
        lanes: 1,
        permits: 1,
        deadline: Duration::from_secs(5),
    };
    let world = test.issuer.world.clone();
    let test = test.rebuilt(|issuer| issuer.passwords = Passwords::start(&impossible, world).unwrap());

    let long = "a".repeat(1025);
    for (username, password) in [
        ("nobody", PASSWORD),
        ("a b", PASSWORD),
        ("olaf", PASSWORD),
        ("alice", &long),
        ("alice", &long[..129]),
    ] {
        test.login_as("app", username, password).await.refused(503, "temporarily_unavailable");
    }
    test.login_as("app", "alice", "wrong").await.refused(400, "invalid_grant");
}

/// L-17: names are names and addresses are addresses.
#[tokio::test]
async fn nobody_logs_in_with_an_address_and_nobody_by_anothers() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    for (username, email) in [("bob", "bob@example.com"), ("bob@example.com", "eve@example.com")] {
        let body =
            json!({ "username": username, "email": email, "password": PASSWORD, "roles": ["customer"] });
        assert_eq!(test.ask_as(&boss, "POST /admin/users", "", body).await.status.as_u16(), 201);
    }

    let eve = test.login("bob@example.com").await.success().claims()["sub"].clone();

    assert_ne!(test.login("bob").await.success().claims()["sub"], eve);
    test.login("eve@example.com").await.refused(400, "invalid_grant");
}

/// on every route that reads a body.
#[tokio::test]
async fn hostile_json_is_refused_by_every_route() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let deep = "[".repeat(30_000);
    let members = format!("{{\"a\":{}1{}", "{\"a\":".repeat(5000), "}".repeat(5001));
    let bodies = [
        &deep,
        &members,
        "\u{feff}{}",
        "{} {}",
        "{\"name\":1e400}",
        "{\"old_valid_for\":-1}",
        "{\"old_valid_for\":4294967296}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"a\",\"n\\u0061me\":\"b\"}",
        "{\"__proto__\":{}}",
        "NaN",
        "nul",
        "",
    ];
    let readers = guarded_routes().into_iter().filter(|(method, path, _)| {
        matches!(method.as_str(), "POST" | "PUT" | "PATCH")
            && !path.ends_with("/reset")
            && !path.ends_with("/rotate")
    });

    for (method, path, _) in readers {
        let path = path.replace("{id}", "00000000-0000-0000-0000-000000000000");
        let path = path.replace("{name}", "none").replace("{client_id}", "none");
        for body in bodies {
            let request = Request::builder()
                .method(method.as_str())
                .uri(&path)
                .header("authorization", format!("Bearer {boss}"))
                .header("content-type", "application/json")
                .header("if-match", "*");
            let answer = test.send(request.body(Body::from(body.to_owned())).unwrap()).await;
            assert_eq!(
                answer.status.as_u16(),
                400,
                "{method} {path} {}: {answer:?}",
                &body[..body.len().min(40)]
            );
        }
    }
}

/// a cursor is a name after which to go on, bound as a parameter; whatever it says, it opens nothing.
#[tokio::test]
async fn cursors_and_filters_are_values_and_never_sql() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let count = |body: &Value, what: &str| body[what].as_array().unwrap().len();

    for list in ["users", "roles", "scopes", "clients"] {
        let path = format!("GET /admin/{list}");
        let all = test.ask_as(&boss, &format!("{path}?limit=100"), "", NONE).await.success();
        for injected in ["'+OR+1=1--", "%27%3B+DROP+TABLE+users%3B--", "%22%2C%24%7B7*7%7D", "%F4%8F%BF%BF"] {
            let page =
                test.ask_as(&boss, &format!("{path}?limit=100&cursor={injected}"), "", NONE).await.success();
            assert!(count(&page.body, list) <= count(&all.body, list), "{injected}");
        }
        for wrong in ["limit=1;drop", "limit=1e2", "limit=0x10", "sort=name", "order=name+desc", "cursor=%00"]
        {
            test.ask_as(&boss, &format!("{path}?{wrong}"), "", NONE).await.refused(400, "invalid_request");
        }
        let again = test.ask_as(&boss, &format!("{path}?limit=100"), "", NONE).await.success();
        assert_eq!(again.body, all.body);
    }
}

/// whoever may read sees nothing that could be used or guessed at.
#[tokio::test]
async fn no_list_and_no_answer_shows_a_hash_or_a_secret() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let refresh = test.login("alice").await.success().text("refresh_token");
    let hash = test.issuer.store.credential("alice").await.unwrap().unwrap().password_hash.unwrap();
    let client = test.issuer.store.client("robot").await.unwrap().unwrap();
    let secret_hash: String = client.secrets[0].iter().map(|byte| format!("{byte:02x}")).collect();
    let alice = test.path_of("alice").await;

    let own = ["/admin/clients/robot", "/admin/roles/customer", "/users/me", &alice].map(str::to_owned);
    let lists =
        guarded_routes().into_iter().filter(|(method, path, _)| *method == "GET" && !path.contains('{'));
    for path in lists.map(|(_, path, _)| path).chain(own) {
        let text = test.ask_as(&boss, &format!("GET {path}"), "", NONE).await.success().body.to_string();
        for hidden in [&hash, "argon2", &secret_hash, test.secret("robot"), &refresh, &boss] {
            assert!(!text.contains(hidden), "{path}: {text}");
        }
    }
}

/// P-18: ten seconds for a head, and ten for a body.
#[tokio::test]
async fn whoever_sends_slowly_is_not_waited_for() {
    let test = TestIssuer::start().await;
    let address = served(&test).await;
    tokio::time::pause();

    let begun = tokio::time::Instant::now();
    let head = "POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let body = said(address, format!("{head}content-length: 100\r\n\r\ngrant_type=").as_bytes()).await;
    let heads = said(address, head.as_bytes()).await;
    let nothing = said(address, b"").await;

    assert!(body.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&body));
    assert!(heads.is_empty() && nothing.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
}

/// P-19: rapid reset (CVE-2023-44487), endless CONTINUATION (RUSTSEC-2024-0332), empty DATA.
#[tokio::test]
async fn a_flood_of_http_2_frames_ends_its_own_connection_and_no_other() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // HPACK: GET / over http, all from the static table, and an authority.
    const HEAD: &[u8] = &[0x82, 0x84, 0x86, 0x41, 0x01, b'x'];
    const POST: &[u8] = &[0x83, 0x84, 0x86, 0x41, 0x01, b'x'];
    let test = TestIssuer::start().await;
    let address = served(&test).await;
    let start = [PREFACE, &frame(4, 0, 0, &[])].concat();

    let resets = (0..20_000_u32)
        .flat_map(|at| [frame(1, 5, 2 * at + 1, HEAD), frame(3, 0, 2 * at + 1, &[0, 0, 0, 8])].concat());
    let endless = std::iter::once(frame(1, 0, 1, HEAD))
        .chain((0..20_000).map(|_| frame(9, 0, 1, &[0x00; 32])))
        .flatten();
    let empty =
        std::iter::once(frame(1, 4, 1, POST)).chain((0..200_000).map(|_| frame(0, 0, 1, &[]))).flatten();

    for flood in [resets.collect::<Vec<_>>(), endless.collect(), empty.collect()] {
        let heard = said(address, &[start.as_slice(), &flood].concat()).await;
        // GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §7), and the end.
        assert!(heard.windows(4).any(|code| code == [0, 0, 0, 11]), "{heard:?}");
        assert!(
            said(address, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .await
                .starts_with(b"HTTP/1.1 404 ")
        );
    }
}

async fn served(test: &TestIssuer) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let admission = server::Admission::new(1000, 1000, &[]);
    let terms = server::Terms { routes: public(test.issuer.clone()), tls: None, admission };
    tokio::spawn(server::serve(listener, terms, server::Stop::never()));
    address
}

/// What the server says until it closes the connection.
async fn said(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let bytes = bytes.to_vec();
    // Beside the reading: a server that has heard enough reads no more.
    tokio::spawn(async move {
        let _ = to.write_all(&bytes).await;
        std::future::pending::<()>().await;
    });
    let mut heard = Vec::new();
    // A reset is an end, too.
    let _ = from.read_to_end(&mut heard).await;
    heard
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
