//! Options of plugins and connections, and the sources of secrets.

use std::env::{self, VarError};
use std::path::Path;

use serde_json::Number;
use toml::Value;

use super::error::{ConfigError, Problem};
use super::file;
use super::source::KeyPlace;

/// Converts a table of options to text, sorted by key. Files are relative to `folder`.
pub(crate) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    options: &toml::Table,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut resolved = Vec::with_capacity(options.len());
    for (key, value) in options {
        let text = text(folder, value).map_err(|problem| place.key(key).wrong(problem))?;
        resolved.push((key.clone(), text));
    }
    resolved.sort();
    Ok(resolved)
}

/// Converts one value to text.
pub(crate) fn text(folder: &Path, value: &Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            Ok(value.to_string())
        }
        Value::Array(_) => Ok(json(value)?.to_string()),
        Value::Table(table) if table.contains_key("env") || table.contains_key("file") => {
            secret(folder, table)
        }
        Value::Table(_) => Ok(json(value)?.to_string()),
    }
}

/// The value of `{ env = "NAME" }` or `{ file = "path" }`.
pub(super) fn secret(folder: &Path, table: &toml::Table) -> Result<String, Problem> {
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((key, Value::String(name))), None) if key == "env" => {
            from_environment(name, r#"set it before the start, or write { file = "path" }"#)
        }
        (Some((key, Value::String(path))), None) if key == "file" => from_file(&folder.join(path)),
        _ => Err(Problem::new(
            "a table with env or file stands for a secret and holds nothing else",
            r#"write { env = "NAME" } or { file = "path" }"#,
        )),
    }
}

/// The value of a variable of the environment; `remedy` is for a variable that is not set.
pub(crate) fn from_environment(name: &str, remedy: &str) -> Result<String, Problem> {
    // The standard library panics on a name that the system cannot hold.
    let name_is_possible = !name.is_empty() && !name.contains(['=', '\0']);
    match if name_is_possible { env::var(name) } else { Err(VarError::NotPresent) } {
        Ok(secret) => Ok(secret),
        Err(VarError::NotPresent) => {
            Err(Problem::new(format!("the environment variable {name:?} is not set"), remedy))
        }
        Err(VarError::NotUnicode(_)) => Err(Problem::new(
            format!("the environment variable {name:?} is not UTF-8 text"),
            "set it to text",
        )),
    }
}

/// The text of a file without its last line end, which editors add.
fn from_file(path: &Path) -> Result<String, Problem> {
    let unreadable = |cause: String| {
        Problem::new(
            format!("the file {:?} cannot be read: {cause}", path.display().to_string()),
            r#"make it readable text, or write { env = "NAME" }"#,
        )
    };
    let bytes =
        file::read(path, file::TEXT_BYTES_MAX).map_err(|error| unreadable(error.to_string()))?;
    let secret =
        String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    Ok(secret.strip_suffix('\r').unwrap_or(secret).to_owned())
}

/// The keys of empty secrets among the options at `place`, whose values are `resolved`: in a compose file, a variable that is not
/// set is an empty one.
pub(crate) fn empty_secrets(
    place: &KeyPlace<'_>,
    options: &toml::Table,
    resolved: &[(String, String)],
) -> Vec<ConfigError> {
    let value = |key: &str| resolved.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    let is_empty = |key: &str| value(key).is_some_and(String::is_empty);
    let empty = options.iter().filter(|(key, _)| is_empty(key));
    let doubt = |(key, value): (&String, &Value)| {
        let (source, name) = value.as_table()?.iter().next()?;
        let cause = match source.as_str() {
            "env" => format!("the environment variable {name} is set to nothing"),
            _ => format!("the file {name} is empty"),
        };
        Some(place.key(key).wrong(Problem::new(cause, "give it a value, or take the key out")))
    };
    empty.filter_map(doubt).collect()
}

fn json(value: &Value) -> Result<serde_json::Value, Problem> {
    Ok(match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => Number::from_f64(*number).map(Into::into).ok_or_else(|| {
            Problem::new(format!("JSON has no number {value}"), "write it in quotes")
        })?,
        Value::Boolean(truth) => (*truth).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(list) => list.iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        Value::Table(table) => {
            let entry = |(key, value): (&String, &Value)| Ok((key.clone(), json(value)?));
            serde_json::Value::Object(table.iter().map(entry).collect::<Result<_, Problem>>()?)
        }
    })
}
