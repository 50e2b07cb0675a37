//! What a plugin did that its operator should know: it trapped, it asked for what it may not, it came to a limit. Each
//! is counted, and told in one line with the same fields.
//!
//! What a plugin repeats is told once a second for each call or limit, with its count so far: a log that a plugin can
//! fill tells nothing.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::Moment;
use crate::contract::bindings::Level;
use crate::log;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKind;

/// How an instance ended that did not end by itself.
#[derive(Debug)]
pub struct Ended<'a> {
    /// In a word or two: `trapped`.
    pub what: &'static str,
    /// The callback.
    pub event: &'static str,
    /// The handler of the connection that it was about.
    pub handler: Option<&'a str>,
    /// The number of that connection.
    pub connection: Option<u32>,
    /// The operation, for deferred work.
    pub operation: Option<u32>,
    /// The limit behind it.
    pub limit: Option<&'static str>,
    /// The engine's words.
    pub cause: Option<String>,
    /// The guest's frames.
    pub backtrace: Option<String>,
}

impl Plugin {
    /// An instance has ended that should not have: a strike against the plugin and its tenant.
    pub fn ended(&self, now: Moment, ended: &Ended<'_>) {
        let count = self.counters.traps.fetch_add(1, Ordering::Relaxed) + 1;
        let strikes = self.tenant.strikes.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.counters.trap_lines.is_empty(now) {
            self.counters.trap_lines.take(1);
            let value = ended.limit.and_then(|limit| self.shown(limit));
            tracing::error!(
                plugin = self.name(),
                tenant = self.config.tenant,
                version = self.version,
                handler = ended.handler,
                connection = ended.connection,
                operation = ended.operation,
                event = ended.event,
                limit = ended.limit,
                value,
                cause = ended.cause,
                backtrace = ended.backtrace,
                count,
                strikes,
                "{}",
                ended.what
            );
        }
        self.strike(now);
    }

    fn strike(&self, now: Moment) {
        let limits = &self.config.limits;
        let Some(traps) = limits.traps else { return };
        if self.counters.strike(now, traps, limits.trap_window) {
            tracing::error!(
                plugin = self.name(),
                tenant = self.config.tenant,
                version = self.version,
                limit = "traps",
                value = traps,
                "quarantined: it has no new instances until SIGHUP or a restart"
            );
        }
    }

    /// Lets a quarantined plugin have instances again.
    pub fn lift_quarantine(&self) {
        if self.counters.lift_quarantine() {
            tracing::info!(
                plugin = self.name(),
                tenant = self.config.tenant,
                "not quarantined any more"
            );
        }
    }

    /// What a bound of its own or of its tenant is set to. Where both have one of that name, the tenant's has `tenant `
    /// before it.
    pub fn shown(&self, limit: &str) -> Option<String> {
        let of_tenant = |limit| self.tenant.limits.shown(limit);
        match limit.strip_prefix("tenant ") {
            Some(limit) => of_tenant(limit),
            // The host's own; so many a tenant may have are its `tenant instances`.
            None if limit == "instances" => None,
            None => self.config.limits.shown(limit).or_else(|| of_tenant(limit)),
        }
    }

    /// Takes CPU time that one of its instances has used from the account of its tenant, and tells when that is empty.
    /// `subject` is as in [`Plugin::at_limit`].
    pub fn use_cpu(
        &self,
        used: Duration,
        now: Moment,
        subject: impl FnOnce() -> Option<(u32, String)>,
    ) {
        let Some(cpu) = &self.tenant.cpu else { return };
        cpu.take_time(used);
        if cpu.is_empty(now) {
            let value = self.shown("cpu_per_second").unwrap_or_default();
            self.at_limit(now, "cpu_per_second", &value, subject);
        }
    }

    /// Tells the operator what it has at this moment.
    pub fn log_usage(&self) {
        tracing::info!(
            plugin = self.name(),
            tenant = self.config.tenant,
            version = self.version,
            connections = self.usage.accepted.acquired(),
            outgoing = self.usage.outgoing.acquired(),
            processes = self.usage.processes.acquired(),
            deferred = self.usage.deferred.acquired(),
            quarantined = self.counters.is_quarantined(),
            "in use"
        );
    }

    /// Tells the operator every counter that is not zero.
    pub fn log_counters(&self) {
        let (plugin, tenant, version) = (self.name(), &*self.config.tenant, &*self.version);
        let count = self.counters.traps.load(Ordering::Relaxed);
        if 0 < count {
            tracing::info!(plugin, tenant, version, what = "traps", count, "counted");
        }
        for (kind, of, count) in self.counters.all() {
            let what = match kind {
                CounterKind::Denial => "denials",
                CounterKind::Limit => "limits",
            };
            tracing::info!(plugin, tenant, version, what, of, count, "counted");
        }
    }

    /// One of its own lines for the log, if its tenant may still write some.
    pub fn log_line(&self, now: Moment, level: Level, stream: &'static str, line: &str) {
        let tenant = &self.tenant;
        if tenant.log.is_empty(now) {
            tenant.lines_left_out.fetch_add(1, Ordering::Relaxed);
            self.counters.add(CounterKind::Limit, "log_per_second");
            return;
        }
        let whole = line;
        let line = log::cut(line, self.config.limits.log_line as usize);
        if line.len() < whole.len() {
            self.counters.add(CounterKind::Limit, "log_line");
        }
        tenant.log.take(u64::try_from(line.len()).unwrap_or(u64::MAX).max(1));
        let left_out = tenant.lines_left_out.swap(0, Ordering::Relaxed);
        if 0 < left_out {
            tracing::warn!(
                tenant = tenant.name,
                limit = "log_per_second",
                lines = left_out,
                "lines of its plugins were left out"
            );
        }
        log::guest_line(self.name(), level, stream, line);
    }

    /// One more instance could not be made, because of the bound `limit`, which is set to `value`, or because the system
    /// has no more. `subject` is the connection that it was for. Nobody's fault, and no strike.
    pub fn found_no_room(
        &self,
        now: Moment,
        limit: &'static str,
        value: &str,
        cause: &wasmtime::Error,
        subject: Option<&(u32, String)>,
    ) {
        let Some(count) = self.counters.count(CounterKind::Limit, limit, now) else { return };
        tracing::warn!(
            plugin = self.name(),
            tenant = self.config.tenant,
            version = self.version,
            handler = subject.map(|(_, handler)| &**handler),
            connection = subject.map(|(number, _)| *number),
            limit,
            value,
            cause = log::cause(cause),
            count,
            "no room for one more instance"
        );
    }

    /// The bound `limit`, which is set to `value`, was reached. `subject` is the connection that this is about, its
    /// number and its handler, and asked for only if it is told.
    pub fn at_limit(
        &self,
        now: Moment,
        limit: &'static str,
        value: &dyn Display,
        subject: impl FnOnce() -> Option<(u32, String)>,
    ) {
        let Some(count) = self.counters.count(CounterKind::Limit, limit, now) else { return };
        let subject = subject();
        tracing::warn!(
            plugin = self.name(),
            tenant = self.config.tenant,
            version = self.version,
            handler = subject.as_ref().map(|(_, handler)| &**handler),
            connection = subject.as_ref().map(|(number, _)| *number),
            limit,
            value = %value,
            count,
            "at a limit"
        );
    }
}
