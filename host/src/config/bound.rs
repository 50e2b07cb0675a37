//! Bounds: reading their values and printing them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::error::Problem;
use super::quantity::Quantity;
use super::units;

/// A bound.
#[derive(Debug)]
pub struct Bound {
    /// The table of its key: `host`, `plugins.*.limits` or `listen.*`.
    pub table: &'static str,
    /// Its key in that table.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The default, in bytes, microseconds or as a count.
    pub default: u64,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// Whether the greatest value means that there is no bound.
    pub max_is_unbounded: bool,
    /// What it bounds.
    pub what: &'static str,
    /// Why it exists, or why it has this default.
    pub why: &'static str,
    /// The kind of consequence when it is reached.
    pub at: AtBound,
    /// The consequence when it is reached.
    pub then: &'static str,
}

/// The unit of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes: a number, or text such as `"16MiB"`.
    Bytes,
    /// Time: text such as `"150ms"`; kept in microseconds.
    Time,
    /// A count: a number.
    Count,
}

/// The kind of consequence when a bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBound {
    /// Something waits until there is room.
    Wait,
    /// A call returns an error.
    Refuse,
    /// A connection is closed.
    Close,
    /// The instance ends.
    Trap,
    /// What exceeds the bound is left out.
    Cut,
    /// The plugin is quarantined.
    Quarantine,
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// A bound of the configuration.
    Of(&'static Bound),
    /// The guest's stack, which has the same bound for all.
    Stack,
    /// The open files of the process or the machine.
    FileDescriptors,
    /// The memory of the machine.
    SystemMemory,
}

impl Limit {
    /// Its name in the log.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Limit::Of(bound) => bound.log_name(),
            Limit::Stack => "stack".into(),
            Limit::FileDescriptors => "file descriptors".into(),
            Limit::SystemMemory => "system memory".into(),
        }
    }
}

impl From<&'static Bound> for Limit {
    fn from(bound: &'static Bound) -> Limit {
        Limit::Of(bound)
    }
}

impl Bound {
    /// The key in the file, with `<name>` for the name of a plugin.
    pub fn key(&self) -> String {
        format!("{}.{}", self.table.replace(".*", ".<name>"), self.name)
            .replace("listen.<name>", "listen")
    }

    /// An amount of this bound, as the file would have it.
    pub fn show(&self, amount: u64) -> String {
        match self.unit {
            Unit::Bytes => units::size(amount),
            Unit::Time => units::micros(amount),
            Unit::Count => amount.to_string(),
        }
    }

    /// Whether this amount means that there is no bound.
    pub fn is_unbounded(&self, amount: u64) -> bool {
        self.max_is_unbounded && amount == self.max
    }

    /// The value in the file, or the default; checks the range.
    pub(crate) fn read(&self, written: Option<&Quantity>) -> Result<u64, Problem> {
        let Some(written) = written else { return Ok(self.default) };
        let amount = self.amount(written)?;
        if amount < i128::from(self.min) || i128::from(self.max) < amount {
            let range = format!("{} to {}", self.show(self.min), self.show(self.max));
            return Err(Problem::new(
                format!("{written} is out of range"),
                format!("write {range} (the default is {})", self.show(self.default)),
            ));
        }
        // In range, so neither negative nor too large.
        Ok(u64::try_from(amount).unwrap_or(self.default))
    }

    fn amount(&self, written: &Quantity) -> Result<i128, Problem> {
        let variable = written.of_variable()?;
        let parsed = match (self.unit, variable.as_ref().unwrap_or(written)) {
            (Unit::Bytes | Unit::Count, Quantity::Number(number)) => Some(i128::from(*number)),
            (Unit::Bytes, Quantity::Text(text)) => units::parse_size(text).map(i128::from),
            (Unit::Time, Quantity::Text(text)) => units::parse_micros(text).map(i128::from),
            (Unit::Time, Quantity::Number(_)) | (Unit::Count, Quantity::Text(_)) => None,
            (_, Quantity::Variable(_)) => None,
        };
        let (noun, form) = match self.unit {
            Unit::Bytes => ("size", "bytes, or a whole number with B, KiB, MiB or GiB, as in"),
            Unit::Time => ("duration", "a whole number with us, ms, s, m or h, as in"),
            Unit::Count => ("number", "a whole number without quotes, as in"),
        };
        parsed.ok_or_else(|| {
            Problem::new(
                format!("{written} is not a {noun}"),
                format!("write {form} {}", self.literal(self.default)),
            )
        })
    }

    fn identity(&self) -> (&'static str, &'static str) {
        (self.table, self.name)
    }

    /// An amount in TOML.
    pub fn literal(&self, amount: u64) -> String {
        let shown = self.show(amount);
        if self.unit == Unit::Count { shown } else { format!("\"{shown}\"") }
    }
}

/// Bounds are equal if they have the same key.
impl PartialEq for Bound {
    fn eq(&self, other: &Bound) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Bound) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Bound) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Bound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl AtBound {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            AtBound::Wait => "wait",
            AtBound::Refuse => "refuse",
            AtBound::Close => "close",
            AtBound::Trap => "trap",
            AtBound::Cut => "cut",
            AtBound::Quarantine => "quarantine",
        }
    }
}

/// A paragraph about the bound, for a terminal.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (self.show(self.min), self.show(self.max));
        writeln!(f, "{} = {} ({min} to {max})", self.key(), self.literal(self.default))?;
        writeln!(f, "    {} {}", self.what, self.why)?;
        write!(f, "    At the bound: {}. {}", self.at.word(), self.then)
    }
}
