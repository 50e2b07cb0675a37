//! The limit of file descriptors: raised as far as possible, and checked against the limits of the configuration.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::bound::Bound;
use crate::config::error::{ConfigError, Problem};
use crate::config::limits;
use crate::config::model::{Config, PluginConfig};

/// Descriptors for everything but listeners and connections: polls, the log, folders, compiled components.
const KEPT: u64 = 128;
/// Descriptors that the host may open after everything is loaded.
const OPENED_LATER: u64 = 64;
/// Descriptors of a reactor: its poll, its waker.
const OF_A_REACTOR: u64 = 4;
/// Descriptors of the admin listener besides its clients: its socket twice, its poll and its waker, a file that it checks.
const OF_THE_ADMIN: u64 = 6;
/// The fewest descriptors of guests.
const FEWEST: u64 = 16;
/// The folder in which Linux lists the descriptors of a process.
const OPEN: &str = "/proc/self/fd";

/// Raises the soft limit of open files to the hard one.
///
/// # Errors
/// When the system does not allow it.
pub(super) fn raise() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// The limit of this process.
pub fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// The descriptors for guests: those that are neither open nor needed by the host itself.
pub(super) fn for_guests(config: &Config) -> u32 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    left(config, limit, open())
}

fn left(config: &Config, limit: u64, open: u64) -> u32 {
    let reactors = config.host.limits.reactors as u64;
    let admin = config.admin.as_ref();
    let admin = admin.map_or(0, |admin| u64::from(admin.limits.clients) + OF_THE_ADMIN);
    let own = (config.listeners.len() as u64 + OF_A_REACTOR) * reactors + admin;
    let left = limit.saturating_sub(open + OPENED_LATER + own);
    // If there are fewer than that the system refuses, and listeners pause.
    u32::try_from(left.max(FEWEST)).unwrap_or(u32::MAX)
}

/// The number of open descriptors. A component has one for each module with data, so there may be many.
fn open() -> u64 {
    std::fs::read_dir(OPEN).map_or(0, |entries| entries.count() as u64)
}

/// Checks that there are enough. Default limits may exceed the number: when descriptors run out, listeners pause.
/// Configured limits must fit.
///
/// # Errors
/// When configured limits of connections do not fit.
pub(super) fn admit(config: &Config) -> Result<(), ConfigError> {
    // The soft limit has been raised to the hard one, if that was possible.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    check(config, limit, KEPT.max(open() + OPENED_LATER))
}

/// The same for a reload, where open descriptors may be those that the old configuration allows.
///
/// # Errors
/// When configured limits of connections do not fit.
pub(super) fn admit_more(config: &Config) -> Result<(), ConfigError> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    check(config, limit, KEPT)
}

fn check(config: &Config, limit: u64, kept: u64) -> Result<(), ConfigError> {
    let fixed = kept + (config.listeners.len() * config.host.limits.reactors) as u64;
    let bounds: Vec<Connections> = config.plugins.iter().flat_map(connections).collect();
    let all = fixed + bounds.iter().map(|bound| bound.count).sum::<u64>();
    let written = bounds.iter().filter_map(|bound| {
        let origin = config.origins.find(&bound.key)?;
        Some((origin, bound))
    });
    let mut sum = fixed;
    for (origin, bound) in written {
        sum += bound.count;
        if limit < sum {
            return Err(ConfigError::Invalid {
                file: origin.file.clone(),
                line: origin.line,
                key: bound.key.clone(),
                problem: Problem::new(
                    format!("that needs {sum} file descriptors, and this process may have {limit}"),
                    format!("lower it, or start the host with ulimit -n {all}"),
                ),
            });
        }
    }
    if limit < all {
        tracing::info!(
            needed = all,
            available = limit,
            "connections beyond the available file descriptors wait in the backlog"
        );
    }
    Ok(())
}

/// The most connections of a plugin, and the key that sets them.
struct Connections {
    key: String,
    count: u64,
}

fn connections(plugin: &PluginConfig) -> [Connections; 2] {
    let of = |bound: &Bound, count: u32| Connections {
        key: format!("plugins.{}.limits.{}", plugin.name, bound.name),
        count: count.into(),
    };
    let outgoing = if plugin.allow.connect.is_empty() { 0 } else { plugin.limits.outgoing };
    [of(&limits::CONNECTIONS, plugin.limits.connections), of(&limits::OUTGOING, outgoing)]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    fn check_text(limits: &str, limit: u64, expected: Option<&str>) {
        let text = format!(
            "[plugins.echo]\ncomponent = \"e.wasm\"\n[plugins.echo.limits]\n{limits}\n\
             [[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"echo\"\n"
        );
        let config = Config::parse(Path::new("plugins.toml"), &text).expect("a configuration");
        let error = check(&config, limit, KEPT).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected, "{limits:?} of {limit}");
    }

    #[test]
    fn guests_have_what_the_host_leaves() {
        let text = "[plugins.echo]\ncomponent = \"e.wasm\"\n[host]\nreactors = 2\n\
                    [[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"echo\"\n";
        let config = Config::parse(Path::new("plugins.toml"), text).expect("a configuration");
        assert_eq!(left(&config, 1000, 100), 1000 - 100 - 64 - 2 * 5);
        assert_eq!(left(&config, 64, 50), 16);
        assert_eq!(left(&config, u64::MAX, 50), u32::MAX);
    }

    #[test]
    fn what_is_written_must_fit() {
        check_text("", 1000, None);
        check_text("connections = 871", 1000, None);
        let error = "plugins.toml:4: plugins.echo.limits.connections: that needs 1001 file \
                     descriptors, and this process may have 1000; lower it, or start the host with \
                     ulimit -n 1001";
        check_text("connections = 872", 1000, Some(error));
        // Without `allow.connect` there are no outgoing connections.
        check_text("connections = 1\noutgoing = 5000", 1000, None);
    }
}
