use super::*;
use crate::fake::{JWKS, Outcome, Process, REMOTE, TOKEN, Worker, policy};

const IDENTITY: &str = r#"{ "subject": "x-keystone-subject", "client_id": "x-keystone-client",
    "scope": "x-keystone-scope", "session": "x-keystone-session", "roles": "x-keystone-roles" }"#;

fn worker(identity: &str) -> Worker {
    Worker::new(&Process::start(), &policy(&format!(r#"{{ "inline": {JWKS} }}"#), identity))
}

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
    let response = Worker::new(&Process::start(), &policy(REMOTE, "{}")).send(&headers).response.unwrap();

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
            let mut raw = crate::pairs::write(&headers[..=place]);
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
fn an_accepted_request_costs_two_calls_and_one_for_each_identity_header() {
    let headers = [(":method", "GET"), (":path", "/orders"), ("authorization", &bearer())];

    assert_eq!(worker("{}").send(&headers).calls, 2);
    assert_eq!(worker(IDENTITY).send(&headers).calls, 7);
}

#[test]
fn a_host_that_refuses_a_change_stops_the_request_and_says_so_once() {
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
