//! A tenant while the host runs: what its plugins share, on whichever reactor their instances are.

pub mod channels;
pub mod cpu;
pub mod queues;

use std::sync::Arc;

use self::channels::Channels;
use self::cpu::Cpu;
use self::queues::Queues;
use crate::clock::Clock;
use crate::config::TenantConfig;
use crate::meter::Meter;
use crate::plugin::Count;

/// Longest name of a channel or a queue, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What the plugins of one tenant share, and nobody else.
#[derive(Debug)]
pub struct Tenant {
    /// Its place in the configuration.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// CPU time of all its instances; none where it has no bound.
    pub cpu: Option<Cpu>,
    /// Linear memory of all its instances.
    pub memory: Meter,
    /// Everything that waits for its instances.
    pub messages: Meter,
    /// Its channels.
    pub channels: Channels,
    /// Its queues.
    pub queues: Arc<Queues>,
}

impl Tenant {
    /// A tenant that has nothing yet.
    pub fn new(index: usize, config: &TenantConfig) -> Tenant {
        let messages = Meter::new(config.limits.messages);
        // Channels and queues are counted together.
        let names = Names { count: Count::default(), max: config.limits.channels };
        let queues = Queues::new(names.clone(), config.limits.queue, messages.clone());
        Tenant {
            index,
            name: config.name.clone(),
            cpu: config.limits.cpu_per_second.map(Cpu::new),
            memory: Meter::new(config.limits.memory),
            channels: Channels::new(names, config.limits.channel, messages.clone()),
            queues: Arc::new(queues),
            messages,
        }
    }
}

impl Tenant {
    /// Whether its events have to wait, because it has used its CPU time.
    pub fn must_wait(&self, clock: &Clock) -> bool {
        self.cpu.as_ref().is_some_and(|cpu| cpu.is_empty(clock.now()))
    }
}

/// How many names a tenant may have in use.
#[derive(Debug, Clone)]
struct Names {
    count: Count,
    max: u32,
}

/// Whether a channel or a queue may be called so.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        let check = |name: &str, good| assert_eq!(is_name(name), good, "{name:?}");
        check("room", true);
        check("Zimmer 5 ü", true);
        check("", false);
        check("a\nb", false);
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
    }
}
