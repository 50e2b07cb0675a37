//! `sandloop schema`: the JSON Schema of `plugins.toml`, for editors.
//!
//! It is made from the tables of the parser; the descriptions of keys are taken from `docs/config.md`.

use serde_json::{Map, Value, json};

use super::bound::{Bound, Unit};
use super::limits::REACTORS;
use super::model::LOG_LEVELS;
use super::names::NAME_BYTES_MAX;
use super::raw::RawFile;
use super::table::ConfigKey;
use super::written::ValueKind;

/// The draft that editors for TOML support.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
/// The reference, whose tables describe each key.
const REFERENCE: &str = include_str!("../../../docs/config.md");

/// The schema of a main file, and that of an included file.
pub fn schema() -> Value {
    let mut schema = section(RawFile::KEYS);
    let head = json!({
        "$schema": DRAFT,
        "title": "plugins.toml",
        "description": "What a Sandloop host runs. Each key is described in docs/config.md.",
    });
    merge(&mut schema, head);
    schema
}

/// The schema of a value of this kind.
fn takes(kind: &ValueKind) -> Value {
    match kind {
        ValueKind::Text => json!({ "type": "string" }),
        ValueKind::Switch => json!({ "type": "boolean" }),
        ValueKind::NameOrNumber => {
            json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }, variable()] })
        }
        ValueKind::Secret => json!({ "anyOf": [{ "type": "string" }, variable(), file()] }),
        ValueKind::Options => options(),
        ValueKind::Address => address(),
        ValueKind::List(each) => json!({ "type": "array", "items": takes(each) }),
        ValueKind::ByName(each) => json!({
            "type": "object",
            "additionalProperties": takes(each),
            "propertyNames": { "pattern": format!("^[A-Za-z0-9_-]{{1,{NAME_BYTES_MAX}}}$") },
        }),
        ValueKind::Section(keys) => section(keys),
    }
}

fn options() -> Value {
    let other = json!({
        "type": "object",
        "not": { "anyOf": [{ "required": ["env"] }, { "required": ["file"] }] },
    });
    let plain = json!({ "type": ["string", "number", "boolean", "array"] });
    json!({
        "type": "object",
        "additionalProperties": { "anyOf": [plain, variable(), file(), other] },
    })
}

fn address() -> Value {
    let port = json!({
        "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u16::MAX }, variable()],
    });
    json!({ "anyOf": [
        { "type": "string", "pattern": "^(tcp|tls|udp|unix|fd)://." },
        variable(),
        {
            "type": "object",
            "properties": { "ip": { "type": "string" }, "port": port },
            "required": ["ip", "port"],
            "additionalProperties": false,
        },
    ] })
}

/// `{ env = "NAME" }`.
fn variable() -> Value {
    stands_for("env", "The value of this environment variable of the host.")
}

/// `{ file = "path" }`.
fn file() -> Value {
    stands_for("file", "The text of this file.")
}

fn stands_for(key: &str, description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": { key: { "type": "string" } },
        "required": [key],
        "additionalProperties": false,
    })
}

/// The schema of a section with these keys.
fn section(keys: &[ConfigKey]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        keys.iter().filter(|key| key.is_required()).map(|it| it.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "x-taplo": { "initKeys": required },
    })
}

fn property(key: &ConfigKey) -> Value {
    let mut schema = match key.bound {
        Some(bound) => amount(key, bound),
        None if key.path() == "admin.token" => json!({ "anyOf": [variable(), file()] }),
        None => takes(&(key.value)()),
    };
    let words = words(key);
    if !words.is_empty() {
        merge(&mut schema, json!({ "enum": words }));
    }
    merge(&mut schema, json!({ "description": description(key) }));
    schema
}

/// The values of a key with a fixed set of them: those that its form lists.
pub(super) fn words(key: &ConfigKey) -> Vec<&'static str> {
    if key.path() == "host.log" {
        return LOG_LEVELS.iter().map(|(word, _)| *word).collect();
    }
    let word = |part: &'static str| {
        let value = part.strip_prefix(key.name)?.strip_prefix(" = \"")?;
        value.strip_suffix('"').filter(|word| !word.contains('"'))
    };
    key.form.split(" or ").map(word).collect::<Option<_>>().unwrap_or_default()
}

/// The schema of a bound.
fn amount(key: &ConfigKey, bound: &Bound) -> Value {
    let number = json!({ "type": "integer", "minimum": bound.min, "maximum": bound.max });
    let text = |units: &str, example: &str| {
        json!({
            "type": "string",
            "pattern": format!("^ *[0-9]+ *({units}) *$"),
            "examples": [example],
        })
    };
    let mut takes = match bound.unit {
        Unit::Bytes => vec![text("B|KiB|MiB|GiB", &bound.show(bound.default)), number],
        Unit::Time => vec![text("us|ms|s|m|h", &bound.show(bound.default))],
        Unit::Count => vec![number],
    };
    if key.path() == REACTORS.key() {
        takes.push(json!({ "const": "cores" }));
    }
    takes.push(variable());
    let default = match bound.unit {
        Unit::Count => bound.default.into(),
        Unit::Bytes | Unit::Time => Value::from(bound.show(bound.default)),
    };
    json!({ "anyOf": takes, "default": default })
}

fn description(key: &ConfigKey) -> String {
    let write = format!("Write {}.", key.form);
    let Some(bound) = key.bound else {
        return match meaning(key) {
            Some(meaning) => format!("{meaning}\n\n{write}"),
            None => write,
        };
    };
    format!(
        "{} {}\n\nFrom {} to {}; the default is {}. At the bound: {}. {}",
        bound.what,
        bound.why,
        bound.show(bound.min),
        bound.show(bound.max),
        bound.show(bound.default),
        bound.at.word(),
        bound.then,
    )
}

/// The description of a key: the last column of its row in the reference.
fn meaning(key: &ConfigKey) -> Option<String> {
    let cell = row(key)?.rsplit_once(" | ").map(|(_, last)| last)?.trim();
    let mut text = without_links(cell);
    let first = text.remove(0).to_uppercase().to_string();
    Some(format!("{first}{text}."))
}

/// The row of a key in the table of its section, without the last `|`; none for a section without a table.
fn row(key: &ConfigKey) -> Option<&'static str> {
    let (heading, first) = match key.table {
        "" => ("## The sections".to_owned(), format!("| `[{}", key.name)),
        "listen.*" => ("### `[[listen]]`".to_owned(), format!("| `{}` |", key.name)),
        "plugins.*.tls.*" => {
            ("### `[plugins.<name>.tls.<profile>]`".to_owned(), format!("| `{}` |", key.name))
        }
        table => {
            (format!("### `[{}]`", table.replace('*', "<name>")), format!("| `{}` |", key.name))
        }
    };
    let (_, section) = REFERENCE.split_once(&format!("\n{heading}\n"))?;
    let section = section.split("\n##").next()?;
    let is_of_key = |line: &&str| line.replace("[[", "[").starts_with(&first);
    section.lines().find(is_of_key)?.trim_end().strip_suffix('|')
}

/// Markdown text with links replaced by their texts.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((start, words)) = before.rsplit_once('[') else { break };
        let Some((_, behind)) = after.split_once(')') else { break };
        plain.push_str(start);
        plain.push_str(words);
        rest = behind;
    }
    plain.push_str(rest);
    plain
}

fn merge(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}

#[cfg(test)]
mod tests;
