//! What the issuer answered, and what a test may expect of it.

use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self
    }

    /// Fails with this status and `error` (or `code`), and is not to be kept by anyone.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let found = if self.body["error"].is_null() { &self.body["code"] } else { &self.body["error"] };
        assert_eq!((self.status.as_u16(), found.as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        self
    }

    /// The claims of the access token, unverified.
    pub(crate) fn claims(&self) -> Value {
        let token = self.text("access_token");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }
}

/// 503 with a time to come back, and no word about what is behind it.
#[track_caller]
pub(crate) fn unavailable(answer: Answer) {
    let answer = answer.refused(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    assert!(!String::from_utf8(answer.bytes).unwrap().contains("127.0.0.1"));
}
