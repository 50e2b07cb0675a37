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

/// Files of the host that a warm echo passes.
const JOURNEY_FILES: usize = 8;

/// What "One byte's journey" says of a warm echo: that many files, and each function in one of them.
#[test]
fn the_journey_of_a_byte_is_as_it_is_told() {
    let text = read("docs/architecture.md");
    let (_, journey) = text.split_once("## One byte's journey").expect("the section");
    let (journey, _) = journey.split_once("Before that:").expect("what comes before it");
    let paths: BTreeSet<&str> = names(journey).filter(|name| name.ends_with(".rs")).collect();
    assert!(paths.len() <= JOURNEY_FILES, "{paths:?}");
    let sources: Vec<String> = paths.iter().map(|path| read(&format!("host/src/{path}"))).collect();
    let is_function = |name: &&str| name.chars().all(|c| c.is_lowercase() || c == '_');
    let parts = names(journey).filter_map(|name| name.rsplit("::").next()).filter(is_function);
    let functions: BTreeSet<&str> = parts.filter(|name| !NOT_FUNCTIONS.contains(name)).collect();
    assert!(10 < functions.len(), "{functions:?}");
    let is_there = |name: &&&str| sources.iter().any(|it| it.contains(&format!("fn {name}(")));
    let missing: Vec<&&str> = functions.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "none of {paths:?} has {missing:?}");
}

/// Words of the section that are no functions: a program.
const NOT_FUNCTIONS: [&str; 1] = ["nc"];

/// The files of the Rust sources that the page names, by their paths or the ends of these.
#[test]
fn every_file_of_the_architecture_is_there() {
    let sources = files(&["host", "xtask/src", "tests", "sdk/rust/src"], &["rs"]);
    let text = read("docs/architecture.md");
    let named: BTreeSet<&str> = names(&text).filter(|name| name.ends_with(".rs")).collect();
    assert!(100 < named.len(), "{} files", named.len());
    let is_there = |name: &&&str| {
        let end = format!("/{name}");
        sources.iter().any(|file| file.path == **name || file.path.ends_with(&end))
    };
    let missing: Vec<&&str> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}

/// Questions to which the names of files alone must lead.
const ROADS: [&str; 5] = [
    "How is a connection accepted?",
    "What bounds a tenant's memory?",
    "What happens when a handler runs long?",
    "How does a message reach a subscriber on another reactor?",
    "How does a message reach a subscriber on another host?",
];

/// Lines of the answer to each.
const ROAD_LINES: usize = 4;

#[test]
fn each_road_is_four_lines_that_name_files() {
    let text = read("docs/architecture.md");
    for road in ROADS {
        let (_, answer) = text.split_once(&format!("\n**{road}**\n")).expect(road);
        let (answer, _) = answer.split_once("\n\n").expect("the end of the answer");
        let lines = answer.lines().count();
        assert!(lines <= ROAD_LINES, "{road} {lines} lines");
        let files = names(answer).filter(|name| name.ends_with(".rs")).count();
        assert!(ROAD_LINES <= files, "{road} {files} files");
    }
}
