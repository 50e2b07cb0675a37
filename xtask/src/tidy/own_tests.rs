//! The last sections of `docs/eventmachine.md`: what ends EventMachine's process, and each method of its own suite. Every row has
//! its answer, and whatever it names is there.

use std::collections::{BTreeMap, BTreeSet};

use super::assert_none;
use super::documents::{Sources, cells, names, read};

/// Methods of EventMachine's suite.
const METHODS: usize = 328;
/// The misuses that end EventMachine's process.
const CRASHES: usize = 6;

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Shown,
    OutOfScope,
    RubysOwn,
    Empty,
    NotYet,
}

/// What a cell can be checked against.
struct Known {
    sources: Sources,
    /// The first cells of `out-of-scope.md`.
    out_of_scope: Vec<String>,
}

impl Known {
    fn new() -> Known {
        let text = read("docs/out-of-scope.md");
        let rows = text.lines().filter(|line| line.starts_with("| "));
        let out_of_scope = rows.map(|line| cells(line)[0].to_owned()).collect();
        Known { sources: Sources::new(), out_of_scope }
    }

    fn answer(&self, cell: &str) -> Result<Answer, String> {
        if cell == "Not yet." {
            return Ok(Answer::NotYet);
        }
        let (answer, words) = match cell.split_once(": ") {
            Some(("Out of scope", words)) => (Answer::OutOfScope, self.without_line(words)?),
            Some(("Ruby's own", words)) => (Answer::RubysOwn, words),
            Some(("Empty", words)) => (Answer::Empty, words),
            _ => (Answer::Shown, cell),
        };
        if let Some(unknown) = names(words).find(|name| !self.sources.has_test(name)) {
            return Err(format!("there is no test {unknown:?}"));
        }
        let has_name = names(words).next().is_some();
        match answer {
            Answer::Shown if !has_name => Err("it has neither a test nor a word of why".to_owned()),
            _ => Ok(answer),
        }
    }

    /// What follows `*the name of a line*`.
    fn without_line<'a>(&self, words: &'a str) -> Result<&'a str, String> {
        let rest = words.strip_prefix('*').and_then(|words| words.split_once('*'));
        let (line, rest) = rest.ok_or("it names no line of out-of-scope.md")?;
        let is_there = self.out_of_scope.iter().any(|known| known.contains(line));
        is_there.then_some(rest).ok_or_else(|| format!("out-of-scope.md has no line {line:?}"))
    }
}

/// The rows of a section's tables, each below the heading before it, if there is one.
fn rows<'a>(text: &'a str, section: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let heading = format!("\n## {section}\n");
    let (_, after) = text.split_once(&heading).unwrap_or_else(|| panic!("no section {section:?}"));
    let (mut file, mut rows) = ("", Vec::new());
    for line in after.split("\n## ").next().unwrap_or_default().lines() {
        if let Some(name) = line.strip_prefix("### ") {
            file = name;
        } else if line.starts_with("| ") && !line.starts_with("| ---") {
            rows.push((file, cells(line)));
        }
    }
    rows.retain(|(_, cells)| !["method", "in EventMachine"].contains(&cells[0]));
    rows
}

#[test]
fn every_method_of_eventmachines_suite_has_its_answer() {
    let (text, known) = (read("docs/eventmachine.md"), Known::new());
    let (mut methods, mut counts, mut wrong) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    for (file, cells) in rows(&text, "EventMachine's own tests") {
        let &[method, asserts, here] = &*cells else { panic!("three columns: {cells:?}") };
        let mut complain = |what: &str| wrong.push(format!("{file}: {method}: {what}"));
        if !method.starts_with("`test_") || asserts.is_empty() {
            complain("a method, and what it asserts");
        }
        if !methods.insert((file, method)) {
            complain("it is there twice");
        }
        match known.answer(here) {
            Ok(answer) => *counts.entry(answer).or_insert(0_usize) += 1,
            Err(what) => complain(&what),
        }
    }
    assert_none(&wrong);
    assert_eq!(methods.len(), METHODS, "methods");
    let count = |answer| counts.get(&answer).copied().unwrap_or_default();
    let told = format!(
        "Of {METHODS} methods {} are shown, {} out of scope, {} Ruby's own, {} empty, and {} not yet.",
        count(Answer::Shown),
        count(Answer::OutOfScope),
        count(Answer::RubysOwn),
        count(Answer::Empty),
        count(Answer::NotYet),
    );
    assert!(text.contains(&told), "write: {told}");
}

#[test]
fn nothing_that_ends_eventmachine_ends_the_host() {
    let (text, known) = (read("docs/eventmachine.md"), Known::new());
    let rows = rows(&text, "What ends EventMachine's process");
    assert_eq!(rows.len(), CRASHES);
    let mut wrong = Vec::new();
    for (_, cells) in rows {
        let &[misuse, here, test] = &*cells else { panic!("three columns: {cells:?}") };
        match known.answer(test) {
            Ok(Answer::Shown) if here.is_empty() => wrong.push(format!("{misuse}: no word of it")),
            Ok(Answer::Shown | Answer::NotYet) => {}
            Ok(_) => wrong.push(format!("{misuse}: a test")),
            Err(what) => wrong.push(format!("{misuse}: {what}")),
        }
    }
    assert_none(&wrong);
}

/// The checks find what they are for.
#[test]
fn an_answer_without_ground_is_none() {
    let known = Known::new();
    for (cell, answer) in [
        ("`timers/zero`", Answer::Shown),
        ("`timers/zero`: words.", Answer::Shown),
        ("Out of scope: *raw descriptors*. Words: `timers/zero`.", Answer::OutOfScope),
        ("Not yet.", Answer::NotYet),
    ] {
        assert_eq!(known.answer(cell), Ok(answer), "{cell}");
    }
    for cell in [
        "",
        "Not yet",
        "Words.",
        "`timers/never`",
        "`timers/zero`, `no::such_test`",
        "Out of scope.",
        "Out of scope: *no such line*.",
        "Ruby's own: see `no::such_test`.",
    ] {
        assert!(known.answer(cell).is_err(), "{cell:?}");
    }
}
