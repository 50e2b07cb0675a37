//! Positions in a file: finds the line of a key, and the key of a range of text.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duplicate::written_twice;
use super::error::{ConfigError, Problem};

/// The text of a file, parsed as TOML.
pub(crate) struct SourceText<'a> {
    /// The file, as it was given.
    pub(crate) file: &'a Path,
    text: &'a str,
    root: DeTable<'a>,
}

/// The path of a key from the top level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

/// A key of a file, for error messages.
#[derive(Clone)]
pub(crate) struct KeyPlace<'a> {
    source: &'a SourceText<'a>,
    path: KeyPath,
}

impl<'a> SourceText<'a> {
    /// Parses `text` as TOML.
    pub(crate) fn parse(file: &'a Path, text: &'a str) -> Result<SourceText<'a>, ConfigError> {
        match DeTable::parse(text) {
            Ok(root) => Ok(SourceText { file, text, root: root.into_inner() }),
            Err(error) => Err(not_toml(file, text, &error)),
        }
    }

    /// A text that is parsed already.
    pub(super) fn of_table(file: &'a Path, text: &'a str, root: DeTable<'a>) -> SourceText<'a> {
        SourceText { file, text, root }
    }

    /// The top level of the file.
    pub(crate) fn top(&'a self) -> KeyPlace<'a> {
        self.place(KeyPath::default())
    }

    pub(crate) fn place(&'a self, path: KeyPath) -> KeyPlace<'a> {
        KeyPlace { source: self, path }
    }

    /// The key whose name or value starts at `span`.
    pub(crate) fn path_at(&self, span: &Range<usize>) -> Option<KeyPath> {
        let mut path = KeyPath::default();
        find_in_table(&self.root, span, &mut path).then_some(path)
    }

    /// The value at `path`.
    pub(crate) fn value(&self, path: &KeyPath) -> Option<&DeValue<'a>> {
        let (Segment::Key(first), rest) = path.0.split_first()? else { return None };
        let first = self.root.get(first.as_str())?.get_ref();
        rest.iter().try_fold(first, |value, segment| step(value, segment).map(|(_, value)| value))
    }

    /// The line of the last segment of `path` that is in the file.
    fn line(&self, path: &KeyPath) -> usize {
        let mut segments = path.0.iter();
        let Some(Segment::Key(first)) = segments.next() else { return 1 };
        let Some((key, value)) = self.root.get_key_value(first.as_str()) else { return 1 };
        let (mut start, mut value) = (key.span().start, value.get_ref());
        for segment in segments {
            let Some((at, next)) = step(value, segment) else { break };
            (start, value) = (at, next);
        }
        line_of(self.text, start)
    }
}

/// The position and the value of one segment.
fn step<'v, 'a>(value: &'v DeValue<'a>, segment: &Segment) -> Option<(usize, &'v DeValue<'a>)> {
    match (value, segment) {
        (DeValue::Table(table), Segment::Key(key)) => {
            let (key, value) = table.get_key_value(key.as_str())?;
            Some((key.span().start, value.get_ref()))
        }
        (DeValue::Array(array), Segment::Index(index)) => {
            let value = array.get(*index)?;
            Some((value.span().start, value.get_ref()))
        }
        _ => None,
    }
}

fn find_in_table(table: &DeTable<'_>, span: &Range<usize>, path: &mut KeyPath) -> bool {
    table.iter().any(|(key, value)| {
        path.0.push(Segment::Key(key.get_ref().to_string()));
        let found = key.span() == *span || find_in_value(value, span, path);
        if !found {
            path.0.pop();
        }
        found
    })
}

fn find_in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut KeyPath) -> bool {
    // Nested values first: the span of `[[listen]]` is that of the list and of its first table.
    let inside = match value.get_ref() {
        DeValue::Table(table) => find_in_table(table, span, path),
        DeValue::Array(array) => array.iter().enumerate().any(|(index, value)| {
            path.0.push(Segment::Index(index));
            let found = find_in_value(value, span, path);
            if !found {
                path.0.pop();
            }
            found
        }),
        _ => false,
    };
    inside || value.span() == *span
}

fn not_toml(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    if error.message() == "duplicate key" {
        return written_twice(file, text, &span);
    }
    let message = error.message().replace('\n', " ");
    let remedy = "write `key = value` with text in quotes, `[section]` or `[[listen]]`";
    let problem = Problem::new(format!("this is not TOML: {message}"), remedy);
    invalid(file, line_of(text, span.start), &KeyPath::default(), problem)
}

pub(crate) fn invalid(file: &Path, line: usize, path: &KeyPath, problem: Problem) -> ConfigError {
    ConfigError::Invalid { file: file.to_owned(), line, key: path.to_string(), problem }
}

/// The line of the byte at `index`, from 1; the last line after the end.
pub(crate) fn line_of(text: &str, index: usize) -> usize {
    let before = text.as_bytes().get(..index).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    line.min(text.lines().count().max(1))
}

impl KeyPath {
    pub(crate) fn key(&self, key: &str) -> KeyPath {
        self.with(Segment::Key(key.to_owned()))
    }

    fn with(&self, segment: Segment) -> KeyPath {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// Its table, and its name in that table.
    pub(crate) fn split(&self) -> (KeyPath, &str) {
        match self.0.split_last() {
            Some((Segment::Key(name), table)) => (KeyPath(table.to_vec()), name),
            _ => (self.clone(), ""),
        }
    }

    /// In the form of [`super::keys`]: `*` for the name of a plugin, a tenant, a profile or a registry, and for an index.
    pub(crate) fn pattern(&self) -> String {
        let named = |key: &str| matches!(key, "plugins" | "tenants");
        let is_named = matches!(self.0.first(), Some(Segment::Key(key)) if named(key));
        let is_of_tls = matches!(self.0.get(2), Some(Segment::Key(key)) if key == "tls");
        let is_at = |at: usize, name: &str| matches!(self.0.get(at), Some(Segment::Key(key)) if key == name);
        let is_of_registries = is_at(0, "host") && is_at(1, "registries");
        let names = self.0.iter().enumerate().map(|(at, segment)| match segment {
            Segment::Key(_) if is_named && at == 1 => "*",
            Segment::Key(_) if is_named && is_of_tls && at == 3 => "*",
            Segment::Key(_) if is_of_registries && at == 2 => "*",
            Segment::Key(key) => key,
            Segment::Index(_) => "*",
        });
        names.collect::<Vec<_>>().join(".")
    }

    /// The section in the form of the file: `[plugins.echo]`, `[[listen]]`.
    pub(crate) fn section(&self) -> String {
        match self.0.as_slice() {
            [] => "the file".to_owned(),
            [Segment::Key(list), Segment::Index(_)] => format!("[[{list}]]"),
            _ => format!("[{self}]"),
        }
    }

    /// The name of its plugin.
    pub(crate) fn plugin(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Segment::Key(plugins), Segment::Key(name), ..] if plugins == "plugins" => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    let dot = if at == 0 { "" } else { "." };
                    if is_bare(key) { write!(f, "{dot}{key}")? } else { write!(f, "{dot}{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// Whether TOML allows `key` without quotes.
pub(crate) fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl<'a> KeyPlace<'a> {
    /// Its file, as it was given.
    pub(crate) fn file(&self) -> &'a Path {
        self.source.file
    }

    /// The folder of its file, to which paths are relative.
    pub(crate) fn folder(&self) -> &'a Path {
        self.source.file.parent().unwrap_or(Path::new(""))
    }

    /// Its line, with its file if that is another one than `from`'s.
    pub(crate) fn seen_from(&self, from: &KeyPlace<'_>) -> String {
        if self.source.file == from.source.file {
            format!("line {}", self.line())
        } else {
            format!("{}:{}", self.source.file.display(), self.line())
        }
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        self.source.place(self.path.key(key))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.source.place(self.path.with(Segment::Index(index)))
    }

    /// Whether the file has the key.
    pub(crate) fn is_written(&self) -> bool {
        self.source.value(&self.path).is_some()
    }

    pub(crate) fn line(&self) -> usize {
        self.source.line(&self.path)
    }

    /// Refuses these keys below it, which do not apply here.
    pub(crate) fn refuse(
        &self,
        written: &[(&'static str, bool)],
        problem: impl FnOnce() -> Problem,
    ) -> Result<(), ConfigError> {
        let first = written.iter().find(|(_, is_written)| *is_written);
        first.map_or(Ok(()), |(key, _)| Err(self.key(key).wrong(problem())))
    }

    /// The error for this key.
    pub(crate) fn wrong(&self, problem: Problem) -> ConfigError {
        invalid(self.source.file, self.line(), &self.path, problem)
    }
}

/// Resolves each text of a list; an error names the index.
pub(crate) fn each<T>(
    place: &KeyPlace<'_>,
    texts: &[String],
    mut resolve: impl FnMut(&str) -> Result<T, Problem>,
) -> Result<Vec<T>, ConfigError> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(index, text)| resolve(text).map_err(|problem| place.index(index).wrong(problem)))
        .collect()
}
