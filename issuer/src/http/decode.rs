//! Bodies and client authentication, decoded strictly: what is ambiguous is refused, never guessed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Problem;

/// Why a body cannot be read. Never holds what the body said, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("the body is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body ended early")]
    Incomplete,
    #[error("the Content-Type must be {0}, in UTF-8")]
    ContentType(&'static str),
    #[error("the body must be application/x-www-form-urlencoded in UTF-8")]
    Form,
    #[error("the body must be a JSON object whose values are strings")]
    JsonOfStrings,
    #[error("this operation takes no body")]
    Body,
    #[error("the body must be a JSON object")]
    JsonObject,
    #[error("{0}")]
    Json(String),
    #[error("the parameter `{0}` is repeated; send it once")]
    Repeated(String),
    #[error("the parameter `{0}` has an invalid value")]
    Parameter(&'static str),
    #[error("the query has a parameter that this operation does not know")]
    UnknownParameter,
    #[error("there are more than {MOST_PARAMETERS} parameters; send fewer")]
    TooManyParameters,
}

/// The parameters of a token request (RFC 6749 §3.2): none twice, none empty.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// A form, or a JSON object of strings.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, DecodeError> {
        let kind = content_type(headers).ok_or(DecodeError::ContentType(FORM_OR_JSON))?;
        match kind.as_str() {
            FORM => Self::parse_form(&read(body).await?),
            JSON => Self::parse_json(&read(body).await?),
            _ => Err(DecodeError::ContentType(FORM_OR_JSON)),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn parse_form(body: &[u8]) -> Result<Self, DecodeError> {
        Self::parse_query(body).map(Self::without_empty)
    }

    pub(super) fn parse_query(body: &[u8]) -> Result<Self, DecodeError> {
        let mut parameters = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (pair.get(..at), pair.get(at + 1..)),
                None => (Some(pair), None),
            };
            let name = form_text(name.unwrap_or_default()).ok_or(DecodeError::Form)?;
            let value = form_text(value.unwrap_or_default()).ok_or(DecodeError::Form)?;
            parameters.insert(name, value)?;
        }
        Ok(parameters)
    }

    fn parse_json(body: &[u8]) -> Result<Self, DecodeError> {
        let Members(members) = serde_json::from_slice(body).map_err(|_| DecodeError::JsonOfStrings)?;
        let mut parameters = Self::default();
        members.into_iter().try_for_each(|(name, value)| parameters.insert(name, value))?;
        Ok(parameters.without_empty())
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), DecodeError> {
        if self.0.len() >= MOST_PARAMETERS {
            return Err(DecodeError::TooManyParameters);
        }
        match self.0.insert(name.clone(), value) {
            // Even with equal values: two readers could take different ones (RFC 6749 §3.2, CWE-235).
            Some(_) => Err(DecodeError::Repeated(name)),
            None => Ok(()),
        }
    }

    /// "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 §3.2).
    fn without_empty(mut self) -> Self {
        self.0.retain(|_, value| !value.is_empty());
        self
    }
}

/// A JSON body of a closed type.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, DecodeError> {
    if content_type(headers).as_deref() != Some(JSON) {
        return Err(DecodeError::ContentType(JSON));
    }
    object(&read(body).await?)
}

/// The headers of a request to a route that takes no body: what would be ignored is refused. `{}` says as much as nothing.
#[derive(Debug)]
pub(super) struct NoBody(pub(super) HeaderMap);

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        match read(body).await?.trim_ascii() {
            b"" | b"{}" => Ok(Self(head.headers)),
            _ => Err(DecodeError::Body.into()),
        }
    }
}

/// serde would also take a list, its items for the members in their order.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(DecodeError::JsonObject);
    }
    serde_json::from_slice(body).map_err(|error| DecodeError::Json(without_values(&error)))
}

/// Tells a member that is `null` from one that is not there.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A number without a fraction, however it is spelled: to JSON, `30.0` is the integer 30 (JSON Schema core §4.2.3).
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let is_whole = |float: &f64| float.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(float);
    let spelled_out = || number.as_f64().filter(is_whole).map(|float| float as u64);
    let value = number.as_u64().or_else(spelled_out).and_then(|number| u32::try_from(number).ok());
    value.map(Some).ok_or_else(|| D::Error::custom("not a non-negative integer"))
}

/// Names of members may be repeated to the caller; serde's other messages quote values.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let about_names = ["unknown field", "missing field", "duplicate field"];
    if about_names.iter().any(|start| text.starts_with(start)) {
        text
    } else if error.is_data() {
        format!("a member has the wrong type at line {} column {}", error.line(), error.column())
    } else {
        format!("the body is not JSON at line {} column {}", error.line(), error.column())
    }
}

async fn read(body: Body) -> Result<Bytes, DecodeError> {
    let collected = tokio::time::timeout(SLOWEST, Limited::new(body, MOST_BYTES).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(DecodeError::TooLarge),
        Ok(Err(_)) => Err(DecodeError::Incomplete),
        Err(_) => Err(DecodeError::TooSlow),
    }
}

/// The media type in lower case. `None`: missing, repeated, not well-formed, or in another charset than UTF-8.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = only(headers, &CONTENT_TYPE)?.to_ascii_lowercase();
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    let kind = parts.next()?.to_owned();
    parts.all(is_acceptable_parameter).then_some(kind)
}

/// No whitespace stands around the `=` of a parameter (RFC 9110 §5.6.6); a reader that forgives it would find a charset
/// where others find none.
fn is_acceptable_parameter(part: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_token = |text: &str| !text.is_empty() && text.chars().all(is_sign);
    let Some((name, value)) = part.split_once('=') else { return part.is_empty() };
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let is_value = unquoted.is_some_and(|text| !text.contains(['"', '\\'])) || is_token(value);
    is_token(name) && is_value && (!name.starts_with("charset") || unquoted.unwrap_or(value) == "utf-8")
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// `application/x-www-form-urlencoded` text (WHATWG URL §5.1). `None`: a broken escape, or not UTF-8.
pub(super) fn form_text(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(*rest.next()?)? << 4 | hex_digit(*rest.next()?)?,
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

/// A JSON object of strings with every member it has, so that duplicates are seen.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const FORM_OR_JSON: &str = "application/x-www-form-urlencoded or application/json";
const MOST_BYTES: usize = 32 * 1024;
const MOST_PARAMETERS: usize = 64;
const SLOWEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Result<BTreeMap<String, String>, DecodeError> {
        Parameters::parse_form(text.as_bytes()).map(|parameters| parameters.0)
    }

    fn json(text: &str) -> Result<BTreeMap<String, String>, DecodeError> {
        Parameters::parse_json(text.as_bytes()).map(|parameters| parameters.0)
    }

    #[test]
    fn forms_are_decoded_and_empty_values_are_omitted() {
        let parameters = form("a=1+2%2B&b=&c&%C3%BC=%f0%9f%98%80&&d==").unwrap();

        let expected = [("a", "1 2+"), ("d", "="), ("ü", "😀")];
        assert!(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn repeated_parameters_are_refused_even_if_equal_or_empty() {
        for text in ["a=1&a=1", "a=&a=1", "a&a", "a=1&b=2&%61=3"] {
            assert_eq!(form(text), Err(DecodeError::Repeated("a".to_owned())), "{text}");
        }
        assert_eq!(json(r#"{"a":"1","a":"1"}"#), Err(DecodeError::Repeated("a".to_owned())));
        assert_eq!(json(r#"{"a":"1","\u0061":"1"}"#), Err(DecodeError::Repeated("a".to_owned())));
    }

    #[test]
    fn broken_forms_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "%=1", "a=%+1"] {
            assert_eq!(form(text), Err(DecodeError::Form), "{text}");
        }
    }

    #[test]
    fn a_media_type_is_read_as_it_is_written() {
        let read =
            |text: &'static str| content_type(&HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]));

        for good in [
            "application/json",
            "Application/JSON ; Charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; q=1;",
        ] {
            assert_eq!(read(good).as_deref(), Some(JSON), "{good}");
        }
        for bad in [
            "application/json; charset=utf-16",
            "application/json; charset =utf-16",
            "application/json; charset= utf-8",
            "application/json; charset",
            "application/json; charset=",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset='utf-8'",
            "application/json; charset*=utf-8''utf-16",
            "application/json; charset=\"utf-8",
            "application/json; charset=\"utf\\-8\"",
            "application/json; =utf-8",
            "application/json, text/plain; charset=utf-16",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_objects_of_strings_are_taken() {
        for text in [
            "",
            "[]",
            "\"a\"",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":[\"b\"]}",
            "{\"a\":\"b\"} x",
            "{\"a\":\"b\"",
            "{'a':'b'}",
        ] {
            assert_eq!(json(text), Err(DecodeError::JsonOfStrings), "{text}");
        }
    }

    #[test]
    fn there_is_an_end_to_parameters() {
        let many = (0..=MOST_PARAMETERS).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");

        assert_eq!(form(&many), Err(DecodeError::TooManyParameters));
    }

    #[test]
    fn a_list_is_no_object() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Named {
            name: String,
        }

        assert_eq!(object(br#" {"name":"a"}"#), Ok(Named { name: "a".to_owned() }));
        for text in [r#"["a"]"#, "", "null", r#""a""#] {
            assert_eq!(object::<Named>(text.as_bytes()), Err(DecodeError::JsonObject), "{text}");
        }
    }

    #[test]
    fn a_whole_number_has_several_spellings() {
        let read = |text: &str| whole(&mut serde_json::Deserializer::from_str(text)).ok();

        for (text, number) in [("30", 30), ("30.0", 30), ("3e1", 30), ("-0.0", 0), ("4294967295", u32::MAX)] {
            assert_eq!(read(text), Some(Some(number)), "{text}");
        }
        assert_eq!(read("null"), Some(None));
        for wrong in ["-1", "0.5", "4294967296", "1e300", "\"1\"", "true"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn messages_about_json_quote_no_values() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Closed {
            #[expect(dead_code, reason = "only its type matters")]
            roles: Vec<String>,
        }
        let message = |text| without_values(&serde_json::from_str::<Closed>(text).unwrap_err());

        assert_eq!(message(r#"{"roles":"hunter2"}"#), "a member has the wrong type at line 1 column 18");
        assert!(message(r#"{"rolls":[]}"#).starts_with("unknown field `rolls`, expected `roles`"));
        assert!(message(r#"{"roles":[],"roles":[]}"#).starts_with("duplicate field `roles`"));
    }
}
