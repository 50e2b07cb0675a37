//! Locks of the host: each is in the table of docs/architecture.md, with the bound of what is done under it, and has a row in
//! the test that holds host calls up at locks. All come from one place, whose locks can be watched.

use std::collections::BTreeMap;
use std::fs;

use super::tokens::tokens;
use super::{File, assert_none, files, tree};
use crate::root::root;

/// Whose file it is, and how many locks it has.
type Locks = BTreeMap<String, usize>;

/// Where locks come from, and one that is waited for by a future.
const HOME: &str = "host/src/base/lock";
const ASYNCHRONOUS: &str = "host/src/run/admin/watched.rs";
/// Where host calls are held up at each.
const TABLE: &str = "host/src/run/lock_tests.txt";

#[test]
fn every_lock_has_a_bound() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert_none(&complaints(&locks(&files(&["host/src"], &["rs"])), &page));
}

#[test]
fn a_host_call_is_held_up_at_every_lock() {
    let table = fs::read_to_string(root().join(TABLE)).unwrap();
    assert_none(&without_row(&locks(&files(&["host/src"], &["rs"])), &table));
}

#[test]
fn every_lock_can_be_watched() {
    assert_none(&other_locks(&files(&["host/src"], &["rs"])));
}

fn without_row(locks: &Locks, table: &str) -> Vec<String> {
    let has_row = |path: &str| table.lines().any(|line| line.starts_with(&format!("{path} | ")));
    let without = locks.keys().filter(|path| !has_row(path));
    without
        .map(|path| format!("host/src/{path} has locks, and {TABLE} has no row for it"))
        .collect()
}

/// Locks that are not those of `base::lock`.
fn other_locks(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|it| !it.path.starts_with(HOME) && it.path != ASYNCHRONOUS) {
        let tokens = tokens(&file.text);
        for (place, token) in tokens.iter().enumerate() {
            let rest = tokens[place..].iter().take_while(|token| token.text != ";");
            let mut rest = rest.map(|token| token.text);
            let is_other = match token.text {
                "parking_lot" => true,
                "sync" => rest.any(|word| matches!(word, "Mutex" | "RwLock" | "Condvar")),
                _ => false,
            };
            if is_other {
                let (path, line) = (&file.path, token.line);
                complaints.push(format!("{path}:{line}: locks come from `base::lock`"));
            }
        }
    }
    complaints
}

/// The types of locks that are named in declarations and signatures; what only makes one is followed by `::`.
fn locks(files: &[File]) -> Locks {
    let mut locks = Locks::new();
    for file in files.iter().filter(|file| !file.path.starts_with(HOME)) {
        let tokens = tokens(&file.text);
        let is_lock = |pair: &&[super::tokens::Token<'_>]| {
            matches!(pair[0].text, "Mutex" | "RwLock" | "ReentrantMutex" | "FairMutex")
                && pair[1].text == "<"
        };
        let number = tokens.windows(2).filter(is_lock).count();
        if 0 < number {
            let path = file.path.strip_prefix("host/src/").unwrap_or(&file.path);
            locks.insert(path.to_owned(), number);
        }
    }
    locks
}

fn complaints(locks: &Locks, page: &str) -> Vec<String> {
    let section = page.split("\n## Locks\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut complaints = Vec::new();
    let mut known = Locks::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            [path, number, bound] if !bound.is_empty() => {
                let path = path.trim_matches('`').to_owned();
                known.insert(path, number.parse().unwrap_or_default());
            }
            _ => complaints.push(format!("docs/architecture.md: a row without a bound: {line}")),
        }
    }
    for (path, number) in locks {
        let told = known.get(path).copied().unwrap_or_default();
        if told != *number {
            complaints.push(format!(
                "host/src/{path}: {number} locks, of which `## Locks` of docs/architecture.md has {told}"
            ));
        }
    }
    for path in known.keys().filter(|path| !locks.contains_key(*path)) {
        complaints.push(format!("docs/architecture.md: there is no lock in {path}"));
    }
    complaints
}

#[test]
fn a_lock_that_is_not_told_is_found() {
    let found = locks(&tree(&[
        ("one.rs", "struct A { a: Mutex<u8>, b: std::sync::RwLock<u8> }"),
        ("two.rs", "use std::sync::Mutex; fn f() { g(Mutex::new(1)); } // Mutex<u8>"),
        ("three.rs", "#[cfg(test)]\nmod tests { static A: Mutex<u8> = Mutex::new(1); }"),
    ]));
    assert_eq!(found, Locks::from([("one.rs".to_owned(), 2)]));
    let page = |rows: &str| format!("# Page\n\n## Locks\n\n{rows}\n## More\n| `x.rs` | 1 | x |\n");
    let check = |rows: &str| complaints(&found, &page(rows)).len();
    assert_eq!(check("| `one.rs` | 2 | a step |"), 0);
    assert_eq!(check("| `one.rs` | 1 | a step |"), 1);
    assert_eq!(check("| `one.rs` | 2 | |"), 2);
    assert_eq!(check("| `one.rs` | 2 | a step |\n| `two.rs` | 1 | a step |"), 1);
    assert_eq!(check(""), 1);
}

#[test]
fn a_lock_without_a_row_is_found() {
    let locks = Locks::from([("one.rs".to_owned(), 2), ("two.rs".to_owned(), 1)]);
    assert_eq!(without_row(&locks, "# two.rs\none.rs | a | b | the loop\n").len(), 1);
    assert_eq!(without_row(&locks, "one.rs | a | b | the loop\ntwo.rs | nobody\n").len(), 0);
}

#[test]
fn a_lock_from_elsewhere_is_found() {
    let found = other_locks(&tree(&[
        (
            "one.rs",
            "use crate::base::lock::{Mutex, RwLock}; use std::sync::Arc; fn f(a: Mutex<u8>) {}",
        ),
        ("two.rs", "use std::sync::{Arc, Mutex};"),
        ("three.rs", "use parking_lot::RwLock;"),
        ("four.rs", "struct A(std::sync::RwLock<u8>);"),
        ("five.rs", "#[cfg(test)]\nmod tests { use std::sync::Mutex; }"),
    ]));
    assert_eq!(found.len(), 3, "{found:?}");
}
