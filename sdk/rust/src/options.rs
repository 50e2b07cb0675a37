//! The operator's options for this plugin in `plugins.toml`.
//!
//! The functions here read `[plugins.NAME.options]`. A listener's own options are given to the
//! handler that makes its connections.

use std::{error, fmt, str::FromStr};

use crate::host::options as host;

/// Options by their keys. A string is as it was written, numbers and booleans are as TOML writes them,
/// lists and tables are JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<(String, String)>);

impl Options {
    /// The value of one option, or none where the operator did not give it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|&(known, _)| known == key).map(|(_, value)| value)
    }

    /// The value of one option as a number, an address or whatever else can be read from text.
    ///
    /// # Errors
    /// [`BadOption`] where there is a value and it cannot be read.
    ///
    /// ```
    /// # use sandloop::Options;
    /// # fn main() -> Result<(), sandloop::options::BadOption> {
    /// let options = Options::from_iter([("length", "64")]);
    /// assert_eq!(options.parse("length")?, Some(64));
    /// assert_eq!(options.parse::<u32>("width")?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse<T>(&self, key: &str) -> Result<Option<T>, BadOption>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.get(key).map(|value| parse_value(key, value)).transpose()
    }

    /// As [`parse`](Self::parse), with a value for where the operator gave none.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    ///
    /// ```
    /// # use sandloop::Options;
    /// # fn main() -> Result<(), sandloop::options::BadOption> {
    /// let options = Options::from_iter([("length", "64")]);
    /// assert_eq!(options.parse_or("length", 16)?, 64);
    /// assert_eq!(options.parse_or("width", 16)?, 16);
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse_or<T>(&self, key: &str, default: T) -> Result<T, BadOption>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.parse(key).map(|value| value.unwrap_or(default))
    }

    /// Every option, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl From<Vec<(String, String)>> for Options {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Options(pairs)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Options(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// An option with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOption {
    /// The option.
    pub key: String,
    /// The value of the option.
    pub value: String,
    /// Why it is invalid.
    pub problem: String,
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "option `{}` is `{}`: {}", self.key, self.value, self.problem)
    }
}

impl error::Error for BadOption {}

/// The value of one of the plugin's options, or none where the operator did not give it.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    host::get(key)
}

/// As [`Options::parse`], for one of the plugin's options.
///
/// # Errors
/// [`BadOption`] where there is a value and it cannot be read.
pub fn parse<T>(key: &str) -> Result<Option<T>, BadOption>
where
    T: FromStr<Err: fmt::Display>,
{
    get(key).map(|value| parse_value(key, &value)).transpose()
}

/// As [`Options::parse_or`], for one of the plugin's options.
///
/// # Errors
/// [`BadOption`] where there is a value and it cannot be read.
pub fn parse_or<T>(key: &str, default: T) -> Result<T, BadOption>
where
    T: FromStr<Err: fmt::Display>,
{
    parse(key).map(|value| value.unwrap_or(default))
}

/// All of the plugin's options.
#[must_use]
pub fn all() -> Options {
    host::all().into()
}

fn parse_value<T>(key: &str, value: &str) -> Result<T, BadOption>
where
    T: FromStr<Err: fmt::Display>,
{
    value.parse().map_err(|error: T::Err| BadOption {
        key: key.to_owned(),
        value: value.to_owned(),
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_by_its_whole_key() {
        let options = Options::from_iter([("a", "Goodbye"), ("ab", "")]);
        assert_eq!(options.get("a"), Some("Goodbye"));
        assert_eq!(options.get("ab"), Some(""));
        assert_eq!(options.get("b"), None);
    }

    #[test]
    fn a_bad_value_says_which_and_why() {
        let options = Options::from_iter([("port", "many")]);
        let error = options.parse::<u16>("port").unwrap_err();
        assert_eq!(error.to_string(), "option `port` is `many`: invalid digit found in string");
    }
}
