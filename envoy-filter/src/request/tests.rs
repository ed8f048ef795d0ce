use super::*;
use crate::fake::{JWKS, Outcome, Process, REMOTE, TOKEN, Worker, policy};

const IDENTITY: &str = r#"{ "subject": "x-keystone-subject", "client_id": "x-keystone-client",
    "scope": "x-keystone-scope", "session": "x-keystone-session", "roles": "x-keystone-roles" }"#;

fn worker(identity: &str) -> Worker {
    Worker::new(&Process::start(), &policy(&format!(r#"{{ "inline": {JWKS} }}"#), identity))
}

/// With more members of the policy.
fn with(identity: &str, members: &str) -> Worker {
    let keys = format!(r#"{{ "inline": {JWKS} }}"#);
    Worker::new(&Process::start(), &policy(&keys, &format!("{identity}, {members}")))
}

const CORS: &str = r#""cors": { "origins": ["https://app.test"] }"#;

fn send(headers: &[(&str, &str)]) -> Outcome {
    worker(IDENTITY).send(&[&[(":method", "GET"), (":path", "/orders")], headers].concat())
}

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}

#[test]
fn a_valid_token_goes_on_with_its_identity() {
    let outcome = send(&[("authorization", &bearer())]);

    assert_eq!(outcome.action, Action::Continue);
    assert_eq!(outcome.upstream("x-keystone-subject"), ["alice-1"]);
    assert_eq!(outcome.upstream("x-keystone-client"), ["orders-app"]);
    assert_eq!(outcome.upstream("x-keystone-scope"), ["orders:read"]);
    assert_eq!(outcome.upstream("x-keystone-session"), ["s-1"]);
    assert_eq!(outcome.upstream("x-keystone-roles"), ["customer"]);
}

#[test]
fn forged_identity_headers_are_removed_in_every_spelling() {
    for path in ["/", "/orders"] {
        let outcome = worker(IDENTITY).send(&[
            (":method", "GET"),
            (":path", path),
            ("authorization", &bearer()),
            ("x-keystone-subject", "root"),
            ("x-keystone-subject", "admin"),
            ("x_keystone_subject", "root"),
            ("x-keystone_subject", "root"),
            ("x_keystone_session", "root"),
            ("X-Keystone-Roles", "root"),
            ("x-keystone-subjects", "kept"),
        ]);

        assert_eq!(outcome.action, Action::Continue);
        let forged = outcome.upstream.iter().filter(|(_, value)| value == "root" || value == "admin");
        assert_eq!(forged.count(), 0, "{path}");
        assert_eq!(outcome.upstream("x-keystone-subjects"), ["kept"]);
    }
}

#[test]
fn forged_identity_trailers_are_removed_in_every_spelling() {
    for path in ["/", "/orders"] {
        let mut worker = worker(IDENTITY);
        worker.begin(8, &[(":method", "GET"), (":path", path), ("authorization", &bearer())]);

        let sent = [
            ("x-keystone-subject", "root"),
            ("x-keystone-subject", "root"),
            ("x_keystone_subject", "root"),
            ("X-Keystone-Roles", "root"),
            ("x-keystone-subjects", "kept"),
            ("grpc-status", "0"),
        ];
        let left = ["x-keystone-subjects", "grpc-status"].map(String::from);
        assert_eq!(worker.trailers(8, &sent), (Action::Continue, left.to_vec()), "{path}");
    }
}

#[test]
fn trailers_that_cannot_be_cleaned_stop_the_request() {
    let mut worker = worker(IDENTITY);
    worker.begin(8, &[(":method", "GET"), (":path", "/")]);
    worker.host.refuses_changes.set(true);

    assert_eq!(worker.trailers(8, &[("grpc-status", "0")]).0, Action::Continue);
    assert_eq!(worker.trailers(8, &[("x-keystone-subject", "root")]).0, Action::Stop);
    assert_eq!(worker.outcome(8).response.unwrap().status, 500);
}

#[test]
fn a_request_without_token_gets_a_bare_challenge_and_a_problem() {
    let outcome = send(&[]);

    assert_eq!(outcome.action, Action::Stop);
    let response = outcome.response.unwrap();
    assert_eq!(response.status, 401);
    assert_eq!(response.details, "keystone_no_credentials");
    assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"keystone\""));
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("retry-after"), None);
    assert!(response.body.contains("\"code\":\"no_credentials\""), "{}", response.body);
}

#[test]
fn a_missing_scope_is_named() {
    let headers = [(":method", "POST"), (":path", "/orders"), ("authorization", &bearer())];
    let response = worker(IDENTITY).send(&headers).response.unwrap();

    assert_eq!(response.status, 403);
    assert!(response.header("www-authenticate").unwrap().ends_with("scope=\"orders:write\""));
}

#[test]
fn without_keys_the_fault_is_not_the_clients() {
    let headers = [(":method", "GET"), (":path", "/orders"), ("authorization", &bearer())];
    let mut worker = Worker::new(&Process::start(), &policy(REMOTE, "{}"));
    let response = worker.send_and_wait(&headers).response.unwrap();

    assert_eq!((response.status, response.header("www-authenticate")), (503, None));
    assert_eq!(response.details, "keystone_keys_unavailable");
    assert!(response.header("retry-after").is_some());
}

#[test]
fn two_tokens_are_refused_whether_envoy_joins_them_or_not() {
    let one = bearer();
    let joined = format!("{one},{one}");
    for headers in
        [&[("authorization", one.as_str()), ("authorization", &one)][..], &[("authorization", &joined)]]
    {
        let response = send(headers).response.unwrap();

        assert_eq!((response.status, response.details.as_str()), (400, "keystone_multiple_credentials"));
    }
}

#[test]
fn bytes_beyond_ascii_anywhere_are_answered() {
    let mut worker = worker(IDENTITY);
    for byte in 0x80..=0xff {
        for place in 0..4 {
            let headers =
                [("authorization", "Bearer ?"), (":method", "GE?"), (":path", "/orders?"), ("x-?", "?")];
            let mut raw = crate::header_map::write(&headers[..=place]);
            raw.iter_mut().filter(|at| **at == b'?').for_each(|at| *at = byte);

            assert_eq!(worker.send_raw(raw).action, Action::Stop);
        }
    }
    assert_eq!(worker.get("/orders", TOKEN).0, 200);
}

#[test]
fn a_request_without_method_path_or_any_header_is_denied() {
    for headers in [&[][..], &[(":method", "GET")], &[(":path", "/")]] {
        assert_eq!(worker(IDENTITY).send(headers).action, Action::Stop);
    }
}

#[test]
fn an_accepted_request_costs_at_most_four_calls() {
    let headers = [
        (":method", "GET"),
        (":path", "/orders"),
        ("authorization", &bearer()),
        ("x-keystone-subject", "forged"),
        ("x-keystone-roles", "forged"),
    ];
    let everything = with(IDENTITY, r#""envoy": { "forward_authorization": false, "access_log": true }"#);

    for (mut worker, calls) in [(worker("{}"), 2), (worker(IDENTITY), 3), (everything, 4)] {
        // The first needs a signature check, the second none.
        for _ in 0..2 {
            assert_eq!(worker.send(&headers).calls, calls);
        }
    }
}

#[test]
fn a_refused_request_costs_three_calls() {
    assert_eq!(send(&[]).calls, 3);
}

#[test]
fn other_headers_keep_their_duplicates_and_bytes() {
    let mut raw = crate::header_map::write(&[
        (":method", "GET"),
        (":path", "/orders?a=b"),
        ("authorization", bearer().as_str()),
        ("x-keystone-subject", "forged"),
        ("x-twice", "1"),
        ("x-bytes", "??"),
        ("x-twice", "2"),
    ]);
    raw.iter_mut().rev().filter(|at| **at == b'?').take(2).for_each(|at| *at = 0xff);

    let outcome = worker(IDENTITY).send_raw(raw);

    assert_eq!(outcome.action, Action::Continue);
    assert_eq!(outcome.upstream(":path"), ["/orders?a=b"]);
    assert_eq!(outcome.upstream("authorization"), [bearer()]);
    assert_eq!(outcome.upstream("x-twice"), ["1", "2"]);
    assert_eq!(outcome.upstream("x-bytes"), ["\u{fffd}\u{fffd}"]);
    assert_eq!(outcome.upstream("x-keystone-subject"), ["alice-1"]);
}

#[test]
fn the_upstream_gets_no_token_where_the_policy_says_so() {
    let mut worker = with("{}", r#""envoy": { "forward_authorization": false }"#);
    let mut upstream = |path, scheme: &str| {
        let value = format!("{scheme} {TOKEN}");
        let outcome = worker.send(&[(":method", "GET"), (":path", path), ("authorization", &value)]);
        assert_eq!(outcome.action, Action::Continue);
        outcome.upstream("authorization").len()
    };

    assert_eq!(upstream("/orders", "Bearer"), 0);
    // Nobody looked at it there, and it may be meant for the upstream.
    assert_eq!(upstream("/", "Basic"), 1);
}

#[test]
fn access_logs_get_decision_and_caller_if_the_policy_says_so() {
    let mut worker = with("{}", r#""envoy": { "access_log": true }"#);
    let mut note = |path, token: &str| {
        let bearer = format!("Bearer {token}");
        worker.send(&[(":method", "GET"), (":path", path), ("authorization", &bearer)]).note
    };

    assert_eq!(note("/", TOKEN).unwrap(), r#"{"code":"public"}"#);
    assert_eq!(
        note("/orders", TOKEN).unwrap(),
        r#"{"code":"allow","sub":"alice-1","client_id":"orders-app","sid":"s-1"}"#
    );
    assert_eq!(note("/orders", TOKEN.trim_start_matches('e')).unwrap(), r#"{"code":"base64"}"#);
    assert_eq!(send(&[("authorization", &bearer())]).note, None);
}

#[test]
fn a_page_of_a_listed_origin_can_read_why_it_was_refused() {
    let mut worker = with("{}", CORS);
    let mut refused = |origins: &[&str]| {
        let mut headers = vec![(":method", "GET"), (":path", "/orders")];
        headers.extend(origins.iter().map(|origin| ("origin", *origin)));
        worker.send(&headers).response.unwrap()
    };

    let readable = refused(&["https://app.test"]);
    assert_eq!(readable.status, 401);
    assert_eq!(readable.header("access-control-allow-origin"), Some("https://app.test"));
    assert_eq!(readable.header("access-control-expose-headers"), Some("www-authenticate, retry-after"));
    for origins in [&["https://evil.test"][..], &[], &["https://app.test", "https://app.test"]] {
        assert_eq!(refused(origins).header("access-control-allow-origin"), None);
    }
}

#[test]
fn a_preflight_of_a_listed_origin_is_answered_without_a_token() {
    let mut worker = with("{}", CORS);
    let mut ask = |origin, method| {
        worker
            .send(&[
                (":method", "OPTIONS"),
                (":path", "/orders"),
                ("origin", origin),
                ("access-control-request-method", method),
            ])
            .response
            .unwrap()
    };

    let allowed = ask("https://app.test", "POST");
    assert_eq!((allowed.status, allowed.body.as_str()), (204, ""));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("GET, POST"));
    for refused in [ask("https://evil.test", "POST"), ask("https://app.test", "DELETE")] {
        assert_eq!((refused.status, refused.details.as_str()), (403, "keystone_no_route"));
        assert_eq!(refused.header("access-control-allow-methods"), None);
    }
}

#[test]
fn a_refused_change_stops_the_request_and_is_logged_once() {
    let mut worker = worker(IDENTITY);
    worker.host.refuses_changes.set(true);
    for _ in 0..2 {
        let outcome = worker.send(&[(":method", "GET"), (":path", "/"), ("x-keystone-subject", "root")]);

        assert_eq!(outcome.action, Action::Stop);
        assert_eq!(outcome.response.unwrap().status, 500);
    }
    assert_eq!(worker.host.log.borrow().len(), 1);
    assert!(worker.host.last_line().contains("allowed_capabilities"));
}

#[test]
fn a_host_without_a_clock_is_no_fault_of_the_client() {
    let process = Process::start();
    let mut worker = Worker::new(&process, &policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}"));
    process.stop_clock();

    assert_eq!(worker.get("/orders", TOKEN), (500, "keystone_internal".into()));
}

#[test]
fn an_unreadable_header_map_stops_the_request() {
    assert_eq!(worker(IDENTITY).send_raw(vec![0xff; 9]).action, Action::Stop);
    assert_eq!(worker(IDENTITY).send_raw(Vec::new()).action, Action::Stop);
}

#[test]
fn a_request_without_configuration_stops() {
    let mut worker = Worker::unconfigured(&Process::start(), "");

    assert_eq!(worker.send(&[(":method", "GET"), (":path", "/")]).response.unwrap().status, 500);
}
