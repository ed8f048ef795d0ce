//! YAML as JSON values.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The documents of a file.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    YamlLoader::load_from_str(text).context("no YAML")?.iter().map(json).collect()
}

/// With merge keys resolved, as Compose does.
fn json(yaml: &Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(flag) => Value::from(*flag),
        Yaml::Null => Value::Null,
        Yaml::Array(items) => items.iter().map(json).collect::<Result<_>>()?,
        Yaml::Hash(members) => {
            let mut map = Map::new();
            for (name, value) in members {
                match (name.as_str().context("a name is no text")?, json(value)?) {
                    ("<<", Value::Object(merged)) => {
                        for (name, value) in merged {
                            map.entry(name).or_insert(value);
                        }
                    }
                    (name, value) => drop(map.insert(name.to_owned(), value)),
                }
            }
            Value::Object(map)
        }
        other => bail!("{other:?} is no JSON"),
    })
}
