//! The schemas of texts in requests, for the OpenAPI description. The rules themselves are next to the code that enforces them.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares a schema for each text: its name, its pattern or format, a description and an example.
macro_rules! texts {
    ($($name:ident: $rule:expr, $about:literal, $example:expr;)+) => { $(
        #[doc = $about]
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($rule, $about, $example)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+ };
}

texts! {
    ScopeName: Rule::Pattern(r"^[!#-\[\]-~]{1,128}$"), "The name of a scope or a resource", "orders:read";
    RoleName: Rule::Pattern(r"^[!#-+\--\[\]-~]{1,128}$"), "The name of a role", "customer";
    ClientId: Rule::Pattern(r"^[A-Za-z0-9._-]{1,64}$"), "A `client_id`. It must not look like a UUID, which identifies users", "orders-app";
    NameInPath: Rule::Pattern(NAME_IN_PATH), "The name, percent-encoded, or `~` and its base64url without padding. The second form is required if the name contains one of `/ % ; ? #`, is `.` or `..`, or begins with `~`", "orders-app";
    Description: Rule::Line(256), "One line of at most 256 visible characters, for people", "Orders app";
    Search: Rule::Pattern(r"^[^\x00-\x1f\x7f-\x9f]{0,64}$"), "A prefix of a name", "ali";
    Words: Rule::Pattern(r"^[^\x00]*$"), "A text without NUL", "orders-app";
    SessionIdText: Rule::Pattern(r"^[0-9a-f]{32}$"), "The id of a session", "0f6a1b2c3d4e5f60718293a4b5c6d7e8";
    KeyIdText: Rule::Pattern(r"^[A-Za-z0-9_-]{1,128}$"), "The `kid` of a key", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    FeedCursor: Rule::Pattern(r"^([1-9][0-9]{0,17}\.(0|[1-9][0-9]{0,17}))?$"), "A cursor of the revocation feed", "42.1769860800000000";
    EntityTags: Rule::Pattern(r#"^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$"#), "`*` or a list of entity tags (RFC 9110 §8.8.3)", "\"9f86d081884c7d659a2feaa0c55ad015\"";
    ScopeList: Rule::Pattern(r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$"), "Names of scopes, separated by single spaces (RFC 6749 §3.3)", "orders:read orders:write";
    Username: Rule::Format("username"), "1 to 64 letters, digits or `. _ - + @ '`, starting with a letter or digit", "alice";
    EmailAddress: Rule::Format("email"), "An e-mail address", "alice@example.com";
    Origin: Rule::Format("origin"), "An origin, as browsers send it in `Origin`", "https://app.example.com";
    NewPasswordText: Rule::Least(8), "A password that satisfies the password policy", "nine purple hats";
    NotEmpty: Rule::Least(1), "A text that is not empty", "text";
    PasswordGrant: Rule::Only("password"), "The grant type", "password";
    ClientCredentialsGrant: Rule::Only("client_credentials"), "The grant type", "client_credentials";
    RefreshTokenGrant: Rule::Only("refresh_token"), "The grant type", "refresh_token";
    OkpKeyType: Rule::Only("OKP"), "The key type", "OKP";
    EcKeyType: Rule::Only("EC"), "The key type", "EC";
    RsaKeyType: Rule::Only("RSA"), "The key type", "RSA";
}

enum Rule {
    /// This text and no other.
    Only(&'static str),
    Pattern(&'static str),
    Format(&'static str),
    Least(usize),
    /// Of at most so many characters.
    Line(usize),
}

fn text(rule: Rule, about: &str, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about)).examples([example]);
    let text = match rule {
        Rule::Only(only) => text.enum_values(Some([only])),
        Rule::Pattern(pattern) => text.pattern(Some(pattern)),
        Rule::Format("email") => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))),
        Rule::Format(format) => text.format(Some(SchemaFormat::Custom(format.to_owned()))),
        Rule::Least(length) => text.min_length(Some(length)),
        Rule::Line(length) => {
            let format = SchemaFormat::Custom("line-of-text".to_owned());
            text.format(Some(format)).max_length(Some(length))
        }
    };
    text.build().into()
}

const NAME_IN_PATH: &str =
    r"^(~[A-Za-z0-9_-]+|[!$&-\-0-9:<=>@A-Z\[\]^_`a-z{|}][!$&-.0-9:<=>@A-Z\[\]^_`a-z{|}~]{0,127})$";
