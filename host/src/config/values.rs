//! The bounds of a configuration as amounts: for `check --explain`, and for log lines that name one.

use std::time::Duration;

use super::bound::Bound;
use super::limits as all;
use super::model::{HostConfig, Limits, ListenConfig, TenantLimits};

/// A bound and what it is set to, in the unit of the bound.
pub type Amount = (&'static Bound, u64);

impl HostConfig {
    /// Every bound of `[host]`.
    pub fn amounts(&self) -> Vec<Amount> {
        vec![
            (&all::REACTORS, self.reactors as u64),
            (&all::WORKERS, self.workers as u64),
            (&all::SLOW_LANE, self.slow_lane as u64),
            (&all::SLICE, micros(self.slice)),
            (&all::STOP_DEADLINE, micros(self.stop_deadline)),
            (&all::CLOSE_DEADLINE, micros(self.close_deadline)),
            (&all::INSTANCES, self.instances.into()),
        ]
    }
}

impl Limits {
    /// Every bound of a plugin.
    pub fn amounts(&self) -> Vec<Amount> {
        vec![
            (&all::MEMORY, self.memory),
            (&all::TABLES, self.tables.into()),
            (&all::CPU_PER_EVENT, micros(self.cpu_per_event)),
            (&all::EVENT_DEADLINE, micros(self.event_deadline)),
            (&all::CONNECTIONS, self.connections.into()),
            (
                &all::ACCEPTS_PER_SECOND,
                self.accepts_per_second.map_or(all::UNBOUNDED_ACCEPTS, u64::from),
            ),
            (&all::OUTGOING, self.outgoing.into()),
            (&all::LOOKUPS, self.lookups.into()),
            (&all::TIMERS, self.timers.into()),
            (&all::TICKS, self.ticks.into()),
            (&all::OUTBOX_HIGH, self.outbox_high.into()),
            (&all::OUTBOX_LOW, self.outbox_low.into()),
            (&all::OUTBOX_MAX, self.outbox_max.into()),
            (&all::LOG_LINE, self.log_line.into()),
            (&all::HANDLES, self.handles.into()),
            (&all::CALL_BYTES, self.call_bytes),
            (&all::TRAPS, self.traps.map_or(all::NEVER_PARKED, u64::from)),
            (&all::TRAP_WINDOW, micros(self.trap_window)),
            (&all::CPU_PER_OPERATION, micros(self.cpu_per_operation)),
            (&all::OPERATION_DEADLINE, micros(self.operation_deadline)),
            (&all::DEFERRED, self.deferred.into()),
            (&all::PROCESSES, self.processes.into()),
            (&all::MAILBOX, self.mailbox),
            (&all::SUBSCRIPTIONS, self.subscriptions.into()),
            (&all::POPS, self.pops.into()),
            (&all::MESSAGE, self.message.into()),
        ]
    }
}

impl Limits {
    /// What the bound with this name is set to, as an operator would write it.
    pub fn shown(&self, name: &str) -> Option<String> {
        shown(&self.amounts(), name)
    }
}

impl TenantLimits {
    /// Every bound of a tenant.
    pub fn amounts(&self) -> Vec<Amount> {
        vec![
            (&all::TENANT_MEMORY, self.memory),
            (&all::TENANT_INSTANCES, self.instances.map_or(all::UNBOUNDED_INSTANCES, u64::from)),
            (&all::OUTBOXES, self.outboxes),
            (&all::CPU_PER_SECOND, self.cpu_per_second.map_or(all::UNBOUNDED_CPU, micros)),
            (&all::CHANNELS, self.channels.into()),
            (&all::CHANNEL, self.channel),
            (&all::QUEUE, self.queue),
            (&all::MESSAGES, self.messages),
            (&all::READ_PER_SECOND, self.read_per_second.unwrap_or(all::UNBOUNDED_BYTES)),
            (&all::WRITE_PER_SECOND, self.write_per_second.unwrap_or(all::UNBOUNDED_BYTES)),
            (&all::LOG_PER_SECOND, self.log_per_second),
        ]
    }
}

impl TenantLimits {
    /// What the bound with this name is set to, as an operator would write it.
    pub fn shown(&self, name: &str) -> Option<String> {
        shown(&self.amounts(), name)
    }
}

fn shown(amounts: &[Amount], name: &str) -> Option<String> {
    let (bound, amount) = amounts.iter().find(|(bound, _)| bound.name == name)?;
    Some(bound.show(*amount))
}

impl ListenConfig {
    /// Every bound of a listener.
    pub fn amounts(&self) -> Vec<Amount> {
        vec![(&all::BACKLOG, self.backlog.into())]
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::model::Config;

    /// A bound that is left out here would be missing from what the operator is shown.
    #[test]
    fn every_bound_is_there_with_its_default() {
        let text = "[plugins.echo]\ncomponent = \"e.wasm\"\n\
                    [[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"echo\"\n";
        let config = Config::parse(Path::new("plugins.toml"), text).expect("a configuration");
        let mut amounts = config.host.amounts();
        amounts.extend(config.plugins[0].limits.amounts());
        amounts.extend(config.tenants[0].limits.amounts());
        amounts.extend(config.listeners[0].amounts());
        let found: Vec<_> = amounts.iter().map(|(bound, amount)| (bound.key(), *amount)).collect();
        let all: Vec<_> = all::ALL.iter().map(|bound| (bound.key(), bound.default)).collect();
        assert_eq!(found, all);
    }
}
