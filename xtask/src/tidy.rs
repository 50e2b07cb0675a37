//! Checks of the tree that no compiler makes, one file for each subject. They are tests, so that `cargo test` runs them.
#![cfg(test)]

use std::fs;
use std::path::PathBuf;

use crate::root::root;

mod architecture;
mod circles;
mod declared;
mod documents;
mod eventmachine;
mod floors;
mod guests;
mod headers;
mod imports;
mod interfaces;
mod locks;
mod machines;
mod modules;
mod own_tests;
mod places;
mod project_workspace;
mod protocols;
mod security;
mod tokens;
mod type_names;

/// The folders with code.
const CODE: &[&str] =
    &["host", "codecs", "sdk", "plugins", "examples", "tests", "benches", "testkit", "xtask"];

/// A file of the tree: its path from the root with `/`, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// What stands before the unit tests at its end.
    fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

/// The files below these folders with one of these endings.
fn files(folders: &[&str], endings: &[&str]) -> Vec<File> {
    let root = root();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let foreign = name.starts_with('.') || name == "target" || name == "node_modules";
            if !foreign {
                waiting.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if path.extension().is_some_and(|end| endings.iter().any(|known| end == *known)) {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            files.push(File { path, text });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// All at once, so that one run shows the whole work.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// A host of these files, for the tests of the checks.
fn tree(files: &[(&str, &str)]) -> Vec<File> {
    let file = |(path, text): &(&str, &str)| File {
        path: format!("host/src/{path}"),
        text: (*text).to_owned(),
    };
    files.iter().map(file).collect()
}
