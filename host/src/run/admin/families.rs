//! Every metric: its name, its help text and its source. The table in `docs/metrics.md` is generated from them.
//!
//! Values of labels are names of the configuration or come from closed sets, never from guests or peers.

use std::sync::atomic::Ordering;

use crate::base::histogram::Distribution;
use crate::cluster::counters::{LinkCounters, QueueCounters};
use crate::cluster::line::Line;
use crate::cluster::processes::ProcessLink;
use crate::cluster::singleton::Singleton;
use crate::config::limits;
use crate::contract::callback::Callback;
use crate::contract::outcome::ClusterExit;
use crate::engine::cache;
use crate::log;
use crate::net::connection::CloseReason;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::service::Service;
use crate::plugin::stats::LoopStats;
use crate::plugin::tenant::Tenant;
use crate::quota::term::ProgramName;
use crate::run::admin::exposition::{
    Exposition, ExpositionFormat, MetricKind, MetricName, Samples,
};
use crate::run::admin::health;
use crate::run::admin::process::ProcessFigures;
use crate::run::admin::watched::WatchedHost;

/// The sources of one scrape: the host, and the figures of the process, which are read once.
pub(super) struct Scrape<'a> {
    watched: &'a WatchedHost,
    process: ProcessFigures,
}

/// A family, and the function that writes its samples.
pub(super) struct MetricFamily {
    of: MetricName,
    collect: fn(&Scrape<'_>, &mut Samples<'_>),
}

/// The labels of metrics of a plugin.
const PLUGIN: &[&str] = &["plugin", "tenant"];
/// The labels of metrics of a loop.
const REACTOR: &[&str] = &["reactor"];

macro_rules! families {
    ($($kind:ident $name:literal $labels:expr, $help:literal, $collect:expr;)*) => {
        /// All families, in the order of the text.
        pub(super) const FAMILIES: &[MetricFamily] = &[$(MetricFamily {
            of: MetricName { name: $name, kind: MetricKind::$kind, labels: $labels, help: $help },
            collect: $collect,
        },)*];
    };
}

families! {
    Gauge "sandloop_build_info" &["version"], "Always 1; the version of the host.",
        |_, out| out.add(&[env!("CARGO_PKG_VERSION")], 1);
    Gauge "sandloop_ready" &[], "1 while connections may come, as /readyz says.",
        |scrape, out| out.add(&[], u8::from(health::unready(scrape.watched).is_none()));
    Gauge "sandloop_uptime_seconds" &[], "Since the host has begun.",
        |scrape, out| out.add(&[], scrape.watched.uptime().as_secs_f64());
    Gauge "sandloop_reactor_connections" REACTOR, "Connections of the reactor when its last turn began.",
        |scrape, out| scrape.reactors(out, |it| it.connections.get());
    Gauge "sandloop_reactor_instances" REACTOR, "Sandboxes of the reactor when its last turn began.",
        |scrape, out| scrape.reactors(out, |it| it.instances.get());
    Gauge "sandloop_reactor_runnable_instances" REACTOR, "Sandboxes that were to be entered when the reactor's last turn began.",
        |scrape, out| scrape.reactors(out, |it| it.runnable.get());
    Histogram "sandloop_reactor_turn_duration_seconds" REACTOR, "Work of one turn of the loop, from the moment at which its poll has returned.",
        |scrape, out| {
            for (number, one) in scrape.watched.host.loops.iter().enumerate() {
                let mut sum = Distribution::default();
                one.turns.add_to(&mut sum);
                out.distribution(&[&number.to_string()], &sum);
            }
        };
    Gauge "sandloop_plugin_info" &["plugin", "tenant", "version"], "Always 1; which build of its component a plugin runs: the beginning of its SHA-256.",
        |scrape, out| {
            for plugin in scrape.watched.roster().plugins() {
                out.add(&[plugin.name(), &plugin.config.tenant, &plugin.version], 1);
            }
        };
    Gauge "sandloop_plugin_state" &["plugin", "tenant", "state"], "1 for the state that the plugin is in, 0 for the others: serving, quarantined (too many traps), parked or draining (by its operator).",
        |scrape, out| {
            for plugin in scrape.watched.roster().plugins() {
                for service in Service::ALL {
                    let is_in = plugin.counters.service() == service;
                    out.add(&[plugin.name(), &plugin.config.tenant, service.name()], u64::from(is_in));
                }
            }
        };
    Counter "sandloop_events_total" &["plugin", "tenant", "callback"], "Calls into the plugin's sandboxes that have returned, by callback.",
        |scrape, out| scrape.by_word(out, |it| {
            Callback::ALL.iter().map(|(callback, name)| {
                ((*name).to_owned(), it.counters.stats.sum(|on_loop| &on_loop.events[*callback as usize]))
            }).collect()
        });
    Histogram "sandloop_event_latency_seconds" PLUGIN, "From the moment at which the loop learned of an event to the return of its handler, the slow lane included.",
        |scrape, out| scrape.distributions(out, |it| it.counters.stats.distribution(|on_loop| &on_loop.latency));
    Histogram "sandloop_event_duration_seconds" PLUGIN, "From the entry into a handler to its return, the slow lane included.",
        |scrape, out| scrape.distributions(out, |it| it.counters.stats.distribution(|on_loop| &on_loop.duration));
    Counter "sandloop_cpu_seconds_total" PLUGIN, "Time that the plugin's handlers and operations have used of a core.",
        |scrape, out| {
            for plugin in scrape.watched.roster().plugins() {
                out.add(&[plugin.name(), &plugin.config.tenant], plugin.counters.stats.cpu().as_secs_f64());
            }
        };
    Counter "sandloop_received_bytes_total" PLUGIN, "Bytes that were handed to the plugin's handlers.",
        |scrape, out| scrape.plugins(out, |it| it.counters.stats.sum(|on_loop| &on_loop.received));
    Counter "sandloop_sent_bytes_total" PLUGIN, "Bytes that the system has taken from the plugin's connections, before TLS.",
        |scrape, out| scrape.plugins(out, |it| it.counters.stats.sum(|on_loop| &on_loop.sent));
    Counter "sandloop_connections_accepted_total" PLUGIN, "Connections that were accepted for the plugin.",
        |scrape, out| scrape.plugins(out, |it| it.counters.stats.sum(|on_loop| &on_loop.accepted));
    Counter "sandloop_connections_refused_total" PLUGIN, "Connections that a listener with at_capacity = refuse has turned away.",
        |scrape, out| scrape.plugins(out, |it| it.counters.stats.sum(|on_loop| &on_loop.turned_away));
    Counter "sandloop_connections_ended_total" &["plugin", "tenant", "reason"], "Connections whose end the plugin was told of, by the reason.",
        |scrape, out| scrape.by_word(out, |it| {
            CloseReason::ALL.iter().map(|(reason, name)| {
                ((*name).to_owned(), it.counters.stats.sum(|on_loop| &on_loop.ended[*reason as usize]))
            }).collect()
        });
    Gauge "sandloop_plugin_usage" &["plugin", "tenant", "limit"], "What the plugin has at this moment of what a limit of plugins.<name>.limits bounds.",
        |scrape, out| scrape.usages(out, |_, (used, _)| Some(used.to_string()));
    Gauge "sandloop_plugin_limit" &["plugin", "tenant", "limit"], "What the limit is set to.",
        |scrape, out| scrape.usages(out, |_, (_, limit)| Some(limit.to_string()));
    Counter "sandloop_traps_total" PLUGIN, "Sandboxes of the plugin that have ended as they should not have.",
        |scrape, out| scrape.plugins(out, |it| it.counters.traps());
    Counter "sandloop_denials_total" &["plugin", "tenant", "call"], "Calls that plugins.<name>.allow does not grant, by their names in the contract; those that there have been.",
        |scrape, out| scrape.counted(out, |key| match key {
            CounterKey::Denial(call) => Some(call.to_owned()),
            _ => None,
        });
    Counter "sandloop_limits_reached_total" &["plugin", "tenant", "limit"], "How often the plugin came to a limit, by the limit's name in the log; those that were reached.",
        |scrape, out| scrape.counted(out, |key| match key {
            CounterKey::Limit(limit) => Some(limit.name().into_owned()),
            _ => None,
        });
    Counter "sandloop_proxy_headers_refused_total" &["plugin", "tenant", "cause"], "Connections that were reset for their header of the PROXY protocol.",
        |scrape, out| scrape.counted(out, |key| match key {
            CounterKey::Proxy(why) => Some(why.to_owned()),
            _ => None,
        });
    Gauge "sandloop_tenant_usage_bytes" &["tenant", "limit"], "Bytes that the tenant has at this moment of what a limit of tenants.<name>.limits bounds.",
        |scrape, out| scrape.tenant_bytes(out, |(used, _)| Some(used as f64));
    Gauge "sandloop_tenant_limit_bytes" &["tenant", "limit"], "What the limit is set to.",
        |scrape, out| scrape.tenant_bytes(out, |(_, limit)| Some(limit as f64));
    Gauge "sandloop_tenant_usage" &["tenant", "limit"], "What the tenant has at this moment of what a limit of tenants.<name>.limits bounds.",
        |scrape, out| scrape.tenant_counts(out, |(used, _)| Some(used));
    Gauge "sandloop_tenant_limit" &["tenant", "limit"], "What the limit is set to, where there is one.",
        |scrape, out| scrape.tenant_counts(out, |(_, limit)| limit);
    Counter "sandloop_loop_hand_ons_total" &["tenant"], "Handlers of the tenant that have outlived their slice, so that another thread went on with the loop.",
        |scrape, out| {
            for tenant in scrape.watched.roster().tenants() {
                out.add(&[&tenant.name], tenant.holds.hand_ons());
            }
        };
    Gauge "sandloop_loop_longest_hold_seconds" &["tenant"], "The longest time that a handler of the tenant has held a loop.",
        |scrape, out| {
            for tenant in scrape.watched.roster().tenants() {
                out.add(&[&tenant.name], tenant.holds.longest().as_secs_f64());
            }
        };
    Counter "sandloop_log_lines_left_out_total" &["tenant", "limit"], "Lines of the log that were left out, by the limit; the host's own have no tenant.",
        |scrape, out| {
            out.add(&["", limits::LOG_QUEUE.name], log::left_out());
            scrape.left_out(out, false);
        };
    Counter "sandloop_stdout_left_out_bytes_total" &["tenant", "limit"], "Bytes for standard output that were left out, by the limit.",
        |scrape, out| scrape.left_out(out, true);
    Gauge "sandloop_deferred_jobs_waiting" &[], "Deferred jobs that wait for a worker.",
        |scrape, out| out.add(&[], scrape.watched.host.jobs.waiting());
    Gauge "sandloop_instances_limit" &[], "Sandboxes that may be alive at once in the host.",
        |scrape, out| out.add(&[], scrape.watched.limits.instances);
    Counter "sandloop_reloads_total" &["result"], "Reloads of the configuration, by whether it was taken or refused.",
        |scrape, out| {
            let reloads = &scrape.watched.host.reloads;
            out.add(&["taken"], reloads.taken());
            out.add(&["refused"], reloads.refused());
        };
    Gauge "sandloop_last_reload_successful" &[], "0 where the last reload was refused, so that the file is not what is served.",
        |scrape, out| {
            let last = scrape.watched.host.reloads.last();
            out.add(&[], u8::from(last.is_none_or(|last| last.error.is_none())));
        };
    Counter "sandloop_compile_cache_hits_total" &[], "Components that the compile cache had.",
        |_, out| out.add(&[], cache::counts().0);
    Counter "sandloop_compile_cache_misses_total" &[], "Components that the compile cache had not.",
        |_, out| out.add(&[], cache::counts().1);
    Gauge "sandloop_cluster_hosts" &[], "Other hosts of the cluster that are there; no sample where the host is alone.",
        |scrape, out| scrape.watched.host.cluster.iter().for_each(|it| out.add(&[], it.hosts.count()));
    Gauge "sandloop_cluster_connected" &["tenant"], "1 while the connection to NATS is there; the host's own, which tenants share, has no tenant.",
        |scrape, out| scrape.lines(out, |line| Some(f64::from(u8::from(line.is_connected()))));
    Gauge "sandloop_cluster_round_trip_seconds" &["tenant"], "How long a word to the NATS server and back took when it was last measured.",
        |scrape, out| scrape.lines(out, |line| line.round_trip().map(|time| time.as_secs_f64()));
    Counter "sandloop_cluster_connections_total" &["tenant"], "How often the connection to NATS was made.",
        |scrape, out| scrape.lines(out, |line| Some(line.counters.connected.get() as f64));
    Counter "sandloop_cluster_connections_lost_total" &["tenant"], "How often the connection to NATS was lost.",
        |scrape, out| scrape.lines(out, |line| Some(line.counters.lost.get() as f64));
    Counter "sandloop_cluster_errors_total" &["tenant"], "Complaints of the NATS server, and messages that it has not taken.",
        |scrape, out| scrape.lines(out, |line| Some(line.counters.errors.get() as f64));
    Counter "sandloop_cluster_published_total" &["tenant"], "Messages of the tenant's channels that were handed to NATS for other hosts.",
        |scrape, out| scrape.parts(out, channels_of, |counters| counters.published.get());
    Counter "sandloop_cluster_received_total" &["tenant"], "Messages of other hosts that went to subscribers of the tenant here.",
        |scrape, out| scrape.parts(out, channels_of, |counters| counters.received.get());
    Gauge "sandloop_cluster_subscriptions" &["tenant"], "Channels of the tenant that this host is subscribed to on other hosts.",
        |scrape, out| scrape.parts(out, channels_of, |counters| counters.subscriptions.load(Ordering::Relaxed) as u64);
    Counter "sandloop_cluster_refused_total" &["tenant", "reason"], "Pushes that were refused: too much waited to go out (full), or no server of the cluster takes so much (too-large).",
        |scrape, out| scrape.parts_by(out, channels_of, |counters| {
            [("full", counters.refused.get()), ("too-large", counters.too_large.get())]
        });
    Counter "sandloop_cluster_lost_total" &["tenant", "reason"], "Messages of other hosts that no subscriber here got: they have not come, by the numbers of their senders (missed), or there was no room for them (left-out).",
        |scrape, out| scrape.parts_by(out, channels_of, |counters| {
            [("missed", counters.missed.get()), ("left-out", counters.left_out.get())]
        });
    Gauge "sandloop_singleton_fencing" PLUGIN, "The number of the term in which this host has the program of the singleton; no sample while it has not.",
        |scrape, out| scrape.singletons(out, Singleton::fencing);
    Counter "sandloop_singleton_terms_total" PLUGIN, "How often this host was granted the lease of the singleton.",
        |scrape, out| scrape.singletons(out, |singleton| Some(singleton.counters.terms.get()));
    Counter "sandloop_singleton_renewals_total" PLUGIN, "Renewals of the lease that were granted.",
        |scrape, out| scrape.singletons(out, |singleton| Some(singleton.counters.renewals.get()));
    Counter "sandloop_singleton_not_renewed_total" PLUGIN, "Attempts to renew the lease in vain: NATS was not reached, or has not answered in time.",
        |scrape, out| scrape.singletons(out, |singleton| Some(singleton.counters.not_renewed.get()));
    Counter "sandloop_singleton_lapsed_total" PLUGIN, "Programs that were ended because the lease was not renewed in time, or taken away.",
        |scrape, out| scrape.singletons(out, |singleton| Some(singleton.counters.lapsed.get()));
    Counter "sandloop_cluster_queue_stored_total" &["tenant"], "Items that were pushed here to queues of the cluster and that JetStream has stored.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.stored.get());
    Gauge "sandloop_cluster_queue_unstored" &["tenant"], "Items that were pushed here and are not stored yet.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.unstored.load(Ordering::Relaxed) as u64);
    Counter "sandloop_cluster_queue_refused_total" &["tenant", "reason"], "Pushes to queues of the cluster that were refused: too much waited to be stored (full), or no server of the cluster takes so much (too-large).",
        |scrape, out| scrape.parts_by(out, queues_of, |counters| {
            [("full", counters.refused.get()), ("too-large", counters.too_large.get())]
        });
    Gauge "sandloop_cluster_queue_in_hand" &["tenant"], "Items that this host has: they are claimed, have a handler, or are not acknowledged yet.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.in_hand.load(Ordering::Relaxed) as u64);
    Gauge "sandloop_cluster_queue_names" &["tenant"], "Queues of the tenant that this host asks for items of.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.names.load(Ordering::Relaxed) as u64);
    Counter "sandloop_cluster_queue_handled_total" &["tenant"], "Items whose handler here has returned and that are acknowledged.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.handled.get());
    Counter "sandloop_cluster_queue_redelivered_total" &["tenant"], "Items that came here after another handler was lost with them, here or elsewhere.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.redelivered.get());
    Counter "sandloop_cluster_queue_returned_total" &["tenant", "reason"], "Items that this host has given back: their handler has trapped or was lost with its instance (lost), or has not begun (untold).",
        |scrape, out| scrape.parts_by(out, queues_of, |counters| {
            [("lost", counters.handlers_lost.get()), ("untold", counters.given_back.get())]
        });
    Counter "sandloop_cluster_queue_dead_lettered_total" &["tenant"], "Items that this host has made dead letters.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.dead_lettered.get());
    Counter "sandloop_cluster_queue_faults_total" &["tenant"], "What JetStream has not done for the tenant's queues, or not in time; each is tried again.",
        |scrape, out| scrape.parts(out, queues_of, |counters| counters.faults.get());
    Gauge "sandloop_cluster_processes" &["tenant", "side"], "Processes of the cluster that instances of this host have spawned, on any host (children), and those that are on this host, of parents on any (residents).",
        |scrape, out| scrape.parts_by(out, processes_of, |link| {
            let [children, residents, _] = link.counts();
            [("children", children as u64), ("residents", residents as u64)]
        });
    Gauge "sandloop_cluster_process_hosts" &["tenant"], "Other hosts that can have processes of the tenant, as last heard.",
        |scrape, out| scrape.parts(out, processes_of, |link| link.counts()[2] as u64);
    Counter "sandloop_cluster_processes_spawned_total" &["tenant"], "Processes of the cluster that instances of this host have asked for.",
        |scrape, out| scrape.parts(out, processes_of, |link| link.counters.spawned.get());
    Counter "sandloop_cluster_process_exits_total" &["tenant", "reason"], "Ends of such processes that were told to their parents on this host, by reason.",
        |scrape, out| scrape.parts_by(out, processes_of, |link| {
            ClusterExit::ALL.iter().map(|(exit, name)| (*name, link.counters.exits[*exit as usize].get())).collect::<Vec<_>>()
        });
    Counter "sandloop_cluster_processes_ended_total" &["tenant", "reason"], "Processes that other hosts wanted here and did not get (turned-away), and those that were ended because the host of their parents was lost (orphan).",
        |scrape, out| scrape.parts_by(out, processes_of, |link| {
            [("turned-away", link.counters.turned_away.get()), ("orphan", link.counters.orphans.get())]
        });
    Counter "sandloop_cluster_process_messages_total" &["tenant", "way"], "Messages between hosts about processes: handed to NATS (sent), put into mailboxes here (received), missing by the numbers of their senders (missed), without room in a mailbox here (left-out), without room in the outbox (full), too large for the server (too-large), and what no host says (ignored).",
        |scrape, out| scrape.parts_by(out, processes_of, |link| {
            let traffic = &link.counters.traffic;
            [
                ("sent", traffic.published.get()),
                ("received", traffic.received.get()),
                ("missed", traffic.missed.get()),
                ("left-out", traffic.left_out.get()),
                ("full", traffic.refused.get()),
                ("too-large", traffic.too_large.get()),
                ("ignored", link.counters.ignored.get()),
            ]
        });
    Counter "process_cpu_seconds_total" &[], "CPU time of all threads of the process.",
        |scrape, out| out.add(&[], scrape.process.cpu_seconds);
    Gauge "process_resident_memory_bytes" &[], "Memory of the process that is there.",
        |scrape, out| out.add(&[], scrape.process.resident_bytes);
    Gauge "process_threads" &[], "Threads of the process.",
        |scrape, out| out.add(&[], scrape.process.threads);
    Gauge "process_open_fds" &[], "File descriptors that are open.",
        |scrape, out| out.add(&[], scrape.process.open_files);
    Gauge "process_max_fds" &[], "File descriptors that may be open, where there is a bound.",
        |scrape, out| scrape.process.open_files_max.iter().for_each(|most| out.add(&[], most));
}

impl<'a> Scrape<'a> {
    /// Reads the figures of the process.
    pub(super) fn of(watched: &'a WatchedHost) -> Scrape<'a> {
        Scrape { watched, process: ProcessFigures::read() }
    }

    /// The whole text.
    pub(super) fn text(&self, format: ExpositionFormat) -> String {
        let mut exposition = Exposition::new(format);
        for family in FAMILIES {
            (family.collect)(self, &mut exposition.family(&family.of));
        }
        exposition.finish()
    }

    fn reactors(&self, out: &mut Samples<'_>, value: fn(&LoopStats) -> u64) {
        for (number, one) in self.watched.host.loops.iter().enumerate() {
            out.add(&[&number.to_string()], value(one));
        }
    }

    fn plugins(&self, out: &mut Samples<'_>, value: impl Fn(&Plugin) -> u64) {
        for plugin in self.watched.roster().plugins() {
            out.add(&[plugin.name(), &plugin.config.tenant], value(plugin));
        }
    }

    fn distributions(&self, out: &mut Samples<'_>, value: impl Fn(&Plugin) -> Distribution) {
        for plugin in self.watched.roster().plugins() {
            out.distribution(&[plugin.name(), &plugin.config.tenant], &value(plugin));
        }
    }

    /// Counts of plugins by a value of a closed set. Zero counts are written too, so that a family exists from the start.
    fn by_word(&self, out: &mut Samples<'_>, values: impl Fn(&Plugin) -> Vec<(String, u64)>) {
        for plugin in self.watched.roster().plugins() {
            for (word, count) in values(plugin).into_iter().filter(|(_, count)| 0 < *count) {
                out.add(&[plugin.name(), &plugin.config.tenant, &word], count);
            }
        }
    }

    fn counted(&self, out: &mut Samples<'_>, word: fn(CounterKey) -> Option<String>) {
        self.by_word(out, |plugin| {
            let all = plugin.counters.all().into_iter();
            all.filter_map(|(key, count)| Some((word(key)?, count))).collect()
        });
    }

    fn usages(&self, out: &mut Samples<'_>, value: impl Fn(&str, (u32, u32)) -> Option<String>) {
        for plugin in self.watched.roster().plugins() {
            for (bound, used, limit) in plugin.usage.all() {
                if let Some(value) = value(bound.name, (used, limit)) {
                    out.add(&[plugin.name(), &plugin.config.tenant, bound.name], value);
                }
            }
        }
    }

    fn tenant_bytes(&self, out: &mut Samples<'_>, value: fn((u64, u64)) -> Option<f64>) {
        for tenant in self.watched.roster().tenants() {
            for (bound, used, limit) in tenant.bytes() {
                value((used, limit))
                    .iter()
                    .for_each(|value| out.add(&[&tenant.name, bound.name], value));
            }
        }
    }

    fn tenant_counts(&self, out: &mut Samples<'_>, value: fn((u32, Option<u32>)) -> Option<u32>) {
        for tenant in self.watched.roster().tenants() {
            for (name, used, limit) in tenant_counts(self.watched, tenant) {
                value((used, limit)).iter().for_each(|value| out.add(&[&tenant.name, name], value));
            }
        }
    }

    /// Of each connection to NATS.
    fn lines(&self, out: &mut Samples<'_>, value: impl Fn(&Line) -> Option<f64>) {
        for line in self.watched.host.cluster.iter().flat_map(|cluster| cluster.lines()) {
            let tenant = line.tenant.as_deref().unwrap_or_default();
            value(&line).iter().for_each(|value| out.add(&[tenant], value));
        }
    }

    /// Of each program that runs on one host at a time.
    fn singletons(&self, out: &mut Samples<'_>, value: impl Fn(&Singleton) -> Option<u64>) {
        for singleton in
            self.watched.host.cluster.iter().flat_map(|cluster| cluster.singletons.served())
        {
            let ProgramName { tenant, plugin } = &singleton.program;
            value(&singleton).iter().for_each(|value| out.add(&[plugin.as_str(), tenant], value));
        }
    }

    /// Of each tenant with this part in the cluster.
    fn parts<T>(
        &self,
        out: &mut Samples<'_>,
        part: impl Fn(&Tenant) -> Option<&T>,
        value: impl Fn(&T) -> u64,
    ) {
        for tenant in self.watched.roster().tenants() {
            part(tenant).iter().for_each(|part| out.add(&[&tenant.name], value(part)));
        }
    }

    fn parts_by<T, V: IntoIterator<Item = (&'static str, u64)>>(
        &self,
        out: &mut Samples<'_>,
        part: impl Fn(&Tenant) -> Option<&T>,
        values: impl Fn(&T) -> V,
    ) {
        for tenant in self.watched.roster().tenants() {
            for (word, count) in part(tenant).into_iter().flat_map(&values) {
                out.add(&[&tenant.name, word], count);
            }
        }
    }

    fn left_out(&self, out: &mut Samples<'_>, of_output: bool) {
        for tenant in self.watched.roster().tenants() {
            for (bound, count) in tenant.log.left_out() {
                if (*bound == limits::STDOUT_QUEUE) == of_output {
                    out.add(&[&tenant.name, bound.name], count);
                }
            }
        }
    }
}

/// What is counted of a tenant's channels that reach other hosts.
fn channels_of(tenant: &Tenant) -> Option<&LinkCounters> {
    tenant.link.as_ref().map(|link| &*link.counters)
}

/// What is counted of its queues in the cluster.
fn queues_of(tenant: &Tenant) -> Option<&QueueCounters> {
    tenant.queue_link.as_ref().map(|link| &*link.counters)
}

/// Its processes in the cluster.
fn processes_of(tenant: &Tenant) -> Option<&ProcessLink> {
    tenant.process_link.as_deref()
}

/// The current use and the limit of each count of a tenant.
pub(super) fn tenant_counts(
    watched: &WatchedHost,
    tenant: &Tenant,
) -> Vec<(&'static str, u32, Option<u32>)> {
    let own = tenant.all_counts().into_iter();
    let mut counts: Vec<_> =
        own.map(|(bound, used, limit)| (bound.name, used, Some(limit))).collect();
    let instances = watched.quota.of_tenant(tenant.index);
    counts.extend(instances.map(|(used, limit)| (limits::TENANT_INSTANCES.name, used, limit)));
    counts
}

/// The table of all metrics in Markdown, for `docs/metrics.md`.
#[cfg(test)]
fn reference() -> String {
    use std::fmt::Write as _;

    let mut text =
        String::from("| metric | kind | labels | what it says |\n| --- | --- | --- | --- |\n");
    for MetricFamily { of, .. } in FAMILIES {
        let labels: Vec<String> = of.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, labels) = (of.name, of.kind.name(), labels.join(", "));
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", of.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_reference_has_every_metric() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let page = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let reference = reference();
        assert!(
            page.contains(&reference),
            "the table of metrics in docs/metrics.md is old; put this into its place:\n{reference}"
        );
    }

    /// The naming rules of Prometheus: https://prometheus.io/docs/practices/naming/.
    #[test]
    fn names_follow_the_rules() {
        let mut names = BTreeSet::new();
        for MetricFamily { of, .. } in FAMILIES {
            let name = of.name;
            assert!(names.insert(name), "{name} twice");
            assert!(name.starts_with("sandloop_") || name.starts_with("process_"), "{name}");
            let is_word = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(is_word(name) && of.labels.iter().all(|label| is_word(label)), "{name}");
            assert_eq!(name.ends_with("_total"), of.kind == MetricKind::Counter, "{name}");
            assert!(of.kind != MetricKind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(of.help.ends_with('.') && !of.help.contains(['\\', '\n', '|']), "{name}");
            assert!(!of.labels.contains(&"le"), "{name}");
        }
    }
}
