//! Keys that a reload cannot change.

use std::fmt::Debug;

use crate::config::error::{ConfigError, Problem};
use crate::config::model::Config;
use crate::config::reloading::{self, AtReload};

/// Checks that no key has changed that a running host cannot change.
///
/// # Errors
/// The first key that differs.
pub(super) fn check(served: &Config, config: &Config) -> Result<(), ConfigError> {
    let wrong = |key: &str, now: &str, wanted: &str| {
        let problem = Problem::new(
            format!("a running host cannot change it: it is {now}, and the file has {wanted}"),
            format!("write {now}, or start the host again"),
        );
        config.wrong(key, problem)
    };
    let is_fixed = |key: &str| reloading::of(key) == Some(AtReload::Refused);
    let (before, after) = (served.host.limits.amounts(), config.host.limits.amounts());
    for ((bound, before), (_, after)) in before.into_iter().zip(after) {
        let key = format!("host.{}", bound.name);
        if is_fixed(&key) && before != after {
            return Err(wrong(&key, &bound.literal(before), &bound.literal(after)));
        }
    }
    for ((key, before), (_, after)) in texts(served).into_iter().zip(texts(config)) {
        if before != after {
            return Err(wrong(&format!("host.{key}"), &before, &after));
        }
    }
    if served.admin != config.admin {
        let problem = Problem::new(
            "a running host cannot change how it is watched",
            "write the section as it was, or start the host again",
        );
        return Err(config.wrong("admin", problem));
    }
    Ok(())
}

/// The keys of `[host]` with text values, as configured.
fn texts(config: &Config) -> [(&'static str, String); 4] {
    let host = &config.host;
    let word = |value: &dyn Debug| format!("{:?}", format!("{value:?}").to_lowercase());
    let handover = host.handover.as_ref();
    [
        ("log", word(&host.log)),
        ("log_format", word(&host.log_format)),
        ("backtraces", word(&host.backtraces)),
        ("handover", handover.map_or_else(|| "no such key".to_owned(), |path| format!("{path:?}"))),
    ]
}
