//! The hosts of the cluster: each announces itself at intervals, and receives the announcements of the others.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::{Clock, Moment};

/// The most hosts that are remembered. A sender of more names is not a cluster.
const HOSTS_MAX: usize = 100_000;
/// The most bytes of a name or a version.
const WORD_BYTES_MAX: usize = 128;
/// The number of missed announcements after which a host counts as gone.
const SILENCES: u32 = 3;

/// A host of the cluster: the name that its operator gives it, for people, and a number that is drawn at each start. So two hosts
/// with one name are distinguished, and so are a host before and after its restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostId(String);

/// An announcement.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// Its `NAME.NUMBER`.
    pub(super) host: String,
    /// Its version.
    pub(super) version: String,
    /// The milliseconds until the next announcement; 0 if the host leaves.
    pub(super) again_in_ms: u64,
}

/// A host that has announced itself.
#[derive(Debug, Clone)]
pub struct SeenHost {
    /// Its `NAME.NUMBER`.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The time of its last announcement.
    pub at: Moment,
    patience: Duration,
}

/// The other hosts that have announced themselves recently.
#[derive(Debug)]
pub struct Hosts {
    clock: Clock,
    seen: Mutex<HashMap<String, SeenHost>>,
}

impl HostId {
    /// The id of a host that starts now.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn draw(name: &str) -> io::Result<HostId> {
        let mut drawn = [0; 8];
        let failed = |_| io::Error::other("the system has no randomness");
        SystemRandom::new().fill(&mut drawn).map_err(failed)?;
        Ok(HostId(format!("{name}.{:016x}", u64::from_be_bytes(drawn))))
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        let number = self.0.rsplit_once('.').map(|(_, number)| u64::from_str_radix(number, 16));
        // It was written by this file.
        number.and_then(Result::ok).unwrap_or_default()
    }

    /// `NAME.NUMBER`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Hosts {
    /// No hosts yet.
    pub(super) fn new(clock: Clock) -> Hosts {
        Hosts { clock, seen: Mutex::default() }
    }

    /// Handles an announcement.
    pub(super) fn hear(&self, greeting: Greeting) {
        let Greeting { host, version, again_in_ms } = greeting;
        if !is_plain(&host) || !is_plain(&version) {
            return;
        }
        let mut seen = self.lock();
        if again_in_ms == 0 {
            if seen.remove(&host).is_some() {
                tracing::info!(host, "a host has left the cluster");
            }
            return;
        }
        let (at, patience) =
            (self.clock.now(), Duration::from_millis(again_in_ms).saturating_mul(SILENCES));
        let is_known = seen.contains_key(&host);
        if !is_known && HOSTS_MAX <= seen.len() {
            return;
        }
        if !is_known {
            tracing::info!(host, version, "a host is in the cluster");
        }
        seen.insert(host.clone(), SeenHost { id: host, version, at, patience });
    }

    /// Forgets hosts that have been silent for too long.
    pub(super) fn forget_silent(&self) {
        let now = self.clock.now();
        self.lock().retain(|host, seen| {
            let is_there = now.since(seen.at) < seen.patience;
            if !is_there {
                tracing::warn!(host, silent = ?now.since(seen.at), "a host of the cluster is silent: gone");
            }
            is_there
        });
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<SeenHost> {
        let mut all: Vec<SeenHost> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The time since the last announcement of a host.
    pub fn silence(&self, host: &SeenHost) -> Duration {
        self.clock.now().since(host.at)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SeenHost>> {
        self.seen.lock()
    }
}

/// Whether a text is a valid name or version of a host: other programs may publish on the subject.
fn is_plain(text: &str) -> bool {
    text.len() <= WORD_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(host: &str, again_in_ms: u64) -> Greeting {
        Greeting { host: host.to_owned(), version: "1".to_owned(), again_in_ms }
    }

    #[test]
    fn who_says_nonsense_is_no_host() {
        let (clock, _hand) = Clock::manual();
        let hosts = Hosts::new(clock);
        for name in ["a b", "a\n", "\u{1b}[2J", "ü", &"x".repeat(129)] {
            hosts.hear(greeting(name, u64::MAX));
        }
        assert_eq!(hosts.count(), 0);
        hosts.hear(greeting("a.0f", u64::MAX));
        hosts.forget_silent();
        assert_eq!(hosts.count(), 1);
    }

    #[test]
    fn a_host_is_there_until_it_leaves_or_is_silent() {
        let (clock, hand) = Clock::manual();
        let hosts = Hosts::new(clock);
        let there = || hosts.all().into_iter().map(|it| it.id).collect::<Vec<_>>();
        hosts.hear(greeting("b", 1000));
        hosts.hear(greeting("a", 1000));
        assert_eq!(there(), ["a", "b"]);
        hand.advance(Duration::from_millis(2999));
        hosts.hear(greeting("a", 1000));
        hosts.forget_silent();
        assert_eq!(there(), ["a", "b"]);
        hand.advance(Duration::from_millis(1));
        hosts.forget_silent();
        assert_eq!(there(), ["a"]);
        hosts.hear(greeting("a", 0));
        assert_eq!(hosts.count(), 0);
    }
}
