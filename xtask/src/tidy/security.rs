//! `docs/security.md`: every guarantee has a test that exists.

use super::documents::{Sources, cells, names, read};

#[test]
fn every_guarantee_has_its_test() {
    let text = read("docs/security.md");
    let sources = Sources::new();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells = cells(line);
        assert_eq!(cells.len(), 3, "{line}");
        if cells[0] == "guarantee" || cells[0].starts_with("---") {
            continue;
        }
        rows += 1;
        let tests: Vec<&str> = names(cells[2]).collect();
        assert!(!tests.is_empty(), "no test for: {}", cells[0]);
        for test in tests {
            assert!(sources.has_test(test), "there is no test {test:?}");
        }
    }
    assert!(15 < rows, "{rows} rows");
}
