//! What the documents name, looked up in the sources.

use std::fs;
use std::path::Path;

use super::{File, files};
use crate::root::root;

/// The cells of a row of a table.
pub fn cells(line: &str) -> Vec<&str> {
    let inside = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inside.unwrap_or(line).split('|').map(str::trim).collect()
}

/// What stands between backticks.
pub fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// A file of the repository.
pub fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The SDK, the host and the suites as text.
pub struct Sources {
    sdk: Vec<File>,
    tests: Vec<File>,
}

impl Sources {
    pub fn new() -> Sources {
        let folders = ["tests/suite", "tests/perf", "host", "sdk/rust/src", "codecs"];
        let tests = files(&folders, &["rs"]);
        Sources { sdk: files(&["sdk/rust/src"], &["rs"]), tests }
    }

    /// `item`, `Type::item` or `module::item`.
    pub fn has_item(&self, name: &str) -> bool {
        let (owner, item) = name.rsplit_once("::").map_or((None, name), |(o, i)| (Some(o), i));
        let kinds = ["fn", "struct", "trait", "enum", "macro_rules!"];
        self.sdk.iter().any(|File { path, text }| {
            let is_there = kinds.iter().any(|kind| {
                text.match_indices(&format!("{kind} {item}")).any(|(place, found)| {
                    let next = text[place + found.len()..].chars().next();
                    !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
                })
            });
            let owner_fits = owner.is_none_or(|owner| {
                let is_module =
                    |part| Path::new(part).file_stem().is_some_and(|stem| stem == owner);
                Path::new(path).iter().any(is_module)
                    || ["struct", "trait", "impl"]
                        .iter()
                        .any(|kind| text.contains(&format!("{kind} {owner}")))
            });
            is_there && owner_fits
        })
    }

    /// `area/scenario`, `module::test` or `module::module::test`.
    pub fn has_test(&self, name: &str) -> bool {
        if let Some((area, scenario)) = name.split_once('/') {
            let file = format!("tests/differential/scenarios/{area}/{scenario}.txt");
            return root().join(file).is_file();
        }
        let Some((modules, test)) = name.rsplit_once("::") else { return false };
        self.tests.iter().any(|File { path, text }| {
            let is_part = |module| {
                let stem = |part| Path::new(part).file_stem().is_some_and(|stem| stem == module);
                Path::new(path).iter().any(stem)
            };
            modules.split("::").all(is_part) && text.contains(&format!("fn {test}("))
        })
    }
}
