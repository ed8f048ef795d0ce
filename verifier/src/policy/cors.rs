//! Which pages of other origins may call, and read why they were refused (Fetch standard, "CORS protocol").
//!
//! Only the answers that a verifier gives by itself are covered: refusals and preflights. What a guarded service
//! answers is its own matter.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Policy;
use super::error::Fault;
use super::read::Member;
use crate::path::Path;
use crate::text::joined;

/// Origins that may call, each spelled as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Vec<String>,
    /// For `Access-Control-Allow-Headers`, separated by commas.
    headers: String,
    /// Seconds for which a browser may remember the answer to a preflight.
    max_age: u64,
}

/// A preflight: an `OPTIONS` request that asks on behalf of a later one.
#[derive(Clone, Copy, Debug)]
pub struct Preflight<'a> {
    /// The request target in origin form, with its query.
    pub path: &'a [u8],
    /// The one value of `Origin`.
    pub origin: &'a [u8],
    /// The one value of `Access-Control-Request-Method`.
    pub method: &'a [u8],
}

impl Cors {
    pub(super) fn read(member: &Member<'_, '_>) -> Result<Self, Fault> {
        member.members(&["origins", "headers", "max_age_seconds"])?;
        let origins = member.need("origins")?;
        for origin in origins.items("at least one origin")? {
            if !is_origin(&origin.text()?) {
                return Err(origin.fault(
                    "must be an origin as browsers send it: `https://` or `http://`, a host in lower case and \
                     its port unless that is the usual one, nothing else",
                ));
            }
        }
        let mut headers = "authorization, content-type".to_owned();
        if let Some(more) = member.get("headers") {
            for name in more.items("at least one header name")? {
                let text = name.text()?;
                if !text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
                    return Err(name.fault("must be a header name in lower case"));
                }
                headers.push_str(", ");
                headers.push_str(&text);
            }
        }
        let max_age = member.get("max_age_seconds").map_or(Ok(600), |age| age.number(0, 86_400))?;
        Ok(Self { origins: origins.texts()?, headers, max_age })
    }

    /// Returns the headers by which a page of `origin` may read an answer, or none if it may not.
    pub fn readable(&self, origin: &[u8]) -> Vec<(&'static str, String)> {
        let Some(origin) = self.origins.iter().find(|listed| listed.as_bytes() == origin) else {
            return Vec::new();
        };
        [
            ("access-control-allow-origin", origin.as_str()),
            ("access-control-expose-headers", "www-authenticate, retry-after"),
            ("vary", "origin"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
    }
}

impl Policy {
    /// Returns the settings for pages of other origins, or `None` if the policy has none.
    pub const fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// Returns the headers of the answer to a preflight, of status 204, or `None` if it is to be decided on like any other request.
    /// It is so if the origin is not listed, no route allows the method on this path, or a route is for `OPTIONS` itself.
    pub fn preflight(&self, preflight: &Preflight<'_>) -> Option<Vec<(&'static str, String)>> {
        let cors = self.cors.as_ref()?;
        let path = Path::parse(preflight.path)?;
        let methods = self.methods(path);
        let allowed = methods.iter().any(|method| method.as_bytes() == preflight.method);
        let origin = cors.origins.iter().find(|listed| listed.as_bytes() == preflight.origin)?;
        if !allowed || methods.contains(&"OPTIONS") {
            return None;
        }
        Some(Vec::from([
            ("access-control-allow-origin", origin.clone()),
            ("access-control-allow-methods", joined(methods, ", ")),
            ("access-control-allow-headers", cors.headers.clone()),
            ("access-control-max-age", cors.max_age.to_string()),
            ("vary", "origin".to_owned()),
        ]))
    }

    /// Returns the methods that some route allows on this path, for any caller.
    fn methods(&self, path: Path<'_>) -> Vec<&str> {
        let mut methods: Vec<&str> = Vec::new();
        for route in self.routes.iter().filter(|route| route.path.matches(path)) {
            for method in &route.methods {
                if !methods.contains(&method.as_str()) {
                    methods.push(method);
                }
            }
        }
        methods
    }
}

/// The serialisation of RFC 6454 §6.2. `null` and `*` name no particular origin, so they are refused.
fn is_origin(text: &str) -> bool {
    let (authority, usual_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(authority), _) => (authority, ":443"),
        (_, Some(authority)) => (authority, ":80"),
        _ => return false,
    };
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'[' | b']');
    !authority.is_empty()
        && authority.bytes().all(plain)
        && !authority.ends_with(usual_port)
        && !authority.ends_with(':')
        && !authority.starts_with(':')
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn policy(cors: &str) -> Result<Policy, String> {
        let text = format!(
            r#"{{ "version": 1,
  "issuers": [ {{ "issuer": "https://as.example", "audiences": ["a"], "keys": {{ "url": "https://as.example/k" }} }} ],
  "routes": [ {{ "methods": ["GET", "PUT"], "path": "/orders", "authenticated": true }},
              {{ "methods": ["GET", "DELETE"], "path": "/{{any}}", "public": true }},
              {{ "methods": ["OPTIONS", "GET"], "path": "/own", "public": true }} ],
  "cors": {cors} }}"#
        );
        Policy::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn ask(origin: &str, method: &str, path: &str) -> Option<Vec<(&'static str, String)>> {
        let policy = policy(r#"{ "origins": ["https://app.example"], "headers": ["x-trace"] }"#).unwrap();
        let (path, origin, method) = (path.as_bytes(), origin.as_bytes(), method.as_bytes());
        policy.preflight(&Preflight { path, origin, method })
    }

    #[test]
    fn a_preflight_of_a_listed_origin_learns_what_the_routes_allow() {
        let answer = ask("https://app.example", "PUT", "/orders?x=1").unwrap();

        let value = |name| answer.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str());
        assert_eq!(value("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(value("access-control-allow-methods"), Some("GET, PUT, DELETE"));
        assert_eq!(value("access-control-allow-headers"), Some("authorization, content-type, x-trace"));
        assert_eq!(value("access-control-max-age"), Some("600"));
        assert_eq!(value("vary"), Some("origin"));
    }

    #[test]
    fn any_other_preflight_is_decided_on_like_a_request() {
        for (origin, method, path) in [
            ("https://app.example.evil", "PUT", "/orders"),
            ("https://APP.example", "PUT", "/orders"),
            ("null", "PUT", "/orders"),
            ("https://app.example", "PATCH", "/orders"),
            ("https://app.example", "PUT", "/a/../orders"),
            ("https://app.example", "GET", "/own"),
            ("https://app.example", "GET", "/no/route"),
        ] {
            assert_eq!(ask(origin, method, path), None, "{origin} {method} {path}");
        }
    }

    #[test]
    fn only_a_listed_origin_may_read_an_answer() {
        let policy = policy(r#"{ "origins": ["https://app.example", "http://127.0.0.1:8080"] }"#).unwrap();
        let cors = policy.cors().unwrap();

        for origin in ["https://app.example", "http://127.0.0.1:8080"] {
            let headers = cors.readable(origin.as_bytes());
            assert_eq!(headers[0], ("access-control-allow-origin", origin.to_owned()));
        }
        for origin in ["https://app.example:8443", "http://app.example", "", "null", "*"] {
            assert_eq!(cors.readable(origin.as_bytes()), []);
        }
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_refused_by_its_place() {
        for origin in [
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://app.example:443",
            "http://app.example:80",
            "https://App.example",
            "https://u@app.example",
            "https://",
            "https://app.example:",
            "https://:8080",
            "ftp://app.example",
        ] {
            let error = policy(&format!(r#"{{ "origins": ["{origin}"] }}"#)).unwrap_err();
            assert!(error.starts_with("line 6, cors.origins[0]: must be an origin"), "{origin}: {error}");
        }
        for (cors, member) in [
            (r#"{ "origins": [] }"#, "cors.origins: "),
            (r#"{ "origin": ["https://a"] }"#, "cors.origin: "),
            (r#"{ "origins": ["https://a"], "headers": ["X-Y"] }"#, "cors.headers[0]: "),
            (r#"{ "origins": ["https://a"], "max_age_seconds": 86401 }"#, "cors.max_age_seconds: "),
        ] {
            let error = policy(cors).unwrap_err();
            assert!(error.contains(member), "{cors}: {error}");
        }
    }
}
