//! What the description of the API says of the texts in a request. The rules themselves stand where they are enforced.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Each is a schema under its own name: its pattern or its format, and what it is.
macro_rules! texts {
    ($($name:ident: $rule:expr, $about:literal;)+) => { $(
        #[doc = $about]
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($rule, $about)
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
    ScopeName: Rule::Pattern(r"^[!#-\[\]-~]{1,128}$"), "The name of a scope, or of the resource that understands it";
    RoleName: Rule::Pattern(r"^[!#-+\--\[\]-~]{1,128}$"), "The name of a role";
    ClientId: Rule::Pattern(r"^[A-Za-z0-9._-]{1,64}$"), "A `client_id`. Not a UUID, which is what users have";
    NameInPath: Rule::Pattern(NAME_IN_PATH), "The name as it is, percent-encoded, or `~` and its base64url without padding. A name must be written the second way if it holds one of `/ % ; ? #`, is `.` or `..`, or begins with `~`";
    Description: Rule::Line(256), "One line for people, of characters that show";
    Search: Rule::Pattern(r"^[^\x00-\x1f\x7f-\x9f]{0,64}$"), "What a name begins with";
    Words: Rule::Pattern(r"^[^\x00]*$"), "Any text without NUL";
    SessionIdText: Rule::Pattern(r"^[0-9a-f]{32}$"), "The id of a session";
    KeyIdText: Rule::Pattern(r"^[A-Za-z0-9_-]{1,128}$"), "The `kid` of a key";
    FeedCursor: Rule::Pattern(r"^([1-9][0-9]{0,17}\.(0|[1-9][0-9]{0,17}))?$"), "A place in the feed";
    EntityTags: Rule::Pattern(r#"^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$"#), "`*` or a list of entity tags";
    ScopeList: Rule::Pattern(r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$"), "Names of scopes, separated by single spaces";
    Username: Rule::Format("username"), "1 to 64 letters, digits or `. _ - + @ '`, of which the first is a letter or digit";
    EmailAddress: Rule::Format("email"), "An e-mail address";
    Origin: Rule::Format("origin"), "An origin as browsers write it: `https://app.example.com`";
    NewPasswordText: Rule::Least(8), "A password that the policy of the issuer admits";
    NotEmpty: Rule::Least(1), "Any text that is not empty";
}

enum Rule {
    Pattern(&'static str),
    Format(&'static str),
    Least(usize),
    /// Of at most so many characters.
    Line(usize),
}

fn text(rule: Rule, about: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    let text = match rule {
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
