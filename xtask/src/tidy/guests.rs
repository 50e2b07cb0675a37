//! The guests of this suite: each is there for a test.

use std::fs;
use std::path::Path;

use sandloop_tests::workspace;

/// A guest nobody runs proves nothing and rots.
#[test]
fn every_guest_is_named_by_a_test() {
    let suite = source(&workspace().join("tests/suite"));
    let guests = guests();
    assert!(!guests.is_empty(), "tests/guests holds no guest");
    let unused: Vec<&String> =
        guests.iter().filter(|guest| !suite.contains(&format!("\"{guest}\""))).collect();
    assert!(unused.is_empty(), "no test names {unused:?}");
}

/// A guest is a file in `tests/guests`.
fn guests() -> Vec<String> {
    fs::read_dir(workspace().join("tests/guests"))
        .expect("the guests' folder")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().expect("a file has a name").to_string_lossy().into_owned())
        .collect()
}

/// All of the suite's text.
fn source(folder: &Path) -> String {
    fs::read_dir(folder)
        .expect("the suite's own folder")
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| match path.is_dir() {
            true => source(&path),
            false => fs::read_to_string(path).expect("a source file"),
        })
        .collect()
}
