//! What of TOML the types of the mirror take.

use std::collections::BTreeMap;

use super::quantity::Quantity;
use super::table::ConfigKey;

/// A type of the mirror.
pub(crate) trait Written {
    /// Whether the key may be left out, by its type.
    const OPTIONAL: bool = false;

    /// What it takes.
    fn kind() -> ValueKind;
}

/// What a key takes.
pub(crate) enum ValueKind {
    /// A text.
    Text,
    /// `true` or `false`.
    Switch,
    /// A name or a number, such as a user's.
    NameOrNumber,
    /// A text, or where it is found.
    Secret,
    /// Options of a plugin: whatever it takes.
    Options,
    /// An address of a listener.
    Address,
    /// Several.
    List(Box<ValueKind>),
    /// Several, each under a name.
    ByName(Box<ValueKind>),
    /// A section with these keys.
    Section(&'static [ConfigKey]),
}

impl Written for String {
    fn kind() -> ValueKind {
        ValueKind::Text
    }
}

impl Written for bool {
    fn kind() -> ValueKind {
        ValueKind::Switch
    }
}

impl Written for Quantity {
    fn kind() -> ValueKind {
        ValueKind::NameOrNumber
    }
}

impl<T: Written> Written for Option<T> {
    const OPTIONAL: bool = true;

    fn kind() -> ValueKind {
        T::kind()
    }
}

impl<T: Written> Written for Vec<T> {
    fn kind() -> ValueKind {
        ValueKind::List(Box::new(T::kind()))
    }
}

impl<T: Written> Written for BTreeMap<String, T> {
    fn kind() -> ValueKind {
        ValueKind::ByName(Box::new(T::kind()))
    }
}

impl Written for toml::Table {
    fn kind() -> ValueKind {
        ValueKind::Options
    }
}

impl Written for toml::Value {
    fn kind() -> ValueKind {
        ValueKind::Address
    }
}
