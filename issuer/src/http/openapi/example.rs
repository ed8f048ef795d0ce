//! Examples of parameters and bodies, composed from the examples of their schemas: what an example shows cannot differ from
//! what the schema says.

use serde_json::{Map, Value, json};

/// The description with an example at each parameter and at each body that has none.
pub(super) fn added(mut api: Value) -> Value {
    let original = api.clone();
    let schemas = Schemas(&original);
    for operation in operations(&mut api) {
        for parameter in list_mut(operation.get_mut("parameters")) {
            if parameter.get("example").is_none() {
                let schema = parameter.get("schema").cloned().unwrap_or_default();
                set(parameter, "example", schemas.example(&schema));
            }
        }
        let request = operation.get_mut("requestBody").into_iter().flat_map(contents).collect::<Vec<_>>();
        request.into_iter().for_each(|content| schemas.illustrate(content));
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (_, response) in responses.into_iter().flatten() {
            contents(response).for_each(|content| schemas.illustrate(content));
        }
    }
    api
}

/// Looks references up in the whole description.
struct Schemas<'a>(&'a Value);

impl Schemas<'_> {
    /// Adds an example to a body, or one for each of its shapes.
    fn illustrate(&self, content: &mut Value) {
        if content.get("example").is_some() || content.get("examples").is_some() {
            return;
        }
        let schema = content.get("schema").cloned().unwrap_or_default();
        let choices = members(self.followed(&schema), "oneOf");
        if choices.is_empty() {
            return set(content, "example", self.example(&schema));
        }
        let named = |choice: &Value| {
            let (_, name) = choice.get("$ref")?.as_str()?.rsplit_once('/')?;
            Some((name.to_owned(), json!({ "value": self.example(choice)? })))
        };
        set(content, "examples", Some(choices.iter().filter_map(named).collect::<Map<_, _>>().into()));
    }

    fn example(&self, schema: &Value) -> Option<Value> {
        let given = schema.get("example").or_else(|| members(schema, "examples").first());
        if let Some(given) = given.or_else(|| members(schema, "enum").first()) {
            return Some(given.clone());
        }
        if schema.get("$ref").is_some() {
            return self.example(self.followed(schema));
        }
        let parts = members(schema, "allOf");
        if !parts.is_empty() {
            let objects =
                parts.iter().filter_map(|part| self.example(part)).filter_map(|example| match example {
                    Value::Object(members) => Some(members),
                    _ => None,
                });
            return Some(objects.flatten().collect::<Map<_, _>>().into());
        }
        let mut choices = members(schema, "oneOf").iter().chain(members(schema, "anyOf"));
        if let Some(choice) = choices.find(|choice| choice.get("type") != Some(&json!("null"))) {
            return self.example(choice);
        }
        self.by_type(schema)
    }

    fn by_type(&self, schema: &Value) -> Option<Value> {
        let kind = schema.get("type")?;
        let kind = kind.as_str().or_else(|| {
            kind.as_array()?.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null"))
        })?;
        match kind {
            "object" => {
                let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
                let shown =
                    properties.filter_map(|(name, schema)| Some((name.clone(), self.example(schema)?)));
                Some(shown.collect::<Map<_, _>>().into())
            }
            "array" => Some(schema.get("items").and_then(|items| self.example(items)).into_iter().collect()),
            "boolean" => Some(json!(true)),
            "integer" | "number" => Some(schema.get("minimum").cloned().unwrap_or(json!(1))),
            "string" => Some(json!(text(schema))),
            _ => None,
        }
    }

    fn followed<'v>(&'v self, schema: &'v Value) -> &'v Value {
        let path = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| self.0.pointer(path)).unwrap_or(schema)
    }
}

fn text(schema: &Value) -> &str {
    let literal = schema.get("pattern").and_then(Value::as_str);
    let literal = literal.and_then(|pattern| pattern.strip_prefix('^')?.strip_suffix('$'));
    let is_word = |text: &&str| text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "5f0c3a86-3a0d-4b6e-9d2c-7e1f1f6f8a11",
        Some("date-time") => "2026-01-31T12:00:00Z",
        _ => literal.filter(is_word).unwrap_or("text"),
    }
}

fn operations(api: &mut Value) -> impl Iterator<Item = &mut Value> {
    let items = api.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    let operations = items.filter_map(|(_, item)| item.as_object_mut());
    operations.flat_map(|item| item.iter_mut().map(|(_, operation)| operation))
}

fn contents(holder: &mut Value) -> impl Iterator<Item = &mut Value> {
    let contents = holder.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten();
    contents.map(|(_, content)| content)
}

fn list_mut(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn members<'v>(schema: &'v Value, name: &str) -> &'v [Value] {
    schema.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn set(holder: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(holder), Some(value)) = (holder.as_object_mut(), value) {
        holder.insert(name.to_owned(), value);
    }
}
