//! How a role, a scope or a client is named in a path.
//!
//! A name stands there as it is, percent-encoded. Some names have a second reading in a path, for a proxy or a service on
//! the way: those with `/ % ; ? #`, dot segments. Such a path is refused before anything is looked up, so these names
//! are written as `~` and their base64url (RFC 4648 §5), and a name that begins with `~` is, too.

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderValue;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::App;
use super::super::error::Problem;
use crate::administration::{AdminError, is_name};
use crate::identity::Refused;

/// The only name in a path.
pub(in crate::http) struct Name(pub(in crate::http) String);

impl FromRequestParts<App> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Path(segment) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| unknown())?;
        read(&segment).map(Self)
    }
}

/// The name that a segment stands for, already percent-decoded. What is no name is nobody's.
pub(in crate::http) fn read(segment: &str) -> Result<String, Problem> {
    let name = match segment.strip_prefix('~') {
        None => Some(segment.to_owned()),
        Some(encoded) => URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
    };
    name.filter(|name| is_name(name)).ok_or_else(unknown)
}

fn unknown() -> Problem {
    AdminError::Refused(Refused::Missing).into()
}

/// The answer with the place of what was made (RFC 9110 §15.3.2).
pub(in crate::http) fn located(app: &App, collection: &str, name: &str, mut answer: Response) -> Response {
    let url = format!("{}{collection}/{}", app.issuer.config.issuer, written(name));
    if let Ok(url) = HeaderValue::try_from(url) {
        answer.headers_mut().insert(LOCATION, url);
    }
    answer
}

fn written(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if name.bytes().all(is_plain) && !matches!(name, "." | "..") {
        name.to_owned()
    } else {
        format!("~{}", URL_SAFE_NO_PAD.encode(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_was_written() {
        for name in ["orders:read", "https://api.example.com/read", "a%b", "..", ".", "~a", "a;b", "!"] {
            assert_eq!(read(&written(name)).ok().as_deref(), Some(name), "{name}");
        }
        assert_eq!((written("orders:read"), written("a/b")), ("orders:read".to_owned(), "~YS9i".to_owned()));
    }

    #[test]
    fn what_is_no_name_is_unknown() {
        for segment in ["", "~", "~YS9i=", "~YS9j!", "~AA", "~YS9", "~_w", "a b", "\u{e9}", "a\"b"] {
            assert!(read(segment).is_err(), "{segment}");
        }
    }
}
