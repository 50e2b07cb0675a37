//! What a source file imports: `use` with its braces, and paths that are written out where they are needed.

use super::tokens::{Token, tokens};

/// One path that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub line: usize,
    /// From the root of the crate, without `crate`: module by module, then the item.
    pub path: Vec<String>,
    /// Whether it is handed on, by `pub use`.
    pub is_handed_on: bool,
}

/// The imports from its own crate of a file that is the module `module`.
pub fn imports(module: &[String], text: &str) -> Vec<Import> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, scope: module.to_vec(), blocks: Vec::new() };
    let mut found = Found::default();
    while let Some(token) = reader.peek(0) {
        match token.text {
            "use" => reader.use_(&mut found),
            "mod" => reader.module(&mut found),
            "{" => reader.open(false),
            "}" => reader.close(),
            _ if token.is_word() && reader.is_path() => reader.inline(&mut found),
            _ => reader.at += 1,
        }
    }
    found.imports
}

/// The crate's name for itself in its own binary.
const CRATE: [&str; 2] = ["crate", "sandloop_host"];

#[derive(Default)]
struct Found {
    imports: Vec<Import>,
    /// Names that `use` and `mod` have brought in, and what they stand for.
    names: Vec<(String, Vec<String>)>,
}

impl Found {
    fn name(&mut self, name: &str, path: &[String]) {
        self.names.push((name.to_owned(), path.to_vec()));
    }
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    /// The module that the next token stands in.
    scope: Vec<String>,
    /// For each open brace, whether it is a module's.
    blocks: Vec<bool>,
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.peek(ahead).is_some_and(|token| token.text == text)
    }

    fn before(&self) -> &'a str {
        self.at.checked_sub(1).map_or("", |before| self.tokens[before].text)
    }

    fn open(&mut self, is_module: bool) {
        self.blocks.push(is_module);
        self.at += 1;
    }

    fn close(&mut self) {
        if self.blocks.pop() == Some(true) {
            self.scope.pop();
        }
        self.at += 1;
    }

    /// `mod name;` or `mod name {`.
    fn module(&mut self, found: &mut Found) {
        self.at += 1;
        let Some(name) = self.peek(0).filter(Token::is_word) else { return };
        self.at += 1;
        let mut path = self.scope.clone();
        path.push(name.text.to_owned());
        found.name(name.text, &path);
        if self.is(0, "{") {
            self.scope = path;
            self.open(true);
        }
    }

    /// `use …;` Generic arguments know the word too, as `impl Trait + use<'a>`.
    fn use_(&mut self, found: &mut Found) {
        let is_handed_on = matches!(self.before(), "pub" | ")");
        self.at += 1;
        if self.is(0, "<") {
            return;
        }
        self.tree(Vec::new(), is_handed_on, found);
    }

    /// One path with its braces, up to the comma, brace or semicolon that ends it.
    fn tree(&mut self, mut path: Vec<&'a str>, is_handed_on: bool, found: &mut Found) {
        let mut line = 0;
        while let Some(token) = self.peek(0) {
            match token.text {
                "," | "}" | ";" => break,
                "{" => {
                    self.at += 1;
                    while self.peek(0).is_some() && !self.is(0, "}") {
                        self.tree(path.clone(), is_handed_on, found);
                        self.at += usize::from(self.is(0, ","));
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    let name = self.peek(1).map_or("_", |name| name.text);
                    self.at += 2;
                    self.import(&path, name, line, is_handed_on, found);
                    return;
                }
                "::" => {}
                text => {
                    path.push(text);
                    line = token.line;
                }
            }
            self.at += 1;
        }
        let name = path.iter().rfind(|word| **word != "self").copied().unwrap_or_default();
        self.import(&path, name, line, is_handed_on, found);
    }

    fn import(&self, path: &[&str], name: &str, line: usize, handed: bool, found: &mut Found) {
        let Some(path) = self.resolve(path, found) else { return };
        found.name(name, &path);
        found.imports.push(Import { line, path, is_handed_on: handed });
    }

    /// Whether a path of two words at least begins here, and not in the middle of one.
    fn is_path(&self) -> bool {
        let is_longer =
            self.is(1, "::") && self.peek(2).is_some_and(|next| next.is_word() || next.text == "*");
        // `pub(in crate::…)` says who may see, not what is used.
        is_longer && !matches!(self.before(), "::" | "." | "in")
    }

    fn inline(&mut self, found: &mut Found) {
        let (mut path, mut line) = (Vec::new(), 0);
        while let Some(token) = self.peek(0).filter(Token::is_word) {
            (path, line) = ([path, vec![token.text]].concat(), token.line);
            self.at += 1;
            if !self.is(0, "::") {
                break;
            }
            self.at += 1;
        }
        if let Some(path) = self.resolve(&path, found) {
            found.imports.push(Import { line, path, is_handed_on: false });
        }
    }

    /// From the root of the crate; none where it leads to another crate.
    fn resolve(&self, path: &[&str], found: &Found) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let (mut full, mut rest) = match *first {
            first if CRATE.contains(&first) => (Vec::new(), rest),
            "self" => (self.scope.clone(), rest),
            "super" => (self.scope.clone(), path),
            first => {
                let known = found.names.iter().rfind(|(name, _)| name == first)?;
                (known.1.clone(), rest)
            }
        };
        while let Some(("super", more)) = rest.split_first().map(|(word, more)| (*word, more)) {
            full.pop();
            rest = more;
        }
        full.extend(rest.iter().filter(|word| **word != "self").map(|word| (*word).to_owned()));
        Some(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(module: &str, text: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        let imports = imports(&module, text);
        imports.iter().map(|import| format!("{} {}", import.line, import.path.join("::"))).collect()
    }

    #[test]
    fn nested_braces_in_use() {
        let text = "use std::fs;\nuse crate::{a::{self, b::{C, D as E}, *},\n f};";
        assert_eq!(told("m", text), ["2 a", "2 a::b::C", "2 a::b::D", "2 a::*", "3 f"]);
    }

    #[test]
    fn paths_that_are_written_out() {
        assert_eq!(
            told("m", "fn f() -> crate::a::B { crate::c::d(e::g()) }"),
            ["1 a::B", "1 c::d"]
        );
        assert_eq!(told("main", "use sandloop_host::run;"), ["1 run"]);
        assert!(told("m", "pub(crate) struct A; pub(in crate::a) struct B;").is_empty());
        assert!(told("m", "// crate::a::b\nconst C: &str = \"crate::a::b\";").is_empty());
    }

    #[test]
    fn chains_of_super_leave_the_module() {
        assert_eq!(
            told("a::b::c", "use super::super::d::E; super::f();"),
            ["1 a::d::E", "1 a::b::f"]
        );
        assert_eq!(told("a", "mod b { use super::C; } use super::D;"), ["1 a::C", "1 D"]);
    }

    #[test]
    fn names_that_were_brought_in_lead_on() {
        assert_eq!(told("m", "use crate::a; fn f() { a::b::C::new() }"), ["1 a", "1 a::b::C::new"]);
        assert_eq!(told("m", "mod n; fn f() { n::g() }"), ["1 m::n::g"]);
    }

    #[test]
    fn what_is_handed_on_is_told_apart() {
        let handed = |text| imports(&["m".to_owned()], text)[0].is_handed_on;
        assert!(handed("pub use self::n::A;"));
        assert!(handed("pub(crate) use super::A;"));
        assert!(!handed("use self::n::A;"));
    }
}
