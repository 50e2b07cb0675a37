//! Keys that a reload cannot change.

use std::fmt::Debug;

use crate::config::admin::AdminConfig;
use crate::config::cluster::{ClusterConfig, NatsLogin, Sharing};
use crate::config::error::{ConfigError, Problem};
use crate::config::model::Config;
use crate::config::reloading::{self, AtReload};
use crate::config::socket_access::SocketAccess;

/// Checks that no key has changed that a running host cannot change.
///
/// # Errors
/// The first key that differs.
pub(super) fn check(served: &Config, config: &Config) -> Result<(), ConfigError> {
    let wrong = |key: &str, now: &str, wanted: &str| {
        let problem = Problem::new(
            format!("a running host cannot change it: it is {now}, and the file has {wanted}"),
            format!("write {now}, or start the host again"),
        );
        config.wrong(key, problem)
    };
    let is_fixed = |key: &str| reloading::of(key) == Some(AtReload::Refused);
    let (before, after) = (served.host.limits.amounts(), config.host.limits.amounts());
    for ((bound, before), (_, after)) in before.into_iter().zip(after) {
        let key = format!("host.{}", bound.name);
        if is_fixed(&key) && before != after {
            return Err(wrong(&key, &bound.literal(before), &bound.literal(after)));
        }
    }
    for ((key, before), (_, after)) in texts(served).into_iter().zip(texts(config)) {
        let key = format!("host.{key}");
        match (before, after) {
            (before, after) if before == after => {}
            (Some(before), Some(after)) => return Err(wrong(&key, &before, &after)),
            (before, _) => {
                let (says, remedy) = match before {
                    Some(before) => ("it is not there any more", format!("write {before}")),
                    None => ("it is new", "take it out".to_owned()),
                };
                let says = format!("a running host cannot change it: {says}");
                let remedy = format!("{remedy}, or start the host again");
                return Err(config.wrong(&key, Problem::new(says, remedy)));
            }
        }
    }
    if let Some(key) = other_key_of_admin(served.admin.as_ref(), config.admin.as_ref()) {
        let problem = Problem::new(
            "a running host cannot change how it is watched",
            "write it as it was, or start the host again",
        );
        return Err(config.wrong(&key, problem));
    }
    if let Some(key) = other_key_of_cluster(served.cluster.as_ref(), config.cluster.as_ref()) {
        let problem = Problem::new(
            "a running host cannot change which cluster it is in, nor how",
            "write it as it was, or start the host again",
        );
        return Err(config.wrong(&key, problem));
    }
    for tenant in &config.tenants {
        let before = served.tenants.iter().find(|before| before.name == tenant.name);
        if let Some(key) = before.and_then(|it| other_key_of_sharing(&it.sharing, &tenant.sharing))
        {
            let problem = Problem::new(
                "a running host cannot change what a tenant shares with other hosts",
                "write it as it was, or start the host again",
            );
            return Err(config.wrong(&format!("tenants.{}.{key}", tenant.name), problem));
        }
    }
    Ok(())
}

/// The first key of `[cluster]` that differs, or the section that has come or gone.
fn other_key_of_cluster(
    served: Option<&ClusterConfig>,
    wanted: Option<&ClusterConfig>,
) -> Option<String> {
    let (served, wanted) = match (served, wanted) {
        (None, None) => return None,
        (Some(served), Some(wanted)) => (served, wanted),
        _ => return Some("cluster".to_owned()),
    };
    let ClusterConfig {
        servers,
        name,
        prefix,
        login,
        authorities,
        identity,
        queues_are_durable,
        ready_when_apart,
        limits,
    } = served;
    let of_login = other_key_of_login(login, &wanted.login);
    let file =
        |of: &ClusterConfig| of.identity.as_ref().map(|(certificate, _)| certificate.clone());
    let keys = [
        ("nats", *servers != wanted.servers),
        ("name", *name != wanted.name),
        ("prefix", *prefix != wanted.prefix),
        (of_login.unwrap_or_default(), of_login.is_some()),
        ("server_ca", *authorities != wanted.authorities),
        ("certificate", file(served) != file(wanted)),
        ("key", *identity != wanted.identity),
        ("queue_storage", *queues_are_durable != wanted.queues_are_durable),
        ("apart", *ready_when_apart != wanted.ready_when_apart),
    ];
    let amounts = limits.amounts().into_iter().zip(wanted.limits.amounts());
    let amounts = amounts.map(|((bound, was), (_, is))| (bound.name, was != is));
    let other = keys.into_iter().chain(amounts).find(|(_, differs)| *differs);
    other.map(|(name, _)| format!("cluster.{name}"))
}

/// The first key of a tenant's section about the cluster that differs.
fn other_key_of_sharing(served: &Sharing, wanted: &Sharing) -> Option<String> {
    let Sharing { channels, queues, processes, login } = served;
    let of_login = match (login, &wanted.login) {
        (None, None) => None,
        (Some(served), Some(wanted)) => {
            other_key_of_login(served, wanted).map(|key| format!("cluster.{key}"))
        }
        _ => Some("cluster".to_owned()),
    };
    let keys = [
        ("channels", *channels != wanted.channels),
        ("queues", *queues != wanted.queues),
        ("processes", *processes != wanted.processes),
    ];
    let other = keys.into_iter().find(|(_, differs)| *differs);
    other.map(|(name, _)| name.to_owned()).or(of_login)
}

/// The key of a login that differs: that of the new one, or of the one that is gone.
fn other_key_of_login(served: &NatsLogin, wanted: &NatsLogin) -> Option<&'static str> {
    let key = |login: &NatsLogin| match login {
        NatsLogin::Nobody => None,
        NatsLogin::User(..) => Some("user"),
        NatsLogin::Token(_) => Some("token"),
        NatsLogin::Credentials(_) => Some("credentials"),
    };
    match (served, wanted) {
        (served, wanted) if served == wanted => None,
        (NatsLogin::User(served, _), NatsLogin::User(wanted, _)) if served == wanted => {
            Some("password")
        }
        _ => key(wanted).or_else(|| key(served)),
    }
}

/// The first key of `[admin]` that differs, or the section that has come or gone. Where it stands in the file does not count.
fn other_key_of_admin(
    served: Option<&AdminConfig>,
    wanted: Option<&AdminConfig>,
) -> Option<String> {
    let (served, wanted) = match (served, wanted) {
        (None, None) => return None,
        (Some(served), Some(wanted)) => (served, wanted),
        _ => return Some("admin".to_owned()),
    };
    let AdminConfig { address, access, token, public, hosts, ready_in_quarantine, limits, line: _ } =
        served;
    let SocketAccess { mode, owner, group } = access;
    let keys = [
        ("address", *address != wanted.address),
        ("mode", *mode != wanted.access.mode),
        ("owner", *owner != wanted.access.owner),
        ("group", *group != wanted.access.group),
        ("token", *token != wanted.token),
        ("public", *public != wanted.public),
        ("hosts", *hosts != wanted.hosts),
        ("quarantine", *ready_in_quarantine != wanted.ready_in_quarantine),
    ];
    let amounts = limits.amounts().into_iter().zip(wanted.limits.amounts());
    let amounts = amounts.map(|((bound, was), (_, is))| (bound.name, was != is));
    let other = keys.into_iter().chain(amounts).find(|(_, differs)| *differs);
    other.map(|(name, _)| format!("admin.{name}"))
}

/// The keys of `[host]` whose values are texts, as they may be written; nothing where there is none.
fn texts(config: &Config) -> [(&'static str, Option<String>); 4] {
    let host = &config.host;
    let word = |value: &dyn Debug| Some(format!("{:?}", format!("{value:?}").to_lowercase()));
    [
        ("log", word(&host.log)),
        ("log_format", word(&host.log_format)),
        ("backtraces", word(&host.backtraces)),
        ("handover", host.handover.as_ref().map(|path| format!("{path:?}"))),
    ]
}
