//! The hostile file, `tests/vectors/hostile.json`: inputs that a verifier must judge alike on every platform.
//!
//! Every token is signed with the right key after its defect was put in, unless the signature is the defect, so that
//! nothing else can be the reason of its refusal. Written by `cargo xtask vectors`; the same each time.

mod claims;
pub(crate) mod forge;
mod header;
mod keys;
mod request;
mod routes;
mod serialisation;

use serde_json::{Value, json};

pub(crate) use self::forge::{NOW, bytes};
use self::forge::{jwk, policy};

/// The whole file as text: a case a line, so that a change shows the cases it touches.
pub fn file() -> String {
    let cases = cases();
    let lines: Vec<String> = cases.iter().map(|case| format!("    {}", case.json())).collect();
    let policy = usual_policy();
    let about = json!(ABOUT);
    let cases = lines.join(",\n");
    format!(
        "{{\n  \"about\": {about},\n  \"now\": {NOW},\n  \"policy\": {policy},\n  \"cases\": [\n{cases}\n  ]\n}}\n"
    )
}

/// Every case, in the order of the file.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for group in [
        serialisation::cases(),
        header::cases(),
        keys::cases(),
        claims::cases(),
        routes::cases(),
        request::cases(),
    ] {
        cases.extend(group);
    }
    cases
}

fn usual_policy() -> Value {
    policy(&[jwk("k1", 1), jwk("k2", 2)])
}

/// One input and the verdict on it.
#[derive(Clone, Debug)]
pub struct Case {
    /// A statement of what is wrong with it.
    pub(crate) name: String,
    /// A letter: A serialisation, B header, C keys, D signatures, E claims, F scopes and routes, G requests.
    pub(crate) group: char,
    /// The clause or the attack that it comes from.
    source: &'static str,
    /// Seconds since 1970.
    pub(crate) now: u64,
    pub(crate) method: String,
    /// Characters up to U+00FF stand for bytes, here and in `authorization`.
    pub(crate) path: String,
    pub(crate) authorization: Vec<String>,
    /// Another key set than the policy of the file has.
    pub(crate) keys: Option<Value>,
    /// A reason code, `public`, or `allow`.
    pub(crate) verdict: &'static str,
    /// Whether an HTTP request can carry it at all.
    http: bool,
}

impl Case {
    /// A token on a route that any valid token opens.
    fn token(name: impl Into<String>, source: &'static str, token: impl AsRef<str>) -> Self {
        Self::request(name, source, ("GET", "/me"), &[&format!("Bearer {}", token.as_ref())])
    }

    fn request(
        name: impl Into<String>,
        source: &'static str,
        (method, path): (&str, &str),
        authorization: &[&str],
    ) -> Self {
        let authorization: Vec<String> = authorization.iter().map(|value| (*value).to_owned()).collect();
        let carried = |text: &String| !text.contains(['\0', '\r', '\n']) && text.trim() == text;
        Self {
            name: name.into(),
            group: ' ',
            source,
            now: NOW,
            method: method.to_owned(),
            path: path.to_owned(),
            http: authorization.iter().all(carried),
            authorization,
            keys: None,
            verdict: "allow",
        }
    }

    const fn is(mut self, verdict: &'static str) -> Self {
        self.verdict = verdict;
        self
    }

    const fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    fn with_keys(mut self, keys: &[Value]) -> Self {
        self.keys = Some(json!({ "keys": keys }));
        self
    }

    const fn in_group(mut self, group: char) -> Self {
        self.group = group;
        self
    }

    /// The file's policy, with this case's keys where it has some.
    pub(crate) fn policy(&self) -> Value {
        let mut policy = usual_policy();
        if let (Some(keys), Some(inline)) = (&self.keys, policy.pointer_mut("/issuers/0/keys/inline")) {
            inline.clone_from(keys);
        }
        policy
    }

    /// Members that say the usual are left out.
    fn json(&self) -> Value {
        let mut case = json!({
            "name": self.name,
            "group": self.group.to_string(),
            "source": self.source,
            "method": self.method,
            "path": self.path,
            "authorization": self.authorization,
            "verdict": self.verdict,
        });
        if let Some(case) = case.as_object_mut() {
            case.extend(self.keys.clone().map(|keys| ("keys".to_owned(), keys)));
            case.extend((self.now != NOW).then(|| ("now".to_owned(), json!(self.now))));
            case.extend((!self.http).then(|| ("http".to_owned(), json!(false))));
        }
        case
    }
}

const ABOUT: &str = "Requests with the verdict that every platform must give: a reason code, `public`, or `allow`. The \
    policy is `policy`, with a case's own `keys` where it has some; the time is `now`, or the case's own. A \
    character up to U+00FF in `path` and `authorization` is a byte. `http: false`: no HTTP request can carry it. Made by \
    `cargo xtask vectors`; the keys are for tests and known to everybody.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_file_is_what_is_written_here() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/hostile.json");
        let written = fs::read_to_string(path).unwrap_or_default();

        assert!(written == file(), "run `cargo xtask vectors`");
    }

    #[test]
    fn there_are_many_cases_and_each_has_a_name_of_its_own() {
        let cases = cases();
        let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();

        assert!(cases.len() >= 400, "{}", cases.len());
        assert_eq!(names.len(), cases.len());
    }
}
