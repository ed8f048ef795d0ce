//! Envoy's configuration as it is written: YAML or JSON, names in either spelling.

use serde_json::{Map, Number, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// JSON is YAML, too.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| format!("not YAML: {error}"))?;
    Ok(Value::Array(documents.iter().map(value).collect()))
}

fn value(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Real(text) => text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        Yaml::Boolean(boolean) => Value::Bool(*boolean),
        Yaml::Array(items) => Value::Array(items.iter().map(value).collect()),
        Yaml::Hash(members) => Value::Object(
            members
                .iter()
                .filter_map(|(name, member)| Some((name.as_str()?.to_owned(), value(member))))
                .collect(),
        ),
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

/// Every message whose type ends like this, wherever it stands.
pub(super) fn messages<'a>(source: &'a Value, kind: &str) -> Vec<&'a Value> {
    match source {
        Value::Array(items) => items.iter().flat_map(|item| messages(item, kind)).collect(),
        Value::Object(members) => {
            let own =
                member(source, "@type").and_then(Value::as_str).is_some_and(|name| name.ends_with(kind));
            let inner = members.values().flat_map(|item| messages(item, kind));
            own.then_some(source).into_iter().chain(inner).collect()
        }
        _ => Vec::new(),
    }
}

/// A member by its name in the .proto file; JSON may spell `clock_skew_seconds` as `clockSkewSeconds`.
pub(super) fn member<'a>(message: &'a Value, name: &str) -> Option<&'a Value> {
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !camel.is_empty() => camel.push(first.to_ascii_uppercase()),
            first => camel.extend(first),
        }
        camel.push_str(letters.as_str());
    }
    message.get(name).or_else(|| message.get(&camel))
}

pub(super) fn text<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    member(message, name)?.as_str()
}

pub(super) fn items<'a>(message: &'a Value, name: &str) -> &'a [Value] {
    member(message, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn entries<'a>(message: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    member(message, name).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}
