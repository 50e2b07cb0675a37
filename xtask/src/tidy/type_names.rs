//! Names of types: one name, one type, so that a search finds the thing.

use std::collections::BTreeMap;

use super::modules::Modules;
use super::tokens::{Token, tokens};
use super::{File, assert_none, files};

#[test]
fn no_type_name_twice() {
    assert_none(&twice(&files(&["host/src"], &["rs"])));
}

/// Every name of a type that stands in more than one place.
fn twice(files: &[File]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (_, file) in Modules::of("host/src/", files).each() {
        for name in type_names(&tokens(&file.text)) {
            places.entry(name.text).or_default().push(format!("{}:{}", file.path, name.line));
        }
    }
    let twice = places.into_iter().filter(|(_, places)| 1 < places.len());
    twice.map(|(name, places)| format!("`{name}` is declared at {}", places.join(", "))).collect()
}

/// The names that `struct`, `enum`, `trait` and `type` declare. What an `impl` or a trait says of its own types does not
/// count: those names are the trait's.
fn type_names<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut names = Vec::new();
    // For each open brace, whether it is an `impl`'s or a trait's.
    let mut blocks: Vec<bool> = Vec::new();
    let (mut owns_next, mut before) = (false, "");
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => blocks.push(std::mem::take(&mut owns_next)),
            "}" => drop(blocks.pop()),
            ";" => owns_next = false,
            // Elsewhere it is the type of an argument or of a result.
            "impl" if matches!(before, "" | "}" | "{" | ";" | "]" | "unsafe") => owns_next = true,
            "struct" | "enum" | "trait" | "type" => {
                let name = tokens.get(at + 1).filter(|name| name.is_word());
                let is_associated = token.text == "type" && blocks.last() == Some(&true);
                names.extend(name.filter(|_| !is_associated));
                owns_next |= token.text == "trait" && name.is_some();
            }
            _ => {}
        }
        before = token.text;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree;

    #[test]
    fn a_name_in_two_files_is_found() {
        for kind in ["struct A;", "pub(crate) enum A {}", "trait A {}", "type A = u8;"] {
            let files = tree(&[("a.rs", kind), ("b/c.rs", "\npub struct A(u8);")]);
            let told = ["`A` is declared at host/src/a.rs:1, host/src/b/c.rs:2"];
            assert_eq!(twice(&files), told, "{kind}");
        }
    }

    #[test]
    fn what_belongs_to_a_trait_does_not_count() {
        let text = "trait Shape { type Output; fn f(); } impl Shape for u8 { type Output = u8; fn f() { 0; } } \
                    unsafe impl Shape for u16 { type Output = u16; }";
        assert!(twice(&tree(&[("a.rs", text)])).is_empty());
        let text = "fn f() -> impl Copy { type Local = u8; } fn g() { type Local = u8; }";
        assert_eq!(twice(&tree(&[("a.rs", text)])).len(), 1);
    }

    #[test]
    fn tests_words_and_macros_do_not_count() {
        let text = "struct A; // struct A\nconst B: &str = \"struct A\"; macro_rules! m { ($n:ident) => { struct $n; } } \
                    #[cfg(test)] mod tests { struct A; }";
        assert!(twice(&tree(&[("a.rs", text), ("a/tests.rs", "struct A;")])).is_empty());
    }
}
