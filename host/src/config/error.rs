//! Errors of `plugins.toml`, with their remedies.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::base::refusal::SystemRefusal;

/// Why a configuration was refused.
///
/// Its text is one line with the file, the line, the key, the cause and the remedy, as in
/// `plugins.toml:12: plugins.echo.isolation: "connections" is not an isolation; write "connection" or "plugin"`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "{}: cannot be read: {}",
        file.display(),
        SystemRefusal::new(source, "name a file that exists and is readable")
    )]
    Read {
        /// The file, as it was given.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has an error.
    #[error("{}:{line}: {}{problem}", file.display(), KeyPrefix(key))]
    Invalid {
        /// The file, as it was given.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key as a dotted path (`plugins.echo.limits.memory`, `listen[0].address`, from 0); empty if the text is not TOML.
        key: String,
        /// The cause and the remedy.
        problem: Problem,
    },
}

/// A cause and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The cause.
    pub cause: String,
    /// The remedy.
    pub remedy: String,
}

impl Problem {
    pub(crate) fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { cause: cause.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

/// The key and its colon; empty for a text that is not TOML.
struct KeyPrefix<'a>(&'a str);

impl fmt::Display for KeyPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}
