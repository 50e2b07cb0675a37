//! The lines of the bounds of a configuration.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::source::KeyPlace;

/// The lines of bounds, by their full keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(HashMap<String, Origin>);

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was given or found.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl Origin {
    /// The line, with the file if it is not `main`.
    pub fn seen_from(&self, main: &Path) -> String {
        let Origin { file, line } = self;
        if file == main { format!("line {line}") } else { format!("{}:{line}", file.display()) }
    }
}

impl Origins {
    /// The line of the bound with this key, if it is in a file.
    pub fn find(&self, key: &str) -> Option<&Origin> {
        self.0.get(key)
    }

    /// The same, or the line of its section.
    pub(super) fn find_near(&self, key: &str) -> Option<&Origin> {
        self.find(key).or_else(|| self.find(key.split('.').next()?))
    }

    /// Adds the sections with these names.
    pub(super) fn note_sections<'a>(
        &mut self,
        top: &KeyPlace<'_>,
        names: impl IntoIterator<Item = &'a str>,
    ) {
        for name in names {
            let place = top.key(name);
            if place.is_written() {
                let origin = Origin { file: place.file().to_owned(), line: place.line() };
                self.0.insert(name.to_owned(), origin);
            }
        }
    }

    /// Adds those of `names` that the file has at `place`, under the key `section`.
    pub(super) fn note<'a>(
        &mut self,
        section: &str,
        place: &KeyPlace<'_>,
        names: impl IntoIterator<Item = &'a str>,
    ) {
        for name in names {
            let place = place.key(name);
            if place.is_written() {
                let origin = Origin { file: place.file().to_owned(), line: place.line() };
                self.0.insert(format!("{section}.{name}"), origin);
            }
        }
    }
}

/// The key of the limits of a plugin or a tenant.
pub(super) fn section(kind: &str, name: &str) -> String {
    format!("{kind}.{name}.limits")
}

/// The key of a listener.
pub(super) fn listen(index: usize) -> String {
    format!("listen[{index}]")
}
