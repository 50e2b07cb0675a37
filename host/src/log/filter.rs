//! `SANDLOOP_LOG`: the filter of the log, which overrides the configuration.

use std::env::{self, VarError};
use std::fmt;

use crate::config::model::LogLevel;

/// The variable.
const VARIABLE: &str = "SANDLOOP_LOG";

/// The filter, in the syntax of `tracing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

/// An invalid value of `SANDLOOP_LOG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError(String);

impl std::error::Error for FilterError {}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{VARIABLE}: {} is not a log level; write error, warn, info, debug, trace or off, or leave it unset",
            self.0
        )
    }
}

impl From<LogLevel> for Filter {
    fn from(level: LogLevel) -> Filter {
        of_the_host(match level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The filter of the variable; none if it is not set or empty.
///
/// # Errors
/// When the value is invalid.
pub fn from_environment() -> Result<Option<Filter>, FilterError> {
    match env::var(VARIABLE) {
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(text)) => Err(FilterError(format!("{text:?}"))),
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => parse(&text).map(Some),
    }
}

/// Parses levels between commas. A level alone applies to the host and silences the libraries, whose messages are for the
/// developers of the engine. A level after a name and `=` applies to that module.
fn parse(text: &str) -> Result<Filter, FilterError> {
    let wrong = |word: &str| FilterError(format!("{word:?}"));
    let mut of_host = None;
    let mut of_parts = Vec::new();
    for word in text.split(',') {
        match word.split_once('=') {
            None => of_host = Some(level(word).ok_or_else(|| wrong(word))?),
            Some((part, of_part)) => {
                let level = level(of_part).filter(|_| is_path(part)).ok_or_else(|| wrong(word))?;
                of_parts.push(format!("{part}={level}"));
            }
        }
    }
    let Filter(host) = of_the_host(of_host.unwrap_or("off"));
    let all: Vec<String> = std::iter::once(host).chain(of_parts).collect();
    Ok(Filter(all.join(",")))
}

fn of_the_host(level: &str) -> Filter {
    Filter(format!("off,sandloop_host={level},sandloop={level}"))
}

fn level(word: &str) -> Option<&'static str> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    levels.into_iter().find(|level| word.eq_ignore_ascii_case(level))
}

/// Whether this is the name of a crate or module.
fn is_path(part: &str) -> bool {
    let is_name = |name: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(known) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    };
    part.split("::").all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_what_is_none() {
        let host = |level: &str| of_the_host(level).0;
        for (text, expected) in [
            ("error", Ok(host("error"))),
            ("warn", Ok(host("warn"))),
            ("info", Ok(host("info"))),
            ("debug", Ok(host("debug"))),
            ("trace", Ok(host("trace"))),
            ("off", Ok(host("off"))),
            ("DEBUG", Ok(host("debug"))),
            ("info,sandloop_host::net=debug", Ok(host("info") + ",sandloop_host::net=debug")),
            ("wasmtime=debug", Ok(host("off") + ",wasmtime=debug")),
            ("verbose", Err("verbose")),
            ("wran", Err("wran")),
            ("warn ", Err("warn ")),
            (" ", Err(" ")),
            ("2", Err("2")),
            ("info;debug", Err("info;debug")),
            ("info,", Err("")),
            (",", Err("")),
            ("=", Err("=")),
            ("=debug", Err("=debug")),
            ("sandloop_host=", Err("sandloop_host=")),
            ("sandloop_host=loud", Err("sandloop_host=loud")),
            ("sandloop host=debug", Err("sandloop host=debug")),
            ("sandloop_host=debug=info", Err("sandloop_host=debug=info")),
            ("info,[span]=debug", Err("[span]=debug")),
        ] {
            let expected = expected.map(Filter).map_err(|word| FilterError(format!("{word:?}")));
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_filter_is_one_of_tracing() {
        for text in ["debug", "info,sandloop_host::net=debug", "off"] {
            let filter = parse(text).expect("a filter").to_string();
            tracing_subscriber::EnvFilter::try_new(&filter).expect(&filter);
        }
    }
}
