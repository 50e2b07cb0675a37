//! Errors for keys that are written twice, with the lines of both.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::error::{ConfigError, Problem};
use super::source::{SourceText, invalid, line_of};

/// Replaces the second of the two keys, so that both have a position in the parsed file.
const SECOND: &str = "the-second-of-two-keys";

/// The error for the key at `span`, which is the second with its name in its table.
pub(super) fn written_twice(file: &Path, text: &str, span: &Range<usize>) -> ConfigError {
    let written = text.get(span.clone()).unwrap_or_default();
    let line = line_of(text, span.start);
    let (Some(before), Some(after)) = (text.get(..span.start), text.get(span.end..)) else {
        return invalid(file, line, &Default::default(), problem(written, None));
    };
    let renamed = format!("{before}{SECOND}{after}");
    // A third key is reported once these two are one.
    let (root, _) = DeTable::parse_recoverable(&renamed);
    let source = SourceText::of_table(file, &renamed, root.into_inner());
    let second = source.path_at(&(span.start..span.start + SECOND.len()));
    let path = second.map(|second| second.split().0.key(&name(written)));
    match path {
        Some(path) => {
            let place = source.place(path.clone());
            let first = place.is_written().then(|| place.line());
            invalid(file, line, &path, problem(&path.to_string(), first))
        }
        None => invalid(file, line, &Default::default(), problem(written, None)),
    }
}

fn problem(key: &str, first: Option<usize>) -> Problem {
    let at = first.map(|line| format!(", first at line {line}")).unwrap_or_default();
    Problem::new(format!("the key {key:?} is written twice{at}"), "keep one of the two")
}

/// The name of a key, without quotes.
fn name(written: &str) -> String {
    let text = format!("{written} = 0");
    let table = DeTable::parse(&text).ok();
    let name =
        table.and_then(|table| table.get_ref().keys().next().map(|key| key.get_ref().to_string()));
    name.unwrap_or_else(|| written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Config;

    #[test]
    fn both_places_are_told() {
        for (text, expected) in [
            ("a = 1\na = 2\n", "x:2: a: the key \"a\" is written twice, first at line 1"),
            (
                "[plugins.e]\ncomponent = \"a\"\ncomponent = \"b\"\n",
                "x:3: plugins.e.component: the key \"plugins.e.component\" is written twice, first at line 2",
            ),
            (
                "[plugins.e]\ncomponent = \"a\"\n\n[plugins.e]\n",
                "x:4: plugins.e: the key \"plugins.e\" is written twice, first at line 1",
            ),
            (
                "[plugins.e]\n[plugins.e.limits]\nmemory = 1\n[plugins.e.limits]\nmemory = 2\n",
                "x:4: plugins.e.limits: the key \"plugins.e.limits\" is written twice, first at line 2",
            ),
            (
                "[[listen]]\nplugin = \"a\"\n[[listen]]\nplugin = \"a\"\nplugin = \"b\"\n",
                "x:5: listen[1].plugin: the key \"listen[1].plugin\" is written twice, first at line 4",
            ),
            ("[host]\n[host]\n", "x:2: host: the key \"host\" is written twice, first at line 1"),
            (
                "[plugins.\"e\"]\n[plugins.e]\n",
                "x:2: plugins.e: the key \"plugins.e\" is written twice, first at line 1",
            ),
            (
                "[p]\no = { a = 1, b = 2, a = 3 }\n",
                "x:2: p.o.a: the key \"p.o.a\" is written twice, first at line 2",
            ),
            (
                "[p]\na.b = 1\na.b = 2\n",
                "x:3: p.a.b: the key \"p.a.b\" is written twice, first at line 2",
            ),
            ("a = 1\na = 2\na = 3\n", "x:2: a: the key \"a\" is written twice, first at line 1"),
        ] {
            let error = Config::parse(Path::new("x"), text).expect_err(text).to_string();
            assert_eq!(error, format!("{expected}; keep one of the two"), "{text}");
        }
    }
}
