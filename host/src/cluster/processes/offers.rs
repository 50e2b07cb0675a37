//! The hosts that can have processes of a tenant, as last heard, and the choice among them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::SENDER_BYTES;

/// The most hosts that are remembered.
const HOSTS_MAX: usize = 4096;
/// The most plugins of one host that are remembered.
pub(super) const PLUGINS_MAX: usize = 256;
/// The longest time between two offers that is believed.
const LONGEST_PERIOD: Duration = Duration::from_secs(600);

/// The other hosts of a tenant.
#[derive(Debug)]
pub(super) struct Offers {
    hosts: Mutex<HashMap<u64, HostOffer>>,
    memory: ByteBudget,
}

/// What one host offers.
#[derive(Debug)]
struct HostOffer {
    name: String,
    free: BTreeMap<String, u32>,
    heard: Moment,
    period: Duration,
    _kept: Reservation,
}

/// Where a process is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice<'a> {
    /// On a host with many free places.
    LeastLoaded,
    /// Always on the same host for this key.
    Key(&'a str),
}

impl Offers {
    /// None yet; what is kept of them counts here.
    pub(super) fn new(memory: ByteBudget) -> Offers {
        Offers { hosts: Mutex::default(), memory }
    }

    /// Handles an offer. Without room for it its host is not known.
    pub(super) fn hear(
        &self,
        host: u64,
        name: String,
        free: BTreeMap<String, u32>,
        period: Duration,
        now: Moment,
    ) {
        let free: BTreeMap<String, u32> = free.into_iter().take(PLUGINS_MAX).collect();
        let texts = free.keys().map(String::len).sum::<usize>() + name.len();
        let bytes = u64::try_from(texts + free.len() * 64).unwrap_or(u64::MAX);
        let mut hosts = self.lock();
        if !hosts.contains_key(&host) && HOSTS_MAX <= hosts.len() {
            return;
        }
        hosts.remove(&host);
        if let Some(kept) = self.memory.reserve(bytes.saturating_add(SENDER_BYTES)) {
            let period = period.min(LONGEST_PERIOD);
            hosts.insert(host, HostOffer { name, free, heard: now, period, _kept: kept });
        }
    }

    /// Forgets a host that leaves; returns its name.
    pub(super) fn leave(&self, host: u64) -> Option<String> {
        self.lock().remove(&host).map(|offer| offer.name)
    }

    /// Forgets hosts that were not heard for so many of their periods.
    pub(super) fn forget_silent(&self, periods: u32, now: Moment) {
        self.lock().retain(|_, offer| now.since(offer.heard) < offer.period * periods);
    }

    /// Whether a host is there.
    pub(super) fn has(&self, host: u64) -> bool {
        self.lock().contains_key(&host)
    }

    /// The time between two offers of a host, and its name, if it is there.
    pub(super) fn of(&self, host: u64) -> Option<(Duration, String)> {
        self.lock().get(&host).map(|offer| (offer.period, offer.name.clone()))
    }

    /// The number of hosts that can have processes.
    pub(super) fn count(&self) -> usize {
        self.lock().values().filter(|offer| !offer.free.is_empty()).count()
    }

    /// The host for a process of a plugin; `own` is this host with its free places, if it has the plugin. `seed` is another one
    /// for each process.
    pub(super) fn choose(
        &self,
        plugin: &str,
        choice: Choice<'_>,
        own: Option<(u64, u32)>,
        seed: u64,
    ) -> Option<u64> {
        let mut hosts = self.lock();
        let others = hosts.iter().filter_map(|(host, it)| Some((*host, *it.free.get(plugin)?)));
        let all: Vec<(u64, u32)> = own.into_iter().chain(others).collect();
        let chosen = match choice {
            Choice::Key(key) => all.iter().max_by_key(|(host, _)| weight(key, *host)),
            Choice::LeastLoaded => least_loaded(&all, seed),
        };
        let (host, _) = *chosen?;
        // Until the next offer this host knows of its own processes only.
        let free = hosts.get_mut(&host).and_then(|offer| offer.free.get_mut(plugin));
        free.into_iter().for_each(|free| *free = free.saturating_sub(1));
        Some(host)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, HostOffer>> {
        self.hosts.lock()
    }
}

/// Of two hosts that are drawn, the one with more free places; this host, which is the first, where they are equal. With two
/// choices hosts that hear the same do not all take the same one.
fn least_loaded(all: &[(u64, u32)], seed: u64) -> Option<&(u64, u32)> {
    let count = u64::try_from(all.len()).ok().filter(|count| 0 < *count)?;
    let drawn = mix(seed);
    let one = usize::try_from(drawn % count).ok()?;
    let step = 1 + (drawn >> 32) % count.saturating_sub(1).max(1);
    let other = (one + usize::try_from(step).ok()?) % all.len();
    let (first, second) = (one.min(other), one.max(other));
    let is_better = all[first].1 < all[second].1;
    all.get(if is_better { second } else { first })
}

/// The weight of a host for a key: the host with the greatest one has it, so that a host that comes or goes moves only its own keys.
fn weight(key: &str, host: u64) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = key.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    mix(hash ^ mix(host))
}

/// The finalizer of SplitMix64: each bit of the result depends on all bits.
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    fn with(hosts: &[(u64, u32)]) -> Offers {
        let offers = Offers::new(ByteBudget::new(1 << 20));
        for (host, free) in hosts {
            let free = BTreeMap::from([("p".to_owned(), *free)]);
            offers.hear(*host, format!("h.{host}"), free, PERIOD, at(0));
        }
        offers
    }

    #[test]
    fn a_key_stays_where_it_is_until_its_host_goes() {
        let all = with(&[(1, 9), (2, 9), (3, 0), (4, 9)]);
        let keys: Vec<String> = (0..400).map(|number| format!("room {number}")).collect();
        let place = |offers: &Offers, key: &str| {
            offers.choose("p", Choice::Key(key), Some((5, 1)), 0).expect("a host")
        };
        let before: Vec<u64> = keys.iter().map(|key| place(&all, key)).collect();
        for host in 1..=5 {
            let share = before.iter().filter(|it| **it == host).count();
            assert!((40..120).contains(&share), "host {host} has {share} of 400 keys");
        }
        all.leave(2);
        for (key, before) in keys.iter().zip(&before) {
            let now = place(&all, key);
            assert!(now == *before || *before == 2, "{key} went from {before} to {now}");
        }
    }

    #[test]
    fn the_host_with_more_free_places_is_taken_and_this_one_where_they_are_equal() {
        for seed in 0..100 {
            let choose = |offers: &Offers, own| offers.choose("p", Choice::LeastLoaded, own, seed);
            assert_eq!(choose(&with(&[(1, 3)]), Some((5, 2))), Some(1));
            assert_eq!(choose(&with(&[(1, 3)]), Some((5, 3))), Some(5));
            assert_eq!(choose(&with(&[(1, 0)]), Some((5, 1))), Some(5));
            assert_eq!(choose(&with(&[(1, 1)]), None), Some(1));
            assert_eq!(choose(&with(&[]), None), None);
        }
        assert_eq!(with(&[(1, 3)]).choose("q", Choice::LeastLoaded, None, 0), None);
    }

    #[test]
    fn many_processes_are_spread_by_what_is_free() {
        let offers = with(&[(1, 30), (2, 30), (3, 30)]);
        let mut counts = HashMap::new();
        for seed in 0..90 {
            let host = offers.choose("p", Choice::LeastLoaded, None, seed).expect("a host");
            *counts.entry(host).or_insert(0) += 1;
        }
        assert!(counts.values().all(|count| (20..=40).contains(count)), "{counts:?}");
    }

    #[test]
    fn who_is_silent_is_forgotten_and_what_is_kept_is_counted() {
        let memory = ByteBudget::new(2 * (SENDER_BYTES + 100));
        let offers = Offers::new(memory.clone());
        let hear = |host, now| {
            let free = BTreeMap::from([("p".to_owned(), 1)]);
            offers.hear(host, "h".to_owned(), free, PERIOD, at(now));
        };
        [1, 2, 3].into_iter().for_each(|host| hear(host, 0));
        assert_eq!(offers.count(), 2, "there is no room for a third");
        hear(1, 10);
        offers.forget_silent(3, at(15));
        assert_eq!((offers.has(1), offers.has(2)), (true, false));
        offers.forget_silent(3, at(25));
        assert_eq!((offers.count(), memory.held()), (0, 0));
    }

    #[test]
    fn an_offer_of_nonsense_is_bounded() {
        let offers = Offers::new(ByteBudget::new(1 << 20));
        let free = (0..1000).map(|number| (number.to_string(), 1)).collect();
        offers.hear(1, "h".to_owned(), free, Duration::MAX, at(0));
        assert_eq!(offers.lock()[&1].free.len(), PLUGINS_MAX);
        offers.forget_silent(3, at(LONGEST_PERIOD.as_secs() * 3));
        assert_eq!(offers.count(), 0);
    }
}
