//! What every source file begins with, and how long it may be.

use super::{CODE, assert_none, files};

/// The folders whose files must stay short, and how short: lines before the unit tests.
const SHORT: &[&str] = &["host/", "codecs/", "sdk/", "plugins/", "benches/", "testkit/", "xtask/"];
const LINES: usize = 600;
/// One table, which is long because there is much of one kind: every bound of the host, in one place.
const TABLES: &[&str] = &["host/src/config/limits.rs"];

#[test]
fn every_file_says_what_it_is() {
    let silent = files(CODE, &["rs"]).into_iter().filter(|file| !file.text.starts_with("//! "));
    let complaints: Vec<_> = silent
        .map(|file| format!("{}: the first line must be `//! ` and its purpose", file.path))
        .collect();
    assert_none(&complaints);
}

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    for file in files(CODE, &["rs"]) {
        let lines = file.code().lines().count();
        let is_table = TABLES.contains(&file.path.as_str());
        if LINES < lines && !is_table && SHORT.iter().any(|folder| file.path.starts_with(folder)) {
            complaints.push(format!("{}: {lines} lines, more than {LINES}: split it", file.path));
        }
    }
    assert_none(&complaints);
}
