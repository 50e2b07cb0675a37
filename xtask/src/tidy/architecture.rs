//! `docs/architecture.md`: what it names of the tree is there.

use std::collections::BTreeSet;

use super::documents::{names, read};
use super::files;

/// Functions, types and tests, told from other words by an underscore or a path.
#[test]
fn every_name_of_the_architecture_is_there() {
    let folders = ["host", "xtask/src", "tests/suite", "tests/perf", "sdk/rust/src"];
    let sources = files(&folders, &["rs"]);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let there: BTreeSet<&str> =
        sources.iter().flat_map(|file| file.text.split(|c| !is_word(c))).collect();
    let text = read("docs/architecture.md");
    let named: Vec<&str> = names(&text)
        .filter_map(|name| name.split('(').next())
        .filter(|name| name.contains('_') || name.contains("::"))
        .filter(|name| name.chars().all(|c| is_word(c) || c == ':'))
        .filter(|name| name.contains(char::is_lowercase))
        .collect();
    assert!(50 < named.len(), "{} names", named.len());
    let parts = |name: &&&str| name.split("::").all(|part| there.contains(part));
    let missing: Vec<&&str> = named.iter().filter(|name| !parts(name)).collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}
