//! The options, checked before anything is served.

use std::fmt;
use std::time::Duration;

use sandloop::{Address, Options};

use crate::balance::Thresholds;
use crate::header::Version;

/// What the operator wants.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    pub targets: Vec<Address>,
    pub is_sticky: bool,
    pub connect_timeout: Duration,
    /// Zero is never.
    pub idle_timeout: Duration,
    pub check_every: Option<Duration>,
    pub thresholds: Thresholds,
    pub proxy_protocol: Option<Version>,
}

/// An option that is wrong, and what it may be.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSetting(String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSetting {}

impl Settings {
    /// Reads the options of the plugin.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn read(options: &Options) -> Result<Settings, BadSetting> {
        Settings::of(|key| options.get(key))
    }

    fn of<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Settings, BadSetting> {
        let number = |key: &str, default: u32, least: u32| {
            let Some(text) = get(key) else { return Ok(default) };
            let number = text.parse().ok().filter(|number| least <= *number);
            number.ok_or_else(|| wrong(key, text, &format!("a number from {least} on")))
        };
        let milliseconds = |key, default, least| {
            number(key, default, least).map(|number| Duration::from_millis(number.into()))
        };
        Ok(Settings {
            targets: targets(get("targets").unwrap_or_default())?,
            is_sticky: match get("balance") {
                None | Some("least-connections") => false,
                Some("source") => true,
                Some(other) => {
                    return Err(wrong("balance", other, "least-connections or source"));
                }
            },
            connect_timeout: milliseconds("connect_timeout", 3000, 1)?,
            idle_timeout: milliseconds("idle_timeout", 0, 0)?,
            check_every: Some(milliseconds("check_every", 2000, 0)?).filter(|it| !it.is_zero()),
            thresholds: Thresholds {
                down: number("check_down", 3, 1)?,
                up: number("check_up", 2, 1)?,
            },
            proxy_protocol: match get("proxy_protocol") {
                None => None,
                Some("v1") => Some(Version::V1),
                Some("v2") => Some(Version::V2),
                Some(other) => return Err(wrong("proxy_protocol", other, "v1 or v2")),
            },
        })
    }
}

fn targets(text: &str) -> Result<Vec<Address>, BadSetting> {
    let parse = |word: &str| {
        // Without a scheme it is TCP, as in `allow.connect`.
        let full = if word.contains("://") { word.to_owned() } else { format!("tcp://{word}") };
        full.parse().map_err(|_| wrong("targets", word, "host:port or unix:///path"))
    };
    let targets = text.split_whitespace().map(parse).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(wrong("targets", text, "one or more of host:port, divided by spaces"));
    }
    Ok(targets)
}

fn wrong(key: &str, value: &str, right: &str) -> BadSetting {
    BadSetting(format!("option `{key}` is {value:?}, not {right}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&'static str, &'static str)]) -> Result<Settings, String> {
        let get = |key: &str| options.iter().find(|it| it.0 == key).map(|it| it.1);
        Settings::of(get).map_err(|error| error.to_string())
    }

    #[test]
    fn targets_are_all_that_is_needed() {
        let settings = read(&[("targets", "127.0.0.1:80  unix:///run/a.sock tcp://[::1]:81")]);
        let settings = settings.unwrap();
        let targets =
            [Address::tcp("127.0.0.1", 80), Address::unix("/run/a.sock"), Address::tcp("::1", 81)];
        assert_eq!(settings.targets, targets);
        assert!(!settings.is_sticky && settings.proxy_protocol.is_none());
        assert_eq!(settings.check_every, Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |key, value, words: &str| {
            let error = read(&[("targets", "a:1"), (key, value)]).unwrap_err();
            assert!(error.contains(key) && error.contains(words), "{error}");
        };
        check("balance", "random", "least-connections or source");
        check("connect_timeout", "0", "from 1 on");
        check("check_down", "often", "from 1 on");
        check("proxy_protocol", "3", "v1 or v2");
        assert!(read(&[("targets", "nowhere")]).unwrap_err().contains("host:port"));
        assert!(read(&[]).unwrap_err().contains("one or more"));
        assert_eq!(read(&[("targets", "a:1"), ("check_every", "0")]).unwrap().check_every, None);
    }
}
