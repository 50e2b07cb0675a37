//! The effect of a reload on a changed key. Every key is listed.

/// The effect of a reload on a changed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtReload {
    /// It applies at once, to everything that exists.
    Live,
    /// It applies to new instances and connections; existing ones keep the old value.
    New,
    /// A running host cannot change it: the reload is refused and names it.
    Refused,
}

#[cfg(test)]
impl AtReload {
    fn words(self) -> &'static str {
        match self {
            Live => "holds at once",
            New => "holds for new instances and connections",
            Refused => "refused by name",
        }
    }
}

use AtReload::{Live, New, Refused};

/// An effect, and the keys of a table that have it.
type KeysOfKind = (AtReload, &'static [&'static str]);

/// Each table by its path, with its keys by effect.
const TABLES: &[(&str, &[KeysOfKind])] = &[
    ("", &[(Live, &["include", "host", "plugins", "tenants", "listen", "admin", "cluster"])]),
    (
        "host",
        &[
            (
                Refused,
                &[
                    "reactors",
                    "workers",
                    "slow_lane",
                    "log",
                    "log_format",
                    "backtraces",
                    "handover",
                    "slice",
                    "instances",
                    "log_queue",
                    "stdout_queue",
                ],
            ),
            (Live, &["stop_deadline", "close_deadline", "reload_on_change"]),
            (
                New,
                &[
                    "compile_cache",
                    "compile_cache_size",
                    "store",
                    "store_size",
                    "fetch_size",
                    "fetch_time",
                    "trust",
                    "registries",
                    "compile_memory",
                    "compile_time",
                ],
            ),
        ],
    ),
    ("host.registries.*", &[(New, &["user", "password", "server_ca"])]),
    (
        "plugins.*",
        &[
            (
                New,
                &[
                    "component",
                    "sha256",
                    "isolation",
                    "tenant",
                    "stdout",
                    "on_trap",
                    "farewell",
                    "policy",
                    "handover",
                    "singleton",
                    "options",
                    "environment",
                    "limits",
                    "allow",
                    "tls",
                ],
            ),
            (Live, &["rollback", "build"]),
        ],
    ),
    ("plugins.*.build", &[(Live, &["command", "watch", "output", "adapter"])]),
    (
        "plugins.*.limits",
        &[
            (
                Live,
                &[
                    "connections",
                    "listeners",
                    "outgoing",
                    "lookups",
                    "watches",
                    "deferred",
                    "processes",
                ],
            ),
            (
                New,
                &[
                    "memory",
                    "tables",
                    "memory_count",
                    "table_count",
                    "core_instances",
                    "cpu_per_event",
                    "event_deadline",
                    "handshake_deadline",
                    "drain_deadline",
                    "datagram_answers",
                    "accepts_per_second",
                    "timers",
                    "ticks",
                    "outbox_high",
                    "outbox_low",
                    "outbox_max",
                    "log_line",
                    "handles",
                    "call_bytes",
                    "http_body",
                    "traps",
                    "trap_window",
                    "cpu_per_operation",
                    "operation_deadline",
                    "mailbox",
                    "subscriptions",
                    "pops",
                    "message",
                ],
            ),
        ],
    ),
    (
        "plugins.*.allow",
        &[(
            New,
            &["connect", "listen", "spawn", "channels", "environment", "read", "write", "stop"],
        )],
    ),
    (
        "plugins.*.tls.*",
        &[(
            New,
            &[
                "certificate",
                "key",
                "certificates",
                "alpn",
                "client_ca",
                "client_certificate",
                "server_ca",
                "verify",
            ],
        )],
    ),
    ("plugins.*.tls.*.certificates.*", &[(New, &["certificate", "key"])]),
    (
        "tenants.*",
        &[(Live, &["limits"]), (Refused, &["channels", "queues", "processes", "cluster"])],
    ),
    ("tenants.*.cluster", &[(Refused, &["credentials", "user", "password", "token"])]),
    (
        "tenants.*.limits",
        &[(
            Live,
            &[
                "memory",
                "instances",
                "outboxes",
                "host_memory",
                "timers",
                "ticks",
                "subscriptions",
                "pops",
                "deferred",
                "handles",
                "cpu_per_second",
                "slow_calls",
                "channels",
                "channel",
                "queue",
                "messages",
                "cluster_outbox",
                "read_per_second",
                "write_per_second",
                "log_per_second",
            ],
        )],
    ),
    (
        "listen.*",
        &[
            (
                New,
                &[
                    "address",
                    "plugin",
                    "handler",
                    "options",
                    "at_capacity",
                    "certificate",
                    "key",
                    "certificates",
                    "alpn",
                    "client_ca",
                    "client_certificate",
                    "proxy_protocol",
                    "proxy_header",
                    "peer_idle",
                    "peer_queue",
                ],
            ),
            (Live, &["mode", "owner", "group", "backlog"]),
        ],
    ),
    (
        "admin",
        &[(
            Refused,
            &[
                "address",
                "mode",
                "owner",
                "group",
                "public",
                "token",
                "hosts",
                "quarantine",
                "clients",
                "request",
                "request_deadline",
            ],
        )],
    ),
    (
        "cluster",
        &[(
            Refused,
            &[
                "nats",
                "name",
                "prefix",
                "credentials",
                "user",
                "password",
                "token",
                "server_ca",
                "certificate",
                "key",
                "apart",
                "queue_storage",
                "ping",
                "connect_deadline",
                "lease",
                "queue_replicas",
                "queue_store",
                "queue_lease",
                "queue_deliveries",
            ],
        )],
    ),
    ("listen.*.certificates.*", &[(New, &["certificate", "key"])]),
    ("listen.*.proxy_protocol", &[(New, &["from"])]),
];

/// The effect on the key at a path, in the form of [`ConfigKey::path`](super::table::ConfigKey::path).
pub(crate) fn of(path: &str) -> Option<AtReload> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let (_, kinds) = TABLES.iter().find(|(known, _)| *known == table)?;
    kinds.iter().find(|(_, names)| names.contains(&name)).map(|(kind, _)| *kind)
}

/// The Markdown table, which `docs/config.md` contains.
#[cfg(test)]
fn reference() -> String {
    use std::fmt::Write as _;

    let mut text = String::from("| table | keys | when they differ |\n| --- | --- | --- |\n");
    for (table, kinds) in TABLES {
        for (kind, names) in *kinds {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let table = match *table {
                "" => "the file".to_owned(),
                table => format!("`{}`", table.replace(".*", ".<name>")),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {table} | {} | {} |", names.join(", "), kind.words());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    #[test]
    fn every_key_says_what_a_reload_does_with_it() {
        for key in keys::all() {
            assert!(of(&key.path()).is_some(), "{} is in no table of reloading.rs", key.path());
        }
        let known: Vec<String> = keys::all().map(super::super::table::ConfigKey::path).collect();
        for (table, kinds) in TABLES {
            for name in kinds.iter().flat_map(|(_, names)| *names) {
                let path =
                    if table.is_empty() { (*name).to_owned() } else { format!("{table}.{name}") };
                assert!(known.contains(&path), "{path} is no key");
            }
        }
    }

    #[test]
    fn the_reference_says_it() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.md");
        let page = std::fs::read_to_string(file).expect("docs/config.md");
        let table = reference();
        assert!(page.contains(&table), "put this into docs/config.md:\n{table}");
    }
}
