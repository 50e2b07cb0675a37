//! `GET /cluster`: the hosts, the connections to NATS, and what goes over them.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::cluster::counters::{LinkCounters, QueueCounters};
use crate::cluster::line::Line;
use crate::cluster::processes::ProcessLink;
use crate::cluster::singleton::Singleton;
use crate::contract::outcome::ClusterExit;
use crate::plugin::tenant::Tenant;
use crate::run::admin::watched::WatchedHost;

/// What the route answers; a `cluster` of null where the host is alone.
pub(super) fn cluster(watched: &WatchedHost) -> Value {
    let cluster = watched.host.cluster.as_ref().map(|cluster| {
        let hosts = cluster.hosts.all();
        let hosts = hosts.iter().map(|host| {
            let silence = cluster.hosts.silence(host).as_secs_f64();
            json!({ "host": host.id, "version": host.version, "silent_seconds": silence })
        });
        let roster = watched.roster();
        json!({
            "name": cluster.config.name,
            "host": cluster.id.as_str(),
            "others": hosts.collect::<Vec<_>>(),
            "connections": cluster.lines().iter().map(|line| connection(line)).collect::<Vec<_>>(),
            "singletons": cluster.singletons.served().iter().map(|it| singleton(it)).collect::<Vec<_>>(),
            "tenants": roster.tenants().filter_map(|it| tenant(it)).collect::<Vec<_>>(),
        })
    });
    json!({ "cluster": cluster })
}

fn connection(line: &Line) -> Value {
    json!({
        "tenant": line.tenant,
        "connected": line.is_connected(),
        "fault": line.fault(),
        "round_trip_seconds": line.round_trip().map(|time| time.as_secs_f64()),
        "made": line.counters.connected.get(),
        "lost": line.counters.lost.get(),
        "errors": line.counters.errors.get(),
        "overrun": line.counters.overrun.get(),
        "message_limit_bytes": line.payload_max(),
    })
}

fn singleton(singleton: &Singleton) -> Value {
    let (program, counters, state) = (&singleton.program, &singleton.counters, singleton.state());
    json!({
        "plugin": program.plugin,
        "tenant": program.tenant,
        "fencing": singleton.fencing(),
        "owner": state.owner,
        "fault": state.fault,
        "terms": counters.terms.get(),
        "renewals": counters.renewals.get(),
        "not_renewed": counters.not_renewed.get(),
        "lapsed": counters.lapsed.get(),
        "given_back": counters.given_back.get(),
    })
}

fn tenant(tenant: &Tenant) -> Option<Value> {
    let channels = tenant.link.as_ref().map(|link| channels(&link.counters));
    let queues = tenant.queue_link.as_ref().map(|link| queues(&link.counters));
    let processes = tenant.process_link.as_ref().map(|link| processes(link));
    let mut shown = match (channels, &queues, &processes) {
        (Some(Value::Object(channels)), ..) => channels,
        (_, None, None) => return None,
        _ => Map::new(),
    };
    shown.insert("name".to_owned(), json!(tenant.name));
    shown.insert("queues".to_owned(), json!(queues));
    shown.insert("processes".to_owned(), json!(processes));
    shown.insert("outbox_bytes".to_owned(), json!(tenant.cluster_outbox.held()));
    shown.insert("outbox_limit_bytes".to_owned(), json!(tenant.cluster_outbox.max()));
    Some(Value::Object(shown))
}

/// What has become of the items of a tenant's queues.
fn queues(counters: &QueueCounters) -> Value {
    json!({
        "stored": counters.stored.get(),
        "unstored": counters.unstored.load(Ordering::Relaxed),
        "refused": counters.refused.get(),
        "too_large": counters.too_large.get(),
        "in_hand": counters.in_hand.load(Ordering::Relaxed),
        "names": counters.names.load(Ordering::Relaxed),
        "handled": counters.handled.get(),
        "redelivered": counters.redelivered.get(),
        "handlers_lost": counters.handlers_lost.get(),
        "given_back": counters.given_back.get(),
        "dead_lettered": counters.dead_lettered.get(),
        "faults": counters.faults.get(),
    })
}

/// The processes of a tenant in the cluster.
fn processes(link: &ProcessLink) -> Value {
    let ([children, residents, hosts], counters) = (link.counts(), &link.counters);
    let exits = ClusterExit::ALL.iter().map(|(exit, name)| {
        let count = counters.exits[*exit as usize].get();
        ((*name).to_owned(), json!(count))
    });
    json!({
        "children": children,
        "residents": residents,
        "hosts": hosts,
        "spawned": counters.spawned.get(),
        "exits": Value::Object(exits.collect()),
        "turned_away": counters.turned_away.get(),
        "orphans": counters.orphans.get(),
        "sent": counters.traffic.published.get(),
        "received": counters.traffic.received.get(),
        "missed": counters.traffic.missed.get(),
        "left_out": counters.traffic.left_out.get(),
        "refused": counters.traffic.refused.get(),
        "too_large": counters.traffic.too_large.get(),
        "ignored": counters.ignored.get(),
    })
}

fn channels(counters: &LinkCounters) -> Value {
    json!({
        "subscriptions": counters.subscriptions.load(Ordering::Relaxed),
        "published": counters.published.get(),
        "received": counters.received.get(),
        "refused": counters.refused.get(),
        "too_large": counters.too_large.get(),
        "missed": counters.missed.get(),
        "left_out": counters.left_out.get(),
    })
}

/// Why the host is apart from the others, if its configuration makes that a reason for not being ready.
pub(super) fn unready(cluster: &Cluster) -> Option<String> {
    if cluster.config.ready_when_apart {
        return None;
    }
    let apart = cluster.lines().into_iter().find(|line| !line.is_connected())?;
    let whose = apart.tenant.as_ref().map_or(String::new(), |tenant| format!(" for {tenant}"));
    Some(format!("NATS is not reached{whose}"))
}
