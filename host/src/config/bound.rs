//! What a bound is: reading one from the file, and showing it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::error::Problem;
use super::quantity::Quantity;
use super::units;

/// One bound.
#[derive(Debug)]
pub struct Bound {
    /// The table it is written in: `host`, `plugins.*.limits` or `listen.*`.
    pub table: &'static str,
    /// Its key in that table.
    pub name: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// What holds when the key is not written; bytes, microseconds or a count.
    pub default: u64,
    /// The least that may be written.
    pub min: u64,
    /// The most that may be written.
    pub max: u64,
    /// Whether the most that may be written is no bound at all.
    pub max_is_unbounded: bool,
    /// What it bounds.
    pub what: &'static str,
    /// Why there is a bound, or why it is where it is.
    pub why: &'static str,
    /// What kind of thing happens at it.
    pub at: AtBound,
    /// What exactly happens at it.
    pub then: &'static str,
}

/// What a bound counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes: a number, or text such as `"16MiB"`.
    Bytes,
    /// Time: text such as `"150ms"`; held as microseconds.
    Time,
    /// Things: a number.
    Count,
}

/// What kind of thing happens at a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBound {
    /// What comes waits until there is room.
    Wait,
    /// What was asked is answered with an error.
    Refuse,
    /// A connection is closed.
    Close,
    /// The instance ends.
    Trap,
    /// What is over the bound is left out.
    Cut,
    /// The plugin is quarantined.
    Quarantine,
}

/// What was met by whoever came to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// A bound of the configuration.
    Of(&'static Bound),
    /// The guest's stack, which is the same for all.
    Stack,
    /// The descriptors that the process or the machine may have.
    FileDescriptors,
    /// The memory that the machine has.
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
    /// The key as it is written in the file, with `<name>` for a plugin's.
    pub fn key(&self) -> String {
        format!("{}.{}", self.table.replace(".*", ".<name>"), self.name)
            .replace("listen.<name>", "listen")
    }

    /// An amount of this bound as an operator would write it.
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

    /// The amount that was written, or the default; within the range either way.
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

    /// An amount as TOML.
    pub fn literal(&self, amount: u64) -> String {
        let shown = self.show(amount);
        if self.unit == Unit::Count { shown } else { format!("\"{shown}\"") }
    }
}

/// The same key is the same bound.
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

/// A bound in full, as a paragraph for a terminal.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (self.show(self.min), self.show(self.max));
        writeln!(f, "{} = {} ({min} to {max})", self.key(), self.literal(self.default))?;
        writeln!(f, "    {} {}", self.what, self.why)?;
        write!(f, "    At the bound: {}. {}", self.at.word(), self.then)
    }
}
