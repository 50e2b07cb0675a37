//! The JSON answers of the routes. Texts of guests are sanitised as for the log, and escaped by JSON besides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::histogram::{Distribution, EDGES};
use crate::clock::Moment;
use crate::config::model::Isolation;
use crate::log::text::GuestText;
use crate::mail::inquiry::{ConnectionRow, InstanceRow, LoopAnswer, LoopQuestion};
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::tenant::Tenant;
use crate::run::admin::exposition::seconds;
use crate::run::admin::families::tenant_counts;
use crate::run::admin::health;
use crate::run::admin::process::ProcessFigures;
use crate::run::admin::query::PageQuery;
use crate::run::admin::reply::Refusal;
use crate::run::admin::watched::WatchedHost;

/// `GET /host`.
pub(super) fn host(watched: &WatchedHost) -> Value {
    let process = ProcessFigures::read();
    let loops = watched.host.loops.iter().map(|one| {
        let mut turns = Distribution::default();
        one.turns.add_to(&mut turns);
        json!({
            "connections": one.connections.get(),
            "instances": one.instances.get(),
            "runnable": one.runnable.get(),
            "turns": turns.buckets,
        })
    });
    let now = watched.clock.now();
    let last_reload = watched.host.reloads.last().map(
        |last| json!({ "seconds_ago": now.since(last.at).as_secs_f64(), "error": last.error }),
    );
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "last_reload": last_reload,
        "state": watched.host.readiness.get().name(),
        "unready": health::unready(watched),
        "uptime_seconds": watched.uptime().as_secs_f64(),
        "bucket_edges_seconds": EDGES.map(|(edge, _)| seconds(edge)),
        "reactors": loops.collect::<Vec<_>>(),
        "instances_limit": watched.limits.instances,
        "cpu_seconds": process.cpu_seconds,
        "resident_bytes": process.resident_bytes,
        "open_files": process.open_files,
        "open_files_limit": process.open_files_max,
    })
}

/// `GET /plugins`.
pub(super) fn plugins(watched: &WatchedHost) -> Value {
    json!({ "plugins": watched.roster().plugins().map(|it| plugin(it)).collect::<Vec<_>>() })
}

/// `GET /plugins/{name}`.
pub(super) fn plugin_named(watched: &WatchedHost, name: &str) -> Result<Value, Refusal> {
    let roster = watched.roster();
    let known = roster.named(name).ok_or_else(|| Refusal::UnknownPlugin(name.to_owned()))?;
    Ok(plugin(known))
}

fn plugin(plugin: &Plugin) -> Value {
    let (config, counters) = (&plugin.config, &plugin.counters);
    let stats = &counters.stats;
    let mut denials = 0;
    let mut reached = Vec::new();
    for (key, count) in counters.all() {
        match key {
            CounterKey::Denial(_) => denials += count,
            CounterKey::Limit(limit) => {
                reached.push(
                    json!({ "limit": limit.name(), "value": plugin.shown(limit), "count": count }),
                );
            }
            CounterKey::Missing(_) | CounterKey::Proxy(_) => {}
        }
    }
    let usage = plugin.usage.all();
    json!({
        "name": plugin.name(),
        "tenant": config.tenant,
        "version": plugin.version,
        "generation": plugin.generation,
        "component": config.component.to_string(),
        "isolation": if config.isolation == Isolation::Plugin { "plugin" } else { "connection" },
        "state": counters.service().name(),
        "events": stats.distribution(|on_loop| &on_loop.duration).count(),
        "latency": stats.distribution(|on_loop| &on_loop.latency).buckets,
        "duration": stats.distribution(|on_loop| &on_loop.duration).buckets,
        "received_bytes": stats.sum(|on_loop| &on_loop.received),
        "sent_bytes": stats.sum(|on_loop| &on_loop.sent),
        "accepted": stats.sum(|on_loop| &on_loop.accepted),
        "refused": stats.sum(|on_loop| &on_loop.turned_away),
        "cpu_seconds": stats.cpu().as_secs_f64(),
        "traps": counters.traps(),
        "denials": denials,
        "limits_reached": reached,
        "usage": usage.map(|(bound, used, limit)| usage_of(bound.name, used.into(), Some(limit.into()))),
    })
}

/// `GET /tenants`.
pub(super) fn tenants(watched: &WatchedHost) -> Value {
    let roster = watched.roster();
    let mut plugins: BTreeMap<usize, Vec<&Arc<Plugin>>> = BTreeMap::new();
    for plugin in roster.plugins() {
        plugins.entry(plugin.tenant.index).or_default().push(plugin);
    }
    let tenants = roster.tenants().map(|it| {
        let own = plugins.get(&it.index).map(Vec::as_slice).unwrap_or_default();
        tenant(watched, it, own)
    });
    json!({ "tenants": tenants.collect::<Vec<_>>() })
}

fn tenant(watched: &WatchedHost, tenant: &Tenant, own: &[&Arc<Plugin>]) -> Value {
    let cpu: Duration = own.iter().map(|plugin| plugin.counters.stats.cpu()).sum();
    let cpu_limit = tenant.limits().cpu_per_second;
    let bytes = tenant.bytes().map(|(bound, used, limit)| usage_of(bound.name, used, Some(limit)));
    let counts = tenant_counts(watched, tenant)
        .into_iter()
        .map(|(name, used, limit)| usage_of(name, used.into(), limit.map(u64::from)));
    let left_out =
        tenant.log.left_out().map(|(bound, count)| json!({ "limit": bound.name, "count": count }));
    json!({
        "name": tenant.name,
        "plugins": own.iter().map(|plugin| plugin.name()).collect::<Vec<_>>(),
        "cpu_seconds": cpu.as_secs_f64(),
        "cpu_per_second_limit": cpu_limit.map(|limit| limit.as_secs_f64()),
        "bytes": bytes,
        "counts": counts.collect::<Vec<_>>(),
        "hand_ons": tenant.holds.hand_ons(),
        "longest_hold_seconds": tenant.holds.longest().as_secs_f64(),
        "log_left_out": left_out,
    })
}

fn usage_of(limit: &str, used: u64, most: Option<u64>) -> Value {
    json!({ "limit": limit, "used": used, "value": most })
}

/// `GET /traps`: of all plugins, the latest first.
pub(super) fn traps(watched: &WatchedHost) -> Value {
    let now = watched.clock.now();
    let roster = watched.roster();
    let mut all: Vec<(Moment, Value)> = Vec::new();
    for plugin in roster.plugins() {
        for it in plugin.counters.incidents.traps() {
            let (connection, handler) = named(it.connection);
            let value = json!({
                "plugin": plugin.name(),
                "seconds_ago": now.since(it.at).as_secs_f64(),
                "what": it.what,
                "event": it.event,
                "connection": connection,
                "handler": handler,
                "limit": it.limit,
                "cause": it.cause.as_ref().map(GuestText::as_str),
                "backtrace": it.backtrace.as_ref().map(GuestText::as_str),
                "count": it.count,
            });
            all.push((it.at, value));
        }
    }
    json!({ "traps": latest_first(all) })
}

/// `GET /denials`: of all plugins, the latest first.
pub(super) fn denials(watched: &WatchedHost) -> Value {
    let now = watched.clock.now();
    let roster = watched.roster();
    let mut all: Vec<(Moment, Value)> = Vec::new();
    for plugin in roster.plugins() {
        for it in plugin.counters.incidents.denials() {
            let (connection, handler) = named(it.connection);
            let value = json!({
                "plugin": plugin.name(),
                "seconds_ago": now.since(it.at).as_secs_f64(),
                "call": it.call,
                "target": it.target.as_ref().map(GuestText::as_str),
                "cause": it.cause,
                "remedy": it.remedy,
                "connection": connection,
                "handler": handler,
                "let_through": it.let_through,
                "count": it.count,
            });
            all.push((it.at, value));
        }
    }
    json!({ "denials": latest_first(all) })
}

fn named(connection: Option<(u32, GuestText)>) -> (Option<u32>, Option<String>) {
    let connection = connection.map(|(number, handler)| (number, handler.as_str().to_owned()));
    connection.unzip()
}

fn latest_first(mut all: Vec<(Moment, Value)>) -> Vec<Value> {
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.into_iter().map(|(_, value)| value).collect()
}

/// `GET /connections`.
pub(super) async fn connections(
    watched: &WatchedHost,
    query: &PageQuery,
) -> Result<Value, Refusal> {
    let (from, most) = (query.slot, query.limit);
    let answer = watched.page(query.reactor, LoopQuestion::Connections { from, most }).await;
    let Some(LoopAnswer::Connections(rows, next)) = answer else {
        return Err(Refusal::Stuck(query.reactor));
    };
    let rows = rows.iter().filter(|row| query.wants(&row.plugin)).map(connection);
    let rows: Vec<Value> = rows.collect();
    Ok(json!({ "connections": rows, "next": query.next(next, watched.posts.len()) }))
}

fn connection(row: &ConnectionRow) -> Value {
    json!({
        "number": row.number,
        "plugin": row.plugin,
        "handler": row.handler.as_str(),
        "outgoing": row.outgoing,
        "state": row.phase,
        "peer": row.peer,
        "outbox_bytes": row.outbox,
        "proxied": row.is_proxied,
        "silent_seconds": row.silent.as_secs_f64(),
    })
}

/// `GET /instances`.
pub(super) async fn instances(watched: &WatchedHost, query: &PageQuery) -> Result<Value, Refusal> {
    let (from, most) = (query.slot, query.limit);
    let answer = watched.page(query.reactor, LoopQuestion::Instances { from, most }).await;
    let Some(LoopAnswer::Instances(rows, next)) = answer else {
        return Err(Refusal::Stuck(query.reactor));
    };
    let rows = rows.iter().filter(|row| query.wants(&row.plugin)).map(instance);
    let rows: Vec<Value> = rows.collect();
    Ok(json!({ "instances": rows, "next": query.next(next, watched.posts.len()) }))
}

fn instance(row: &InstanceRow) -> Value {
    json!({
        "plugin": row.plugin,
        "state": row.state,
        "connections": row.connections,
        "queued": row.queued,
        "timers": row.timers,
        "process": row.is_process,
    })
}
