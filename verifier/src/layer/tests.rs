use alloc::format;
use core::convert::Infallible;
use core::future::{Ready, ready};
use core::pin::pin;
use core::task::Waker;

use super::*;
use crate::Policy;
use crate::fixture::{HEADER, NOW, claims, jwks, sign};

/// Answers with the subject of the token that it finds.
#[derive(Clone)]
struct Upstream;

impl Service<Request<()>> for Upstream {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let subject = request.extensions().get::<Verified>().map(|token| token.subject().into());
        ready(Ok(Response::new(subject.unwrap_or_else(|| String::from("nobody")))))
    }
}

const POLICY: &str = r#"{"version":1,"issuers":[{"issuer":"https://as.example","audiences":["https://api.example"],
    "keys":{"inline":JWKS}}],"routes":[
    {"methods":["GET"],"path":"/about","public":true},
    {"methods":["GET"],"path":"/orders","authenticated":true}]}"#;

fn authorizer(policy: &str) -> Authorizer {
    Authorizer::new(Policy::parse(policy.replace("JWKS", &jwks()).as_bytes()).unwrap())
}

fn guard() -> GuardLayer<impl Fn() -> Seconds + Clone> {
    GuardLayer::new(Arc::new(Mutex::new(authorizer(POLICY))), || NOW)
}

fn get(
    service: &mut impl Service<Request<()>, Response = Response<String>>,
    path: &str,
    token: &str,
) -> (u16, Response<String>) {
    let mut request = Request::builder().uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut future = pin!(service.call(request.body(()).unwrap()));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) else { panic!("must answer at once") };
    (response.status().as_u16(), response)
}

#[test]
fn an_allowed_request_goes_on_with_its_token() {
    let mut service = guard().layer(Upstream);

    let (status, response) = get(&mut service, "/orders?page=2", &sign(HEADER, &claims(&[])));
    assert_eq!((status, response.body().as_str()), (200, "u1"));
    let (status, response) = get(&mut service, "https://api.example/about", "");
    assert_eq!((status, response.body().as_str()), (200, "nobody"));
}

#[test]
fn a_refused_request_is_answered_and_goes_no_further() {
    let mut service = guard().layer(Upstream);

    let (status, response) = get(&mut service, "/orders", "x.y.z");
    assert_eq!(status, 401);
    let refusal = response.extensions().get::<Refusal>().unwrap();
    assert_eq!(refusal.code(), Code::Base64);
    assert_eq!(response.body(), &refusal.problem());
    for (name, value) in refusal.headers() {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    assert_eq!(get(&mut service, "/orders", "").0, 401);
    assert_eq!(get(&mut service, "/about/../orders", "").0, 400);
    assert_eq!(get(&mut service, "/else", "").0, 403);
    assert_eq!(get(&mut service, "/ORDERS", "").0, 403);
    assert_eq!(get(&mut service, "*", "").0, 400);
}

#[test]
fn two_authorization_headers_are_seen() {
    let mut service = guard().layer(Upstream);
    let token = sign(HEADER, &claims(&[]));
    let request = Request::builder()
        .uri("/orders")
        .header("authorization", format!("Bearer {token}"))
        .header("authorization", format!("Bearer {token}"));

    let mut future = pin!(service.call(request.body(()).unwrap()));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("must answer at once")
    };
    assert_eq!(response.status(), 400);
}

#[test]
fn scopes_are_asked_of_the_token_that_was_verified() {
    let asking = |scopes: &[&str]| guard().layer(ScopesLayer::all(scopes).unwrap().layer(Upstream));
    let token = sign(HEADER, &claims(&[]));

    assert_eq!(get(&mut asking(&["orders:read"]), "/orders", &token).0, 200);
    let (status, response) = get(&mut asking(&["orders:read", "orders:write"]), "/orders", &token);
    assert_eq!(status, 403);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.ends_with(r#"scope="orders:read orders:write""#), "{challenge}");
    // Public for the policy, but not for the router.
    assert_eq!(get(&mut asking(&["orders:read"]), "/about", &token).0, 401);
    assert!(ScopesLayer::all(&["a", "a b"]).is_err() && ScopesLayer::all(&["\""]).is_err());
}

/// The status and the headers of the answer, sorted.
fn told(service: &mut impl Service<Request<()>, Response = Response<String>>, request: Request<()>) -> Told {
    let mut future = pin!(service.call(request));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("must answer at once")
    };
    let headers = response.headers().iter();
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.as_str().into(), value.to_str().unwrap().into())).collect();
    headers.sort();
    (response.status().as_u16(), headers)
}

type Told = (u16, Vec<(String, String)>);

fn sorted(headers: Headers) -> Vec<(String, String)> {
    let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    headers.sort();
    headers
}

fn from_page(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::builder().method(method).uri(path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
}

const PAGE: (&str, &str) = ("origin", "https://app.test");
const ASKS: (&str, &str) = ("access-control-request-method", "GET");

fn guard_with_cors() -> GuardLayer<impl Fn() -> Seconds + Clone> {
    let guard = guard();
    let cors = r#"{"cors":{"origins":["https://app.test"]},"version":1"#;
    *guard.authorizer.lock().unwrap() = authorizer(&POLICY.replacen(r#"{"version":1"#, cors, 1));
    guard
}

#[test]
fn a_preflight_is_answered_as_the_policy_says() {
    let mut service = guard_with_cors().layer(Upstream);
    let asked = Preflight { path: b"/orders", origin: b"https://app.test", method: b"GET" };
    let allowed = gate_of(&service).policy().preflight(&asked).unwrap();

    assert_eq!(told(&mut service, from_page("OPTIONS", "/orders", &[PAGE, ASKS])), (204, sorted(allowed)));
    for headers in [
        &[PAGE][..],
        &[ASKS],
        &[PAGE, PAGE, ASKS],
        &[PAGE, ASKS, ASKS],
        &[("origin", "https://other.test"), ASKS],
        &[PAGE, ("access-control-request-method", "PUT")],
    ] {
        assert_eq!(told(&mut service, from_page("OPTIONS", "/orders", headers)).0, 403, "{headers:?}");
    }
    assert_eq!(told(&mut service, from_page("GET", "/about", &[PAGE, ASKS])).0, 200);
    assert_eq!(told(&mut guard().layer(Upstream), from_page("OPTIONS", "/orders", &[PAGE, ASKS])).0, 403);
}

#[test]
fn a_page_of_a_listed_origin_may_read_a_refusal() {
    let mut service = guard_with_cors().layer(Upstream);
    let readable = gate_of(&service).policy().cors().unwrap().readable(b"https://app.test");
    let refusal = Refusal::from(Code::NoCredentials);
    let all: Headers = refusal.headers().into_iter().chain(readable).collect();

    assert_eq!(told(&mut service, from_page("GET", "/orders", &[PAGE])), (401, sorted(all)));
    let other = told(&mut service, from_page("GET", "/orders", &[("origin", "https://other.test")]));
    assert_eq!(other, (401, sorted(refusal.headers())));
    // The service answers for itself.
    assert_eq!(told(&mut service, from_page("GET", "/about", &[PAGE])), (200, Vec::new()));
}

#[test]
fn a_page_may_read_a_refusal_of_a_layer_within() {
    let within = ScopesLayer::all(&["orders:write"]).unwrap().layer(Upstream);
    let mut service = guard_with_cors().layer(within);
    let bearer = format!("Bearer {}", sign(HEADER, &claims(&[])));

    let (status, headers) =
        told(&mut service, from_page("GET", "/orders", &[PAGE, ("authorization", &bearer)]));
    assert_eq!(status, 403);
    assert!(
        headers.contains(&("access-control-allow-origin".into(), "https://app.test".into())),
        "{headers:?}"
    );
    assert!(headers.iter().any(|(name, _)| name == "www-authenticate"));
}

fn gate_of<S, C>(guard: &Guard<S, C>) -> std::sync::MutexGuard<'_, Authorizer> {
    guard.layer.authorizer.lock().unwrap()
}
