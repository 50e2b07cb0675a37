//! Locks of the host: each is in the table of docs/architecture.md, with the bound of what is done under it.

use std::collections::BTreeMap;
use std::fs;

use super::tokens::tokens;
use super::{File, assert_none, files, tree};
use crate::root::root;

/// Whose file it is, and how many locks it has.
type Locks = BTreeMap<String, usize>;

#[test]
fn every_lock_has_a_bound() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert_none(&complaints(&locks(&files(&["host/src"], &["rs"])), &page));
}

/// The types of locks that are named in declarations and signatures; what only makes one is followed by `::`.
fn locks(files: &[File]) -> Locks {
    let mut locks = Locks::new();
    for file in files {
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
