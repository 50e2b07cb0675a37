//! What the documents name, looked up in the sources.

use std::fs;
use std::path::{Path, PathBuf};

use sandloop_tests::workspace;

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
    fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The SDK, the host and the suite as text.
pub struct Sources {
    sdk: Vec<(PathBuf, String)>,
    suite: Vec<(PathBuf, String)>,
    host: Vec<(PathBuf, String)>,
}

impl Sources {
    pub fn new() -> Sources {
        let all = |folder: &str| {
            let files = files(&workspace().join(folder), "rs").into_iter();
            files.map(|path| (path.clone(), fs::read_to_string(path).expect("a file"))).collect()
        };
        Sources { sdk: all("sdk/rust/src"), suite: all("tests/suite"), host: all("host") }
    }

    /// `item`, `Type::item` or `module::item`.
    pub fn has_item(&self, name: &str) -> bool {
        let (owner, item) = name.rsplit_once("::").map_or((None, name), |(o, i)| (Some(o), i));
        let kinds = ["fn", "struct", "trait", "enum", "macro_rules!"];
        self.sdk.iter().any(|(path, text)| {
            let is_there = kinds.iter().any(|kind| {
                text.match_indices(&format!("{kind} {item}")).any(|(place, found)| {
                    let next = text[place + found.len()..].chars().next();
                    !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
                })
            });
            let owner_fits = owner.is_none_or(|owner| {
                let module = path.file_stem().is_some_and(|stem| stem.to_string_lossy() == owner);
                module
                    || ["struct", "trait"]
                        .iter()
                        .any(|kind| text.contains(&format!("{kind} {owner}")))
            });
            is_there && owner_fits
        })
    }

    /// `area/scenario` or `module::test`.
    pub fn has_test(&self, name: &str) -> bool {
        if let Some((area, scenario)) = name.split_once('/') {
            let file = format!("tests/differential/scenarios/{area}/{scenario}.txt");
            return workspace().join(file).is_file();
        }
        let Some((module, test)) = name.split_once("::") else { return false };
        self.suite.iter().chain(&self.sdk).chain(&self.host).any(|(path, text)| {
            path.components().any(|part| {
                Path::new(&part).file_stem().is_some_and(|stem| stem.to_string_lossy() == module)
            }) && text.contains(&format!("fn {test}("))
        })
    }
}

/// The files below a folder with this extension.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found
}
