//! `/docs`: the OpenAPI description as a web page, without scripts and without resources from other hosts.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::App;
use super::error::ErrorCode::NotFound;
use super::openapi::IfNoneMatch;
use super::published::{CACHE, document};
use crate::keys::Document;

/// The documents that describe the API. They change with the program only.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) openapi: Document,
    page: Document,
    policy: String,
}

/// Read this description as a web page
///
/// Not found if `documentation` is off in the configuration.
#[utoipa::path(
    get,
    path = "/docs",
    params(IfNoneMatch),
    responses((status = 200, body = String, content_type = "text/html", headers(("ETag" = String)), example = "<!DOCTYPE html>…"), (status = 304)),
    extensions(("x-errors" = json!([NotFound]))),
)]
pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    let answer = document(&app.description().page, ("text/html; charset=utf-8", CACHE), &headers);
    ([(CONTENT_SECURITY_POLICY, app.description().policy.as_str())], answer).into_response()
}

impl Description {
    pub(super) fn of(api: &Value) -> Self {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        Self {
            page: Document::new(Page { api }.render()),
            openapi: Document::new(api.to_string()),
            policy: format!(
                "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
        }
    }
}

/// Renders the page, once.
struct Page<'a> {
    api: &'a Value,
}

impl<'a> Page<'a> {
    fn render(&self) -> String {
        let title = text(self.at("/info/title"));
        let version = text(self.at("/info/version"));
        let mut navigation = String::new();
        let mut sections = String::new();
        for tag in list(self.at("/tags")) {
            let name = text(&tag["name"]);
            _ = write!(navigation, "<li><a href=\"#{name}\">{name}</a>");
            let operations = self.operations(name);
            _ = write!(
                sections,
                "<section id=\"{name}\"><h2>{name}</h2>{}{operations}</section>",
                prose(&tag["description"])
            );
        }
        let schemas: String =
            members(self.at("/components/schemas")).map(|(name, schema)| self.schema(name, schema)).collect();
        format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
             <body><nav><strong>{title} {version}</strong><ul>{navigation}<li><a href=\"#schemas\">schemas</a></ul>\
             <a href=\"openapi.json\">openapi.json</a></nav><main><h1>{title}</h1>{}{sections}\
             <section id=\"schemas\"><h2>schemas</h2>{schemas}</section></main></body></html>",
            prose(self.at("/info/description")),
        )
    }

    fn operations(&self, tag: &str) -> String {
        let all = members(self.at("/paths")).flat_map(|(path, item)| {
            let methods = METHODS.iter().filter_map(|method| Some((*method, item.get(method)?)));
            methods.map(move |(method, operation)| (path, method, operation))
        });
        all.filter(|(_, _, operation)| text(at(operation, "/tags/0")) == tag)
            .map(|(path, method, operation)| self.operation((path, method), operation))
            .collect()
    }

    fn operation(&self, (path, method): (&str, &str), operation: &Value) -> String {
        let id = text(&operation["operationId"]);
        let mut html = format!(
            "<details id=\"{id}\"><summary><b class=\"{method}\">{method}</b> <code>{}</code> {}</summary>",
            escaped(path),
            coded(text(&operation["summary"])),
        );
        html += &prose(&operation["description"]);
        html += &access(&operation["security"]);
        html += &self.parameters(&operation["parameters"]);
        html += &self.body(at(operation, "/requestBody/content"));
        html += "<h4>Responses</h4><table>";
        for (status, response) in members(&operation["responses"]) {
            html += &self.answer(status, response);
        }
        html + "</table></details>"
    }

    /// All media types of a body have the same schema.
    fn body(&self, contents: &Value) -> String {
        let kinds: Vec<String> = members(contents).map(|(kind, _)| format!("<code>{kind}</code>")).collect();
        let Some((_, content)) = members(contents).next() else { return String::new() };
        let shape = self.shape(&content["schema"]);
        format!("<h4>Body {}</h4>{shape}{}", kinds.join(" or "), examples(content))
    }

    fn parameters(&self, parameters: &Value) -> String {
        let row = |parameter: &Value| {
            let needed = if parameter["required"] == true { ", required" } else { "" };
            format!(
                "<tr><td><code>{}</code><td>{}{needed}<td>{}{}",
                escaped(text(&parameter["name"])),
                escaped(text(&parameter["in"])),
                self.kind(&parameter["schema"]),
                prose(&parameter["description"]),
            )
        };
        let rows: String = list(parameters).map(row).collect();
        if rows.is_empty() { rows } else { format!("<h4>Parameters</h4><table>{rows}</table>") }
    }

    fn answer(&self, status: &str, response: &Value) -> String {
        let response = self.followed(response);
        let contents = members(&response["content"])
            .map(|(kind, content)| format!("<code>{kind}</code> {}", self.kind(&content["schema"])));
        let headers = members(&response["headers"]).map(|(name, _)| format!("<code>{name}</code>"));
        let rest: Vec<String> = contents.chain(headers).collect();
        let shown = match status.starts_with('2') {
            true => members(&response["content"]).map(|(_, content)| examples(content)).collect(),
            false => String::new(),
        };
        let about = prose(&response["description"]);
        format!("<tr><td><b>{status}</b><td>{about}{shown}<td>{}", rest.join("<br>"))
    }

    fn schema(&self, name: &str, schema: &Value) -> String {
        format!("<h3 id=\"schema-{name}\">{name}</h3>{}{}", prose(&schema["description"]), self.shape(schema))
    }

    /// The members of an object, including those of its parts.
    fn shape(&self, schema: &Value) -> String {
        let mut rows = String::new();
        self.rows(schema, &mut rows);
        if rows.is_empty() {
            format!("<p>{}</p>", self.kind(schema))
        } else {
            format!("<table>{rows}</table>")
        }
    }

    fn rows(&self, schema: &Value, rows: &mut String) {
        let schema = self.followed(schema);
        list(&schema["allOf"]).for_each(|part| self.rows(part, rows));
        let required: Vec<&str> = list(&schema["required"]).map(text).collect();
        for (name, member) in members(&schema["properties"]) {
            let needed = if required.contains(&name) { ", required" } else { "" };
            let (kind, about) = (self.kind(member), prose(&member["description"]));
            _ = write!(rows, "<tr><td><code>{}</code><td>{kind}{needed}<td>{about}", escaped(name));
        }
    }

    /// A type, in a few words.
    fn kind(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return format!("<a href=\"#schema-{name}\">{name}</a>");
        }
        let choices = list(&schema["oneOf"]).chain(list(&schema["anyOf"])).map(|choice| self.kind(choice));
        let choices: Vec<String> = choices.collect();
        if !choices.is_empty() {
            return choices.join(" or ");
        }
        let values: Vec<&str> = list(&schema["enum"]).map(text).collect();
        if !values.is_empty() {
            return values
                .iter()
                .map(|value| format!("<code>{}</code>", escaped(value)))
                .collect::<Vec<_>>()
                .join(" or ");
        }
        if schema["type"] == "array" {
            return format!("list of {}", self.kind(&schema["items"]));
        }
        let types: Vec<&str> =
            schema["type"].as_str().into_iter().chain(list(&schema["type"]).map(text)).collect();
        let format = schema["format"].as_str().map(|format| format!(" ({})", escaped(format)));
        escaped(&types.join(" or ")) + &format.unwrap_or_default()
    }

    fn followed(&self, value: &'a Value) -> &'a Value {
        let path = value["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        path.map_or(value, |path| self.at(path))
    }

    fn at(&self, pointer: &str) -> &'a Value {
        at(self.api, pointer)
    }
}

fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The example of a body, or one of each of its schemas.
fn examples(content: &Value) -> String {
    let several = members(&content["examples"]).map(|(_, example)| &example["value"]);
    let all = several.chain(Some(&content["example"]).filter(|example| !example.is_null()));
    all.map(|example| {
        let text = example.as_str().map_or_else(|| format!("{example:#}"), str::to_owned);
        format!("<pre>{}</pre>", escaped(&text))
    })
    .collect()
}

fn access(security: &Value) -> String {
    let Some((name, scopes)) = list(security).next().and_then(|first| members(first).next()) else {
        return String::new();
    };
    let scopes: Vec<String> =
        list(scopes).map(|scope| format!(" with <code>{}</code>", escaped(text(scope)))).collect();
    let or_not = if list(security).count() > 1 { ", or client credentials in the body" } else { "" };
    format!("<p class=\"access\">Requires <code>{}</code>{}{or_not}.</p>", escaped(name), scopes.concat())
}

fn prose(value: &Value) -> String {
    let paragraphs = text(value).split("\n\n").filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", coded(paragraph))).collect()
}

/// Formats the text between backticks as code.
fn coded(paragraph: &str) -> String {
    let pieces = paragraph.split('`').enumerate().map(|(at, piece)| match at % 2 {
        0 => escaped(piece),
        _ => format!("<code>{}</code>", escaped(piece)),
    });
    pieces.collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const STYLE: &str = include_str!("documentation.css");
