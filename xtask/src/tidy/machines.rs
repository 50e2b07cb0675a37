//! Paths of somebody's machine: none is left in the tree.

use super::{CODE, assert_none, files};
use crate::root::root;

/// Where a machine of somebody's shows through.
const MACHINES: &[&str] = &["/home/", "/Users/", "/root/", "/work/"];

#[test]
fn no_machine_shows_through() {
    let mut folders = CODE.to_vec();
    folders.extend(["docs", "wit", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "plugins.toml"]);
    folders.retain(|folder| root().join(folder).exists());
    let mut complaints = Vec::new();
    for file in files(&folders, &["rs", "toml", "md", "wit", "c", "js", "py", "rb", "sh"]) {
        if file.path == "xtask/src/tidy/machines.rs" {
            continue; // it names them
        }
        for (number, line) in file.text.lines().enumerate() {
            for machine in MACHINES.iter().filter(|machine| names(line, machine)) {
                let (path, number) = (&file.path, number + 1);
                complaints.push(format!("{path}:{number}: a path under {machine}"));
            }
        }
    }
    assert_none(&complaints);
}

/// Whether a line has an absolute path there, and not `somewhere/home/`.
fn names(line: &str, machine: &str) -> bool {
    line.match_indices(machine).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !(before.is_alphanumeric() || "}._-:/".contains(before)))
    })
}
