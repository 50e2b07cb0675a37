//! The macros `mirror!` and `limits!`, which define the types of each section from its table of keys.

use super::bound::Bound;
use super::written::ValueKind;

/// A key of the file.
pub(crate) struct ConfigKey {
    /// Its table, with `*` for a name and for an index; empty at the top level.
    pub(crate) table: &'static str,
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The form of its value, which follows "write" in a message.
    pub(crate) form: &'static str,
    /// The form of each entry, if the value has entries.
    pub(crate) each: Option<&'static str>,
    /// The bound that it sets.
    pub(crate) bound: Option<&'static Bound>,
    /// The kind of its value.
    pub(crate) value: fn() -> ValueKind,
    /// Whether its type has a default.
    pub(crate) is_optional: bool,
    /// Its attributes for serde.
    pub(crate) attributes: &'static [&'static str],
}

impl ConfigKey {
    /// Its path from the top level, with `*` for a name and for an index.
    pub(crate) fn path(&self) -> String {
        match self.table {
            "" => self.name.to_owned(),
            table => format!("{table}.{}", self.name),
        }
    }

    /// Whether its section needs it.
    pub(crate) fn is_required(&self) -> bool {
        let has_default = self.attributes.iter().any(|attribute| attribute.contains("default"));
        self.bound.is_none() && !self.is_optional && !has_default
    }
}

/// A section: its mirror, the forms of its values, and its bounds as constants.
///
/// `name: key Type = "form";` is a key; `, each "…"` has the form of each entry.
/// `name: bound NAME: Type = { … };` is a key that sets the bound `NAME`. The host keeps it as a `Type` of `values`. In an
/// `Option`, the largest amount means that there is no bound.
macro_rules! mirror {
    (
        $(#[$attribute:meta])*
        struct $Raw:ident at $table:literal {$(
            $(#[$of_field:meta])*
            $name:ident:
            $(key $Written:ty = $form:tt $(, each $each:tt)?)?
            $(bound $BOUND:ident: $Kept:ty = {
                what: $what:literal,
                why: $why:literal,
                at: $at:ident,
                then: $then:literal,
                unit: $unit:ident,
                default: $default:expr,
                min: $min:expr,
                max: $max:expr,
                form: $bound_form:literal,
            })?
        ;)*}
    ) => {
        $(#[$attribute])*
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $Raw {$(
            $(#[$of_field])*
            pub(crate) $name: $($Written)? $($crate::config::table::written!($Kept))?,
        )*}

        impl $Raw {
            /// Its keys, in the order of the reference.
            pub(crate) const KEYS: &[$crate::config::table::ConfigKey] = &[$(
                $crate::config::table::ConfigKey {
                    table: $table,
                    name: stringify!($name),
                    form: $($form)? $($bound_form)?,
                    each: $crate::config::table::option!($($($each)?)?),
                    bound: $crate::config::table::option!($(&$BOUND)?),
                    value: <$crate::config::table::in_mirror!($($Written)? $(bound $Kept)?)
                        as $crate::config::written::Written>::kind,
                    is_optional: <$crate::config::table::in_mirror!($($Written)? $(bound $Kept)?)
                        as $crate::config::written::Written>::OPTIONAL,
                    attributes: &[$(stringify!($of_field)),*],
                },
            )*];
        }

        impl $crate::config::written::Written for $Raw {
            fn kind() -> $crate::config::written::ValueKind {
                $crate::config::written::ValueKind::Section($Raw::KEYS)
            }
        }

        $($(
            #[doc = concat!("`", $table, ".", stringify!($name), "`: ", $what)]
            pub(crate) const $BOUND: $crate::config::bound::Bound = $crate::config::bound::Bound {
                table: $table,
                name: stringify!($name),
                unit: $crate::config::bound::Unit::$unit,
                default: $default,
                min: $min,
                max: $max,
                max_is_unbounded: <$Kept as $crate::config::values::BoundValue>::MAX_IS_UNBOUNDED,
                what: $what,
                why: $why,
                at: $crate::config::bound::AtBound::$at,
                then: $then,
            };
        )?)*
    };
}

/// A section with bounds: as `mirror!`, and the struct in which the host keeps the bounds.
macro_rules! limits {
    (
        $(#[$attribute:meta])*
        struct $Limits:ident from $(#[$of_raw:meta])* struct $Raw:ident at $table:literal {$(
            $(#[$of_field:meta])*
            $name:ident:
            $(key $Written:ty = $form:tt $(, each $each:tt)?)?
            $(bound $BOUND:ident: $Kept:ty = { what: $what:literal, $($rest:tt)* })?
        ;)*}
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $Limits {$($(
            #[doc = $what]
            pub $name: $Kept,
        )?)*}

        impl $Limits {
            /// Resolves the mirror of the section at `place`.
            pub(crate) fn read(
                place: &$crate::config::source::KeyPlace<'_>,
                raw: &$Raw,
            ) -> Result<$Limits, $crate::config::error::ConfigError> {
                Ok($Limits {$($(
                    $name: $crate::config::values::BoundValue::read(
                        &$BOUND,
                        place,
                        raw.$name.as_ref(),
                    )?,
                )?)*})
            }

            /// Each bound with its amount.
            pub fn amounts(&self) -> Vec<$crate::config::values::Amount> {
                vec![$($($crate::config::values::amount(&$BOUND, &self.$name),)?)*]
            }

            /// The amount of one of these bounds, in the form of the file.
            pub fn show(&self, bound: &$crate::config::bound::Bound) -> Option<String> {
                self.amounts().iter().find(|(own, _)| *own == bound).map(|(own, amount)| own.show(*amount))
            }
        }

        $crate::config::table::mirror! {
            #[doc = concat!("The mirror of [`", stringify!($Limits), "`].")]
            $(#[$of_raw])*
            struct $Raw at $table {$(
                $(#[$of_field])*
                $name:
                $(key $Written = $form $(, each $each)?)?
                $(bound $BOUND: $Kept = { what: $what, $($rest)* })?
            ;)*}
        }
    };
}

/// The type of a bound in the mirror.
macro_rules! written {
    ($Kept:ty) => { Option<$crate::config::quantity::Quantity> };
}

/// The type of a key in the mirror, or of a bound.
macro_rules! in_mirror {
    (bound $Kept:ty) => {
        $crate::config::table::written!($Kept)
    };
    ($Written:ty) => {
        $Written
    };
}

/// A value that may be omitted in a table.
macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(crate) use {in_mirror, limits, mirror, option, written};
