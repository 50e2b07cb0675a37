//! `docs/protocols.md`: whatever a row names is there, and every codec and SDK feature has a row.

use super::documents::{Sources, cells, names, read};
use crate::root::root;

/// The columns of the table that says which protocols there are.
const HEAD: [&str; 5] = ["protocol", "codec", "in the SDK", "plugins", "tested with"];

/// Its rows, without the head.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().skip_while(|line| !line.starts_with('|') || cells(line) != HEAD);
    lines.skip(2).take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn every_row_names_what_exists() {
    let text = read("docs/protocols.md");
    let sources = Sources::new();
    let rows = rows(&text);
    assert!(8 < rows.len(), "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let mut check = |column: usize, is_there: &dyn Fn(&str) -> bool| {
            let missing = names(row[column]).filter(|name| !is_there(name));
            wrong.extend(missing.map(|name| format!("{}: there is no {name:?}", row[0])));
        };
        check(1, &|name| root().join(name).is_dir());
        check(2, &|name| sources.has_item(name));
        check(3, &|name| root().join("plugins").join(name).is_dir());
        check(4, &|name| sources.has_test(name));
        if names(row[4]).next().is_none() {
            wrong.push(format!("{}: no test", row[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_codec_has_a_row() {
    let text = read("docs/protocols.md");
    let rows = rows(&text);
    for codec in root().join("codecs").read_dir().expect("the codecs") {
        let name = codec.expect("a folder").file_name();
        let folder = format!("codecs/{}", name.to_string_lossy());
        let has_row = rows.iter().any(|row| names(row[1]).any(|named| named == folder));
        assert!(has_row, "docs/protocols.md has no row of {folder}");
    }
}
