//! Envoy's configuration as it is written: YAML, of which JSON is a part.

use serde_json::{Map, Number, Value};
use yaml_rust2::parser::{Event, MarkedEventReceiver, Parser};
use yaml_rust2::scanner::{Marker, TScalarStyle};
use yaml_rust2::{Yaml, YamlLoader};

/// Reads a document, or several as a list.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut octal = Octal::default();
    Parser::new_from_str(text).load(&mut octal, true).map_err(|error| format!("not YAML: {error}"))?;
    if let Some(fault) = octal.0 {
        return Err(fault);
    }
    let documents = YamlLoader::load_from_str(text).map_err(|error| format!("not YAML: {error}"))?;
    let mut values = documents.iter().map(|document| value(document, 0)).collect::<Result<Vec<_>, _>>()?;
    match (values.pop(), values.is_empty()) {
        (None, _) => Err("the file is empty".to_owned()),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            values.push(last);
            Ok(Value::Array(values))
        }
    }
}

/// Finds a number that YAML 1.1, as Envoy reads it, and YAML 1.2 take for two different ones.
#[derive(Default)]
struct Octal(Option<String>);

impl MarkedEventReceiver for Octal {
    fn on_event(&mut self, event: Event, mark: Marker) {
        if let Event::Scalar(text, TScalarStyle::Plain, ..) = event
            && is_octal(&text)
            && self.0.is_none()
        {
            let line = mark.line();
            self.0 = Some(format!(
                "line {line}: Envoy reads {text} as an octal number, YAML 1.2 as a decimal one: write it without a leading zero"
            ));
        }
    }
}

/// `017`, and `0o17`, which Envoy takes for a text.
fn is_octal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some(rest) = digits.strip_prefix('0') else { return false };
    let rest = rest.strip_prefix('o').unwrap_or(rest);
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
}

fn value(yaml: &Yaml, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("the configuration is nested more than {MAX_DEPTH} levels deep"));
    }
    let inner = |yaml| value(yaml, depth + 1);
    Ok(match yaml {
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Real(text) => {
            let number = text.parse().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or_else(|| format!("{text} is not a number that JSON knows"))?)
        }
        Yaml::Boolean(boolean) => Value::Bool(*boolean),
        Yaml::Array(items) => Value::Array(items.iter().map(inner).collect::<Result<_, _>>()?),
        Yaml::Hash(members) => {
            let mut object = Map::new();
            for (name, member) in members {
                let name = name.as_str().ok_or_else(|| format!("the member name {name:?} is not a text"))?;
                object.insert(name.to_owned(), inner(member)?);
            }
            Value::Object(object)
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => {
            return Err("a value does not fit its tag or names no anchor".to_owned());
        }
    })
}

const MAX_DEPTH: usize = 100;
