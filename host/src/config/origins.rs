//! Where the bounds of a configuration are written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::source::KeyPlace;

/// The places where bounds are written, by the bound's full key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(HashMap<String, Origin>);

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was given or found.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
}

impl Origin {
    /// For somebody who reads of `main`: the line, and the file where it is another one.
    pub fn seen_from(&self, main: &Path) -> String {
        let Origin { file, line } = self;
        if file == main { format!("line {line}") } else { format!("{}:{line}", file.display()) }
    }
}

impl Origins {
    /// Where the bound with this key is written, if it is.
    pub fn find(&self, key: &str) -> Option<&Origin> {
        self.0.get(key)
    }

    /// The same, or where its section begins.
    pub(super) fn find_near(&self, key: &str) -> Option<&Origin> {
        self.find(key).or_else(|| self.find(key.split('.').next()?))
    }

    /// Notes the sections with these names, where they are written.
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

    /// Notes those of `names` that are written at `place`, which is called `section`.
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

/// The limits of a plugin or a tenant, as the keys of [`Origins`] begin.
pub(super) fn section(kind: &str, name: &str) -> String {
    format!("{kind}.{name}.limits")
}

/// A listener, as the keys of [`Origins`] begin.
pub(super) fn listen(index: usize) -> String {
    format!("listen[{index}]")
}
