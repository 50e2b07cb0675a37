//! Checks of the tree that no compiler makes. They are tests, so that `cargo test` runs them.
#![cfg(test)]

use std::fs;
use std::path::PathBuf;

use crate::root::root;

/// The folders with code.
const CODE: &[&str] =
    &["host", "codecs", "sdk", "plugins", "examples", "tests", "benches", "xtask"];

/// The folders whose files must stay short, and how short: lines before the unit tests.
const SHORT: &[&str] = &["host/", "codecs/", "sdk/", "plugins/", "benches/", "xtask/"];
const LINES: usize = 600;
/// One table, which is long because there is much of one kind: every bound of the host, in one place.
const TABLES: &[&str] = &["host/src/config/limits.rs"];

/// What may be written in few places only: the words, where in the tree, and the files that may.
/// Each keeps a promise of docs/architecture.md; an exception is added here, with its reason.
const ONLY_IN: &[(&str, &str, &[&str])] = &[
    // The time enters through the clock, so that a test can bring its own.
    ("Instant::now", "host/src/", &["host/src/clock.rs"]),
    ("SystemTime::now", "host/src/", &["host/src/clock.rs"]),
    // A thread is a decision: the ticker interrupts guests, the resolver waits for names, one waits for
    // signals, the others are the reactors.
    ("thread::spawn", "host/src/", THREADS),
    ("thread::Builder", "host/src/", THREADS),
    // One translation of the contract on each side of it.
    ("bindgen!", "host/src/", &["host/src/host_api/bindings.rs"]),
    ("generate!", "sdk/rust/src/", &["sdk/rust/src/bindings.rs"]),
];
const THREADS: &[&str] = &[
    "host/src/deferred/worker.rs",
    "host/src/lane.rs",
    "host/src/main.rs",
    "host/src/outbound/resolve.rs",
    "host/src/plugin/ticker.rs",
    "host/src/run.rs",
    "host/src/run/signals.rs",
];

/// Where a machine of somebody's shows through.
const MACHINES: &[&str] = &["/home/", "/Users/", "/root/", "/work/"];

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

#[test]
fn every_interface_is_documented() {
    let architecture = fs::read_to_string(root().join("docs/architecture.md")).unwrap_or_default();
    let sdk = files(&["sdk/rust/src"], &["rs"]);
    let mut complaints = Vec::new();
    for file in files(&["wit"], &["wit"]) {
        let interfaces = file.text.lines().filter_map(|line| line.strip_prefix("interface "));
        for name in interfaces.map(|rest| rest.trim_end_matches(['{', ' '])) {
            let stem = name.replace('-', "_");
            let in_sdk = sdk.iter().any(|file| file.text.contains(&stem));
            if !in_sdk && !architecture.contains(&format!("`{name}`")) {
                let path = &file.path;
                complaints.push(format!(
                    "{path}: `{name}` is named neither in sdk/rust nor in docs/architecture.md"
                ));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn what_is_done_in_one_place_is_done_there() {
    let mut complaints = Vec::new();
    for file in files(&["host/src", "sdk/rust/src"], &["rs"]) {
        for (words, folder, allowed) in ONLY_IN {
            if !file.path.starts_with(folder) || allowed.contains(&file.path.as_str()) {
                continue;
            }
            let code = file.code().lines().enumerate();
            for (number, _) in code
                .filter(|(_, line)| line.contains(words) && !line.trim_start().starts_with("//"))
            {
                let (path, number) = (&file.path, number + 1);
                complaints.push(format!("{path}:{number}: `{words}` belongs in {allowed:?}"));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn no_machine_shows_through() {
    let mut folders = CODE.to_vec();
    folders.extend(["docs", "wit", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "plugins.toml"]);
    folders.retain(|folder| root().join(folder).exists());
    let mut complaints = Vec::new();
    for file in files(&folders, &["rs", "toml", "md", "wit", "c", "js", "py", "rb", "sh"]) {
        if file.path == "xtask/src/tidy.rs" {
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
