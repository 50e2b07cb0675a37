//! The TOML values of the types in the mirror.

use std::collections::BTreeMap;

use super::quantity::Quantity;
use super::table::ConfigKey;

/// A type of the mirror.
pub(crate) trait Written {
    /// Whether the type has a default, so that the key may be omitted.
    const OPTIONAL: bool = false;

    /// The kind of values that it accepts.
    fn kind() -> ValueKind;
}

/// The kind of values of a key.
pub(crate) enum ValueKind {
    /// A text.
    Text,
    /// `true` or `false`.
    Switch,
    /// A name or an id, such as a user's.
    NameOrNumber,
    /// A text, or the source of a secret.
    Secret,
    /// Options of a plugin, of any type.
    Options,
    /// The address of a listener.
    Address,
    /// A list.
    List(Box<ValueKind>),
    /// A table with a value for each name.
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
