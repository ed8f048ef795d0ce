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

fn guard() -> GuardLayer<impl Fn() -> Seconds + Clone> {
    let policy = format!(
        r#"{{"version":1,"issuers":[{{"issuer":"https://as.example","audiences":["https://api.example"],
        "keys":{{"inline":{}}}}}],"routes":[
        {{"methods":["GET"],"path":"/about","public":true}},
        {{"methods":["GET"],"path":"/orders","authenticated":true}}]}}"#,
        jwks()
    );
    let gate = Gate::new(Policy::parse(policy.as_bytes()).unwrap());
    GuardLayer::new(Arc::new(Mutex::new(gate)), || NOW)
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
    assert!(ScopesLayer::all(&["a b"]).is_none() && ScopesLayer::all(&["\""]).is_none());
}
