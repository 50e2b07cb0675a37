//! `docs/eventmachine.md`, its tables of calls: whatever a row names is there. `own_tests` has the tables behind them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::documents::{Sources, cells, names, read};
use super::files;
use crate::root::root;

/// What stands before the other tables.
fn tables_of_calls() -> String {
    let text = read("docs/eventmachine.md");
    let (before, _) =
        text.split_once("\n## What ends EventMachine's process\n").expect("a section");
    before.to_owned()
}

#[test]
fn every_row_names_what_exists() {
    let text = tables_of_calls();
    let sources = Sources::new();
    let mut rows = 0;
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let cells = cells(line);
        assert_eq!(cells.len(), 5, "line {}: five columns", number + 1);
        if cells[1] == "WIT" || cells[0].starts_with("---") {
            continue;
        }
        rows += 1;
        let mut complain = |what: &str, name: &str| {
            wrong.push(format!("line {}: there is no {what} {name:?}", number + 1));
        };
        names(cells[1]).filter(|name| !is_wit(name)).for_each(|name| complain("WIT item", name));
        let unknown = names(cells[2]).filter(|name| !sources.has_item(name));
        unknown.for_each(|name| complain("SDK item", name));
        let unknown = names(cells[3]).filter(|name| !sources.has_test(name));
        unknown.for_each(|name| complain("test", name));
        // A row that shows nothing says why.
        if cells[3].is_empty() {
            assert!(!cells[4].is_empty(), "line {}: no test and no word", number + 1);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(70 < rows, "{rows} rows");
}

/// Every function of the contract has its row.
#[test]
fn every_function_of_the_contract_is_named() {
    let text = tables_of_calls();
    // What EventMachine has no word for at all.
    let own = ["log", "options", "catalog", "handover-handler", "types", "world"];
    let mut missing = Vec::new();
    for file in files(&["wit"], &["wit"]) {
        let name = Path::new(&file.path).file_stem().expect("a name");
        let interface = name.to_string_lossy().into_owned();
        if own.contains(&&*interface) {
            continue;
        }
        for function in functions(&file.text) {
            let named = text.contains(&format!("`{interface}.{function}`"))
                || text.contains(&format!(".{function}`"))
                    && text.contains(&format!("`{interface}."));
            if !named && !["prepare", "stopped", "timer-fired"].contains(&&*function) {
                missing.push(format!("{interface}.{function}"));
            }
        }
    }
    assert!(missing.is_empty(), "no row names {missing:?}");
}

/// Public in EventMachine's source, and not for its users.
const INTERNALS: &[&str] = &[
    "_open_file_for_writing",
    "attach_io",
    "event_callback",
    "fire",
    "klass_from_handler",
    "reschedule",
    "run_deferred_callbacks",
    "signature=",
    "spawn_threadpool",
    "stream_one_chunk",
];

/// What the real one has, as it says itself.
#[test]
fn every_call_of_eventmachine_is_named() {
    let mut ruby = Command::new("ruby");
    ruby.arg(root().join("tests/differential/calls.rb"));
    let output = ruby.output().expect("Ruby is there; `cargo xtask setup` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let calls: BTreeSet<&str> = stdout.lines().collect();
    assert!(150 < calls.len(), "{} calls", calls.len());
    let text = tables_of_calls();
    // The first column, word by word.
    let named: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| cells(line)[0].split(|c: char| !c.is_alphanumeric() && !"_?".contains(c)))
        .collect();
    // A setter and a question are in the row of what they are about; an operator is no word.
    let has_row = |call: &&&str| match call.trim_end_matches('=') {
        "<<" => text.contains("`#<<`"),
        word => named.contains(word) || named.contains(word.trim_end_matches('?')),
    };
    let internals: BTreeSet<&str> = INTERNALS.iter().copied().collect();
    let missing: Vec<&str> =
        calls.difference(&internals).filter(|call| !has_row(call)).copied().collect();
    assert!(missing.is_empty(), "no row names {missing:?}");
}

fn functions(wit: &str) -> Vec<String> {
    let code = wit.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    code.filter_map(|line| line.split_once(": func").map(|(name, _)| name.to_owned())).collect()
}

/// `interface.item` or `interface.resource.item`.
fn is_wit(name: &str) -> bool {
    let Some((interface, item)) = name.split_once('.') else { return false };
    let Ok(text) = fs::read_to_string(root().join(format!("wit/{interface}.wit"))) else {
        return false;
    };
    item.split('.').all(|part| {
        text.contains(&format!(" {part}: func")) || text.contains(&format!("resource {part} "))
    })
}
