//! Where the bounds of a configuration are written.

use std::collections::HashMap;

use super::source::KeyPlace;

/// The lines of the file where bounds are written, by the bound's full key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(HashMap<String, usize>);

impl Origins {
    /// The line where the bound with this key is written, if it is.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
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
                self.0.insert(format!("{section}.{name}"), place.line());
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
