//! The schema against the parser: the same keys, the same words, and the same verdict on whole files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::keys;
use super::super::model::Config;
use super::*;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The keys of a schema as [`keys`] writes their paths.
fn paths(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    // What stands for a value, such as { env = "NAME" }, is below anyOf and no section.
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(below(name));
        paths(property, &below(name), found);
    }
    for each in ["additionalProperties", "items"] {
        if schema[each].is_object() {
            paths(&schema[each], &below("*"), found);
        }
    }
}

#[test]
fn the_schema_has_the_keys_that_the_parser_knows() {
    let mut found = BTreeSet::new();
    paths(&schema(), "", &mut found);
    let known: BTreeSet<String> = keys::all().map(ConfigKey::path).collect();
    assert_eq!(found, known);
}

#[test]
fn every_key_has_the_words_of_the_reference() {
    // These have no table there, only a text.
    let told_in_text = |key: &ConfigKey| {
        ["listen.*.certificates.*", "listen.*.proxy_protocol", "plugins.*.tls.*.certificates.*"]
            .contains(&key.table)
            || key.path() == "include"
    };
    for key in keys::all().filter(|key| key.bound.is_none() && !told_in_text(key)) {
        let meaning = meaning(key).unwrap_or_else(|| panic!("{} has no row", key.path()));
        assert!(5 < meaning.len() && !meaning.contains("]("), "{}: {meaning}", key.path());
    }
}

/// A row has the default, the range and the consequence of a bound, and the valid words of another key.
#[test]
fn every_row_of_the_reference_says_what_is_valid() {
    let mut bounds = 0;
    for (key, row) in keys::all().filter_map(|key| Some((key, row(key)?))) {
        let words = words(key).into_iter().map(|word| format!("`\"{word}\"`"));
        let parts: Vec<String> = key.bound.map_or(words.collect(), |bound| {
            bounds += 1;
            let range = format!("{} to {}", bound.show(bound.min), bound.show(bound.max));
            let default = format!("| `{}` |", bound.literal(bound.default));
            vec![range, default, format!("**{}**: ", bound.at.word())]
        });
        for part in parts {
            assert!(row.contains(&part), "docs/config.md: {} needs {part}: {row}", key.path());
        }
    }
    assert!(20 < bounds, "{bounds} rows of bounds");
}

/// The lines that set a key of these tables to `value`, in a file that is good otherwise.
fn file_with(key: &ConfigKey, value: &str) -> Option<String> {
    let echo = "[plugins.echo]\ncomponent = \"echo.wasm\"\n";
    let listen = "[[listen]]\nplugin = \"echo\"\n";
    let address = "address = \"tcp://127.0.0.1:1\"\n";
    let line = format!("{} = {value}\n", key.name);
    Some(match key.table {
        "host" => format!("[host]\n{line}{echo}{listen}{address}"),
        "plugins.*" => format!("{echo}{line}{listen}{address}"),
        "listen.*" if key.name == "at_capacity" => format!("{echo}{listen}{address}{line}"),
        _ => return None,
    })
}

#[test]
fn the_words_of_a_key_are_those_that_the_parser_takes() {
    let mut count = 0;
    for key in keys::all().filter(|key| !words(key).is_empty()) {
        let Some(wrong) = file_with(key, "\"nonsense\"") else { continue };
        let error = Config::parse(Path::new("x"), &wrong).expect_err(&wrong).to_string();
        let quoted: Vec<_> = words(key).iter().map(|word| format!("{word:?}")).collect();
        let (last, rest) = quoted.split_last().expect("a word");
        let listed = format!("; write {} or {last}", rest.join(", "));
        assert!(error.ends_with(&listed), "{}: {error}", key.path());
        count += 1;
    }
    assert!(5 <= count, "only {count} keys have words");
}

/// What a validator has to say of a file, for the words that this schema uses: an unknown one is a panic.
fn verdict(schema: &Value, text: &str) -> Result<(), String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let value = serde_json::to_value(table).map_err(|error| error.to_string())?;
    validate(schema, &value, "")
}

fn validate(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fault = |what: &Value| Err(format!("{at}: {value} is not {what}"));
    let good = |schema: &Value| validate(schema, value, at).is_ok();
    for (word, wanted) in schema.as_object().expect("a schema") {
        let list = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_good = match &**word {
            "type" if wanted.is_array() => list.iter().any(|wanted| is_of(value, wanted)),
            "type" => is_of(value, wanted),
            "enum" => list.contains(value),
            "const" => wanted == value,
            "anyOf" => list.iter().any(good),
            "not" => !good(wanted),
            "minimum" => value.as_i64().is_none_or(|it| i128::from(it) >= whole(wanted)),
            "maximum" => value.as_i64().is_none_or(|it| i128::from(it) <= whole(wanted)),
            "pattern" => value.as_str().is_none_or(|it| matches(wanted, it)),
            "required" => value.as_object().is_none_or(|it| {
                list.iter().all(|key| it.contains_key(key.as_str().expect("a key")))
            }),
            "properties" | "additionalProperties" | "propertyNames" | "items" => true,
            "$schema" | "title" | "description" | "default" | "examples" | "x-taplo" => true,
            word => panic!("the test does not know {word:?}"),
        };
        if !is_good {
            return fault(wanted);
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{key}");
        if let Some(names) = schema.get("propertyNames") {
            validate(names, &key.as_str().into(), &at)?;
        }
        match (
            schema.get("properties").and_then(|it| it.get(key)),
            schema.get("additionalProperties"),
        ) {
            (Some(schema), _) => validate(schema, value, &at)?,
            (None, Some(Value::Bool(false))) => return Err(format!("{at}: an unknown key")),
            (None, Some(schema)) => validate(schema, value, &at)?,
            (None, None) => {}
        }
    }
    let items = schema.get("items").into_iter();
    items
        .flat_map(|schema| value.as_array().into_iter().flatten().map(move |item| (schema, item)))
        .try_for_each(|(schema, item)| validate(schema, item, &format!("{at}/*")))
}

fn whole(value: &Value) -> i128 {
    value.as_i64().map(i128::from).or(value.as_u64().map(i128::from)).expect("a whole number")
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a kind") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        kind => panic!("the test does not know {kind:?}"),
    }
}

/// The patterns of this schema: names, addresses, and amounts with their units.
fn matches(pattern: &Value, text: &str) -> bool {
    let pattern = pattern.as_str().expect("a pattern");
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if pattern.starts_with("^[A-Za-z0-9_-]{1,") {
        return (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_of_a_name);
    }
    if let Some(rest) = pattern.strip_prefix("^(") {
        let (schemes, _) = rest.split_once(")://.").expect("the schemes of an address");
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        return schemes.split('|').any(|known| known == scheme) && !rest.is_empty();
    }
    let units = pattern.strip_prefix("^ *[0-9]+ *(").and_then(|it| it.strip_suffix(") *$"));
    let text = text.trim_matches(' ');
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let has_number = unit.len() < text.len();
    has_number
        && units.expect("an amount").split('|').any(|known| known == unit.trim_start_matches(' '))
}

fn validator() -> Value {
    schema()
}

/// Every file of the repository with this name below `folder`.
fn files(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_left_out = ["target", ".git", "node_modules"].iter().any(|it| path.ends_with(it));
        if path.is_dir() && !is_left_out {
            files(&path, is_wanted, found);
        } else if is_wanted(&path) {
            found.push(path);
        }
    }
}

#[test]
fn every_good_file_of_the_repository_is_good_by_the_schema() {
    let validator = validator();
    let mut found = Vec::new();
    // What is wrong on purpose, and what a project is made of.
    let others = [repository("tests/cases/invalid"), repository("sdk/templates")];
    let is_good = |path: &Path| {
        path.ends_with("plugins.toml") && !others.iter().any(|folder| path.starts_with(folder))
    };
    files(&repository(""), &is_good, &mut found);
    assert!(5 < found.len(), "{found:?}");
    for file in found {
        let text = fs::read_to_string(&file).expect("a file");
        if let Err(faults) = verdict(&validator, &text) {
            panic!("{}: {faults}", file.display());
        }
    }
}

#[test]
fn what_a_schema_can_see_it_refuses() {
    let validator = validator();
    // What these say is about one key and one value.
    let seen = [
        "is not a key of",
        ": this is ",
        ": is missing;",
        "is not a size;",
        "is not a duration;",
        "is not an isolation;",
        "is not a log level;",
        "has no scheme;",
    ];
    let mut count = 0;
    for case in fs::read_dir(repository("tests/cases/invalid")).expect("cases") {
        let case = case.expect("a case").path();
        let error = fs::read_to_string(case.join("error.txt")).expect("an error.txt");
        if seen.iter().any(|words| error.contains(words)) && !error.contains("this is not TOML") {
            let text = fs::read_to_string(case.join("plugins.toml")).expect("a plugins.toml");
            assert!(verdict(&validator, &text).is_err(), "{}: {error}", case.display());
            count += 1;
        }
    }
    assert!(10 < count, "only {count} cases");
}

/// Every bound: its default and its ends are good, and what is beyond them or of another kind is not.
#[test]
fn every_bound_has_its_range() {
    let validator = validator();
    let verdict_on = |bound: &Bound, value: &str| {
        let section = match bound.table {
            "listen.*" => {
                "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"echo\"".to_owned()
            }
            "admin" => "[admin]\naddress = \"unix:///run/a.sock\"".to_owned(),
            "cluster" => "[cluster]\nnats = [\"nats://127.0.0.1:1\"]".to_owned(),
            table => format!("[{}]", table.replace('*', "echo")),
        };
        let echo = "[plugins.echo]\ncomponent = \"e\"\n";
        verdict(&validator, &format!("{echo}{section}\n{} = {value}\n", bound.name))
    };
    for bound in keys::bounds() {
        let good = [bound.min, bound.default, bound.max].map(|amount| bound.literal(amount));
        for good in good.iter().map(String::as_str).chain(["{ env = \"A\" }"]) {
            // Zero bytes have no unit.
            if good != "\"0\"" {
                assert_eq!(verdict_on(bound, good), Ok(()), "{} = {good}", bound.key());
            }
        }
        for wrong in
            ["true", "\"\"", "\"12parsecs\"", "-1", "{ file = \"a\" }", "{ env = 1 }", "[]"]
        {
            assert!(verdict_on(bound, wrong).is_err(), "{} = {wrong}", bound.key());
        }
        if bound.unit == Unit::Count {
            let beyond = (bound.max + 1).to_string();
            assert!(verdict_on(bound, &beyond).is_err(), "{} = {beyond}", bound.key());
        }
    }
}

#[test]
fn values_that_stand_for_others() {
    let validator = validator();
    let of_plugin =
        |keys: &str| verdict(&validator, &format!("[plugins.echo]\ncomponent = \"e\"\n{keys}\n"));
    for good in [
        r#"options = { a = 1, b = "c", d = [1, 2], e = { f = 1 } }"#,
        r#"options = { a = { env = "A" }, b = { file = "c" } }"#,
        r#"environment = { A = { env = "A" } }"#,
    ] {
        assert_eq!(of_plugin(good), Ok(()), "{good}");
    }
    for wrong in [
        r#"options = { a = { env = 1 } }"#,
        r#"options = { a = { env = "A", file = "b" } }"#,
        r#"options = 1"#,
        r#"isolation = "none""#,
        r#"optoins = {}"#,
    ] {
        assert!(of_plugin(wrong).is_err(), "{wrong}");
    }
    let at = |address: &str| {
        verdict(&validator, &format!("[[listen]]\nplugin = \"e\"\naddress = {address}\n"))
    };
    for good in [
        r#""tcp://127.0.0.1:1""#,
        r#"{ env = "A" }"#,
        r#"{ ip = "::", port = 1 }"#,
        r#"{ ip = "::", port = { env = "PORT" } }"#,
    ] {
        assert_eq!(at(good), Ok(()), "{good}");
    }
    for wrong in [r#""127.0.0.1:1""#, "1", r#"{ ip = "::" }"#, r#"{ ip = "::", port = 65536 }"#] {
        assert!(at(wrong).is_err(), "{wrong}");
    }
    assert!(verdict(&validator, "[plugins.\"a b\"]\ncomponent = \"e\"\n").is_err());
    assert!(verdict(&validator, "include = [\"conf.d/*.toml\"]\n").is_ok());
}
