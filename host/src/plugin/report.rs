//! Reports about a plugin for its operator: traps, denials, reached limits. Each is counted, and logged in one line
//! with the same fields.
//!
//! Repeated reports are logged once a second for each call or limit, with the count so far, so that a plugin cannot
//! flood the log.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::Moment;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::log::scope;
use crate::log::text::GuestText;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::incidents::TrapIncident;
use crate::plugin::service::Service;
use crate::plugin::subject::{Subject, plugin_line};

/// How an instance was ended.
#[derive(Debug)]
pub struct Ended {
    /// The kind of end: `trapped`, for example.
    pub what: &'static str,
    /// The callback.
    pub event: &'static str,
    /// The connection of the callback.
    pub subject: Option<Subject>,
    /// The operation, for deferred work.
    pub operation: Option<u32>,
    /// The limit that caused it.
    pub limit: Option<Limit>,
    /// The error of the engine.
    pub cause: Option<GuestText>,
    /// The guest's last lines of output in this event.
    pub last_words: Option<GuestText>,
    /// The guest's frames.
    pub backtrace: Option<GuestText>,
}

impl Plugin {
    /// Reports that an instance was ended, which counts as a trap of the plugin and its tenant.
    pub fn ended(&self, now: Moment, ended: &Ended) {
        let count = self.counters.traps.fetch_add(1, Ordering::Relaxed) + 1;
        let strikes = self.tenant.strikes.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.counters.trap_lines.is_empty(now) {
            self.counters.trap_lines.take(1);
            let limit = ended.limit.map(Limit::name);
            let value = ended.limit.and_then(|limit| self.shown(limit));
            self.counters.incidents.trapped(|| TrapIncident {
                at: now,
                what: ended.what,
                event: ended.event,
                connection: ended.subject.as_ref().map(Subject::named),
                limit: ended.limit.map(|limit| limit.name().into_owned()),
                cause: ended.cause.clone(),
                backtrace: ended.backtrace.clone(),
                count,
            });
            self.tell(now, || {
                plugin_line!(error, self, about ended.subject.as_ref(),
                    operation = ended.operation,
                    event = ended.event,
                    limit = limit.as_deref(),
                    value,
                    cause = ended.cause.as_ref().map(debug),
                    last_words = ended.last_words.as_ref().map(debug),
                    backtrace = ended.backtrace.as_ref().map(debug),
                    count,
                    strikes,
                    "{}",
                    ended.what
                );
            });
        }
        self.strike(now);
    }

    /// Reports that a program or a process has refused to start, with its own error text; its instance has ended.
    pub fn start_refused(&self, now: Moment, event: &'static str, reason: &GuestText) {
        self.tell(now, || {
            plugin_line!(error, self, event, ?reason, "start failed: the instance has ended");
        });
    }

    /// Reports that a handler of `wasi:http` has returned without a complete response.
    pub fn has_not_answered(
        &self,
        now: Moment,
        fault: &str,
        cause: Option<&GuestText>,
        subject: Option<&Subject>,
    ) {
        self.tell(now, || {
            plugin_line!(warn, self, about subject,
                cause = cause.map(debug),
                "{fault}"
            );
        });
    }

    /// Writes a line about it to the log, unless its tenant is far above its log rate: then the line is counted as
    /// dropped.
    pub fn tell(&self, now: Moment, line: impl FnOnce()) {
        let share = &self.tenant.log;
        if share.may_be_told(now) {
            scope::of_tenant(share, line);
        } else {
            share.leave_out(1);
        }
    }

    fn strike(&self, now: Moment) {
        let limits = &self.config.limits;
        let Some(traps) = limits.traps else { return };
        if self.counters.strike(now, traps, limits.trap_window, self.generation) {
            plugin_line!(
                error,
                self,
                limit = limits::TRAPS.name,
                value = traps,
                "quarantined: it has no new instances until SIGHUP or a restart"
            );
        }
    }

    /// Parks it: it gets no new instances until the operator resumes it.
    pub fn park(&self) {
        if self.counters.service.set(Service::Parked) {
            plugin_line!(
                warn,
                self,
                "parked: it has no new instances until it is resumed, SIGHUP or a restart"
            );
        }
    }

    /// Drains it: it gets no new connections until the operator resumes it.
    pub fn drain(&self) {
        if self.counters.service.set(Service::Draining) {
            plugin_line!(warn, self,
                drain_deadline = ?self.config.limits.drain_deadline,
                "draining: it has no new connections until it is resumed, SIGHUP or a restart"
            );
        }
    }

    /// Makes this version the current one, with its limits, and ends quarantine, parking and draining.
    pub fn serve(&self) {
        self.usage.set_limits(&self.config.limits);
        self.counters.serve(self.generation);
        self.resume();
    }

    /// Ends quarantine, parking and draining.
    pub fn resume(&self) {
        let before = self.counters.service().name();
        if self.counters.resume() {
            tracing::info!(
                plugin = self.name(),
                tenant = self.config.tenant,
                "not {before} any more"
            );
        }
    }

    /// The value of a limit, if it is one of the plugin's or its tenant's.
    pub fn shown(&self, limit: Limit) -> Option<String> {
        let Limit::Of(bound) = limit else { return None };
        self.config.limits.show(bound).or_else(|| self.tenant.show(bound))
    }

    /// Charges CPU time of one of its instances to its tenant, and reports when the tenant has used it up. `subject` is as in
    /// [`Plugin::at_limit`].
    pub fn use_cpu(&self, used: Duration, now: Moment, subject: impl FnOnce() -> Option<Subject>) {
        self.counters.stats.used_cpu(used);
        let cpu = &self.tenant.cpu;
        if !cpu.is_bounded() {
            return;
        }
        cpu.take_time(used);
        if cpu.is_empty(now) {
            self.at_limit(now, &limits::CPU_PER_SECOND, subject);
        }
    }

    /// Logs what it uses now.
    pub fn log_usage(&self) {
        plugin_line!(
            info,
            self,
            connections = self.usage.accepted.acquired(),
            outgoing = self.usage.outgoing.acquired(),
            listeners = self.usage.listeners.acquired(),
            processes = self.usage.processes.acquired(),
            deferred = self.usage.deferred.acquired(),
            service = self.counters.service().name(),
            "in use"
        );
    }

    /// Logs every counter that is not zero.
    pub fn log_counters(&self) {
        let (plugin, tenant, version) = (self.name(), &*self.config.tenant, &*self.version);
        let count = self.counters.traps.load(Ordering::Relaxed);
        if 0 < count {
            tracing::info!(plugin, tenant, version, what = "traps", count, "counted");
        }
        for (counted, count) in self.counters.all() {
            let (what, of) = match counted {
                CounterKey::Denial(call) => ("denials", call.into()),
                CounterKey::Limit(limit) => ("limits", limit.name()),
                CounterKey::Missing(call) => ("missing exports", call.into()),
                CounterKey::Proxy(why) => ("PROXY headers", why.into()),
            };
            tracing::info!(plugin, tenant, version, what, of = &*of, count, "counted");
        }
    }

    /// Reports that an instance could not be made because of a limit, which is set to `value`, or because the system has no
    /// resources left. `subject` is the connection that needs it. Does not count as a trap.
    pub fn found_no_room(
        &self,
        now: Moment,
        limit: Limit,
        value: &str,
        cause: &GuestText,
        subject: Option<&Subject>,
    ) {
        let Some(count) = self.counters.count(CounterKey::Limit(limit), now) else { return };
        self.tell(now, || {
            plugin_line!(warn, self, about subject,
                limit = &*limit.name(),
                value,
                ?cause,
                count,
                "no room for one more instance"
            );
        });
    }

    /// Reports that a connection at the listener `address` was reset because its PROXY protocol header was rejected. `why` is
    /// the counter; `cause` has details.
    pub fn header_refused(
        &self,
        now: Moment,
        why: &'static str,
        address: &str,
        peer: &str,
        cause: Option<&str>,
    ) {
        let Some(count) = self.counters.count(CounterKey::Proxy(why), now) else { return };
        self.tell(now, || {
            plugin_line!(warn, self, address, peer, cause, count, "reset: {why}");
        });
    }

    /// Reports that a limit of the plugin or its tenant was reached. `subject` gives the connection; it is called only if a line
    /// is written.
    pub fn at_limit(
        &self,
        now: Moment,
        limit: impl Into<Limit>,
        subject: impl FnOnce() -> Option<Subject>,
    ) {
        let limit = limit.into();
        self.at_limit_of(now, limit, || self.shown(limit).unwrap_or_default(), subject);
    }

    /// Like [`Plugin::at_limit`], for a limit of another plugin or of the host, which is set to `value`.
    pub fn at_limit_of<V: Display>(
        &self,
        now: Moment,
        limit: Limit,
        value: impl FnOnce() -> V,
        subject: impl FnOnce() -> Option<Subject>,
    ) {
        let Some(count) = self.counters.count(CounterKey::Limit(limit), now) else { return };
        let (subject, value) = (subject(), value());
        self.tell(now, || {
            plugin_line!(warn, self, about subject.as_ref(),
                limit = &*limit.name(),
                value = %value,
                count,
                "at a limit"
            );
        });
    }
}
