//! `docs/eventmachine.md`: whatever a row names is there.

use std::fs;
use std::path::{Path, PathBuf};

use sandloop_tests::workspace;

#[test]
fn every_row_names_what_exists() {
    let text = read("docs/eventmachine.md");
    let sources = Sources::new();
    let mut rows = 0;
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let inside = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
        let cells: Vec<&str> = inside.unwrap_or(line).split('|').map(str::trim).collect();
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
    let text = read("docs/eventmachine.md");
    // What EventMachine has no word for at all.
    let own = ["log", "options", "catalog", "types", "world"];
    let mut missing = Vec::new();
    for path in files(&workspace().join("wit"), "wit") {
        let interface = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if own.contains(&&*interface) {
            continue;
        }
        for function in functions(&fs::read_to_string(&path).expect("a file")) {
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

fn functions(wit: &str) -> Vec<String> {
    let code = wit.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    code.filter_map(|line| line.split_once(": func").map(|(name, _)| name.to_owned())).collect()
}

/// What stands between backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// `interface.item` or `interface.resource.item`.
fn is_wit(name: &str) -> bool {
    let Some((interface, item)) = name.split_once('.') else { return false };
    let Ok(text) = fs::read_to_string(workspace().join(format!("wit/{interface}.wit"))) else {
        return false;
    };
    item.split('.').all(|part| {
        text.contains(&format!(" {part}: func")) || text.contains(&format!("resource {part} "))
    })
}

/// The SDK and the suite as text.
struct Sources {
    sdk: Vec<(PathBuf, String)>,
    suite: Vec<(PathBuf, String)>,
}

impl Sources {
    fn new() -> Sources {
        let all = |folder: &str| {
            let files = files(&workspace().join(folder), "rs").into_iter();
            files.map(|path| (path.clone(), fs::read_to_string(path).expect("a file"))).collect()
        };
        Sources { sdk: all("sdk/rust/src"), suite: all("tests/suite") }
    }

    /// `item`, `Type::item` or `module::item`.
    fn has_item(&self, name: &str) -> bool {
        let (owner, item) = name.rsplit_once("::").map_or((None, name), |(o, i)| (Some(o), i));
        let kinds = ["fn", "struct", "trait", "enum", "macro_rules!"];
        self.sdk.iter().any(|(path, text)| {
            let is_there = kinds.iter().any(|kind| {
                text.match_indices(&format!("{kind} {item}")).any(|(place, found)| {
                    let next = text[place + found.len()..].chars().next();
                    !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
                })
            });
            let owner_fits = owner.is_none_or(|owner| {
                let module = path.file_stem().is_some_and(|stem| stem.to_string_lossy() == owner);
                module
                    || ["struct", "trait"]
                        .iter()
                        .any(|kind| text.contains(&format!("{kind} {owner}")))
            });
            is_there && owner_fits
        })
    }

    /// `area/scenario` or `module::test`.
    fn has_test(&self, name: &str) -> bool {
        if let Some((area, scenario)) = name.split_once('/') {
            let file = format!("tests/differential/scenarios/{area}/{scenario}.txt");
            return workspace().join(file).is_file();
        }
        let Some((module, test)) = name.split_once("::") else { return false };
        self.suite.iter().chain(&self.sdk).any(|(path, text)| {
            path.components().any(|part| {
                Path::new(&part).file_stem().is_some_and(|stem| stem.to_string_lossy() == module)
            }) && text.contains(&format!("fn {test}("))
        })
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found
}

fn read(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
