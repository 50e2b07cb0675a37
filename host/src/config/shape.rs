//! Parses a file into the mirror: all keys are known, and all values have the right type.

use toml::de::DeValue;

use super::error::{ConfigError, Problem};
use super::keys;
use super::raw::RawFile;
use super::source::{KeyPath, SourceText, invalid, line_of};

/// Parses `text`, which is the text of `source`, into the mirror.
pub(crate) fn read(source: &SourceText<'_>, text: &str) -> Result<RawFile, ConfigError> {
    toml::from_str(text).map_err(|error| translate(source, text, &error))
}

/// Adds the key and a remedy to an error of serde.
fn translate(source: &SourceText<'_>, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let Some(path) = source.path_at(&span) else {
        let problem = Problem::new(one_line(error.message()), "see docs/config.md");
        return invalid(source.file, line_of(text, span.start), &KeyPath::default(), problem);
    };
    let (path, problem) = if error.message().starts_with("unknown field") {
        let problem = old_key(&path, keys::RENAMED).unwrap_or_else(|| unknown_key(&path));
        (path, problem)
    } else if let Some(name) = missing_field(error.message()) {
        let path = path.key(name);
        let problem = Problem::new("is missing", remedy(&path));
        (path, problem)
    } else {
        let written = source.value(&path).map_or_else(|| one_line(error.message()), kind);
        let problem = Problem::new(format!("this is {written}"), remedy(&path));
        (path, problem)
    };
    invalid(source.file, line_of(text, span.start), &path, problem)
}

fn one_line(message: &str) -> String {
    message.replace('\n', " ")
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The kind of a value. The value itself is not shown, since it may be a misplaced secret.
fn kind(value: &DeValue<'_>) -> String {
    let kind = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    kind.to_owned()
}

fn remedy(path: &KeyPath) -> String {
    match keys::form(&path.pattern()) {
        Some(form) => format!("write {form}"),
        // Only the value of an option has no form: its number is too large.
        None => "write it in quotes".to_owned(),
    }
}

/// The remedy for a key of an earlier version, by a table such as [`keys::RENAMED`].
fn old_key(path: &KeyPath, renamed: &[(&str, &str)]) -> Option<Problem> {
    let key = keys::renamed(&path.pattern(), renamed)?;
    let (table, _) = path.split();
    let mut remedy = format!("write {}", key.form);
    if table.pattern() != key.table {
        let home = section(key.table, key.name, path.plugin().unwrap_or("<name>"));
        remedy = format!("{remedy}, in {home}");
    }
    Some(Problem::new(format!("this key is called {:?} now", key.name), remedy))
}

fn unknown_key(path: &KeyPath) -> Problem {
    let (table, name) = path.split();
    let known = keys::of(&table.pattern());
    let names = known.join(", ");
    let remedy = match (keys::nearest(name, &known), keys::homes(name).as_slice()) {
        (Some(near), _) => format!("did you mean {near:?}? (the keys are {names})"),
        (None, homes @ ([_] | [_, _])) => {
            let plugin = path.plugin().unwrap_or("<name>");
            let sections: Vec<_> = homes.iter().map(|home| section(home, name, plugin)).collect();
            format!("write it in {} (the keys here are {names})", sections.join(" or "))
        }
        (None, _) => format!("write one of {names}"),
    };
    Problem::new(format!("this is not a key of {}", table.section()), remedy)
}

/// A table of [`keys`] as a section of the file; the keys of the top level are sections.
fn section(table: &str, name: &str, plugin: &str) -> String {
    match table {
        "" if name == "listen" => "[[listen]] with two brackets".to_owned(),
        "" => format!("a section [{name}] of its own"),
        "listen.*" => "[[listen]]".to_owned(),
        "plugins.*" if matches!(name, "limits" | "allow") => format!("[plugins.{plugin}.{name}]"),
        "host.registries.*" => "[host.registries.\"<host>\"]".to_owned(),
        "tenants.*" if name == "limits" => "[tenants.<name>.limits]".to_owned(),
        "plugins.*.tls.*" => format!("[plugins.{plugin}.tls.<profile>]"),
        // A tenant may have another name than the plugin.
        _ if table.starts_with("tenants.") => format!("[{}]", table.replace('*', "<name>")),
        _ => format!("[{}]", table.replace('*', plugin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &[&str], expected: Option<&str>) {
        let renamed = [
            ("host.threads", "host.workers"),
            ("plugins.*.cpu", "tenants.*.limits.cpu_per_second"),
            ("plugins.*.ram", "plugins.*.limits.memory"),
        ];
        let path = path.iter().fold(KeyPath::default(), |path, key| path.key(key));
        let problem = old_key(&path, &renamed).map(|problem| problem.to_string());
        assert_eq!(problem.as_deref(), expected, "{path}");
    }

    #[test]
    fn an_old_key_names_the_new_one() {
        check(
            &["host", "threads"],
            Some(
                "this key is called \"workers\" now; write a number of threads, as in workers = 2",
            ),
        );
        check(
            &["plugins", "echo", "ram"],
            Some(
                "this key is called \"memory\" now; write a size, as in memory = \"16MiB\", \
                 in [plugins.echo.limits]",
            ),
        );
        check(
            &["plugins", "echo", "cpu"],
            Some(
                "this key is called \"cpu_per_second\" now; write a duration in quotes, \
                 as in cpu_per_second = \"500ms\", in [tenants.<name>.limits]",
            ),
        );
        check(&["host", "thread"], None);
        check(&["threads"], None);
    }
}
