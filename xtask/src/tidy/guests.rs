//! The guests of the suites: each is there for a test.

use std::path::Path;

use super::files;

/// A guest nobody runs proves nothing and rots.
#[test]
fn every_guest_is_named_by_a_test() {
    let tests: String =
        files(&["tests/suite", "tests/perf", "tests/conformance", "tests/src"], &["rs"])
            .into_iter()
            .map(|file| file.text)
            .collect();
    let guests = guests();
    assert!(!guests.is_empty(), "tests/guests holds no guest");
    let unused: Vec<&String> =
        guests.iter().filter(|guest| !tests.contains(&format!("\"{guest}\""))).collect();
    assert!(unused.is_empty(), "no test names {unused:?}");
}

/// A guest is a file in `tests/guests` itself; what guests share is in folders below.
fn guests() -> Vec<String> {
    let files = files(&["tests/guests"], &["rs"]).into_iter();
    files
        .filter(|file| Path::new(&file.path).parent() == Some(Path::new("tests/guests")))
        .map(|file| {
            let stem = Path::new(&file.path).file_stem().expect("a file has a name");
            stem.to_string_lossy().into_owned()
        })
        .collect()
}
