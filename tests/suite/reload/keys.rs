//! Every key of the configuration, changed in a running host: the effect of a reload is that of `docs/config.md`.
//!
//! The keys are those of `sandloop schema`; one without a row here fails the test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sandloop_tests::certificates::Authority;
use sandloop_tests::{Admin, Host, LogLine, Peer, component, own_loopback, sandloop, workspace};
use serde_json::Value;

use super::{is_over, reload};

/// A table of the file: its name here, its header, its place in the schema, and its initial keys.
type Table = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLES: &[Table] = &[
    ("file", "", "", &[]),
    ("host", "[host]", "host", &[]),
    (
        "registry",
        "[host.registries.\"registry.example:5000\"]",
        "host.registries.*",
        &[("user", "\"somebody\""), ("password", "{ file = \"secret\" }")],
    ),
    ("plugin", "[plugins.it]", "plugins.*", &[("component", "\"ECHO\""), ("tenant", "\"own\"")]),
    ("limits", "[plugins.it.limits]", "plugins.*.limits", &[]),
    ("allow", "[plugins.it.allow]", "plugins.*.allow", &[]),
    ("build", "[plugins.it.build]", "plugins.*.build", &[("command", "\"true\"")]),
    (
        "profile",
        "[plugins.it.tls.up]",
        "plugins.*.tls.*",
        &[("certificate", "\"own.pem\""), ("key", "\"own.key\"")],
    ),
    (
        "profile certificates",
        "[[plugins.it.tls.up.certificates]]",
        "plugins.*.tls.*.certificates.*",
        &[("certificate", "\"own.pem\""), ("key", "\"own.key\"")],
    ),
    (
        "beside",
        "[plugins.beside]",
        "plugins.*",
        &[("component", "\"ECHO\""), ("isolation", "\"plugin\""), ("tenant", "\"own\"")],
    ),
    ("tenant", "[tenants.own]", "tenants.*", &[]),
    ("tenant limits", "[tenants.own.limits]", "tenants.*.limits", &[]),
    ("tcp", "[[listen]]", "listen.*", &[("address", "\"tcp://OWN:7100\""), ("plugin", "\"it\"")]),
    (
        "tls",
        "[[listen]]",
        "listen.*",
        &[
            ("address", "\"tls://OWN:7101\""),
            ("plugin", "\"it\""),
            ("certificate", "\"own.pem\""),
            ("key", "\"own.key\""),
        ],
    ),
    (
        "tls certificates",
        "[[listen.certificates]]",
        "listen.*.certificates.*",
        &[("certificate", "\"own.pem\""), ("key", "\"own.key\"")],
    ),
    ("udp", "[[listen]]", "listen.*", &[("address", "\"udp://OWN:7102\""), ("plugin", "\"it\"")]),
    ("unix", "[[listen]]", "listen.*", &[("address", "\"unix://it.sock\""), ("plugin", "\"it\"")]),
    (
        "proxied",
        "[[listen]]",
        "listen.*",
        &[
            ("address", "\"tcp://OWN:7103\""),
            ("plugin", "\"it\""),
            ("proxy_protocol", "{ from = [\"127.0.0.0/8\"] }"),
        ],
    ),
    (
        "admin",
        "[admin]",
        "admin",
        &[("address", "\"tcp://127.0.0.1:0\""), ("token", "{ file = \"secret\" }")],
    ),
];

/// A table, a key, its new value, and keys of the same table that it needs.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const ROWS: &[Row] = &[
    ("file", "include", "[\"conf.d/*.toml\"]", &[]),
    ("host", "reactors", "1", &[]),
    ("host", "workers", "7", &[]),
    ("host", "slow_lane", "77", &[]),
    ("host", "log", "\"debug\"", &[]),
    ("host", "log_format", "\"json\"", &[]),
    ("host", "backtraces", "\"lines\"", &[]),
    ("host", "handover", "\"handover.sock\"", &[]),
    ("host", "slice", "\"2ms\"", &[]),
    ("host", "instances", "777", &[]),
    ("host", "log_queue", "\"1MiB\"", &[]),
    ("host", "stdout_queue", "\"1MiB\"", &[]),
    ("host", "stop_deadline", "\"6s\"", &[]),
    ("host", "close_deadline", "\"31s\"", &[]),
    ("host", "compile_cache", "\"./other-cache\"", &[]),
    ("host", "compile_cache_size", "\"1GiB\"", &[]),
    ("host", "store", "\"./other-store\"", &[]),
    ("host", "store_size", "\"2GiB\"", &[]),
    ("host", "fetch_size", "\"1MiB\"", &[]),
    ("host", "fetch_time", "\"2m\"", &[]),
    ("host", "trust", "[\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"]", &[]),
    ("host", "compile_memory", "\"1GiB\"", &[]),
    ("host", "compile_time", "\"2m\"", &[]),
    ("registry", "user", "\"somebody else\"", &[]),
    ("registry", "password", "{ file = \"other-secret\" }", &[]),
    ("registry", "server_ca", "\"ca.pem\"", &[]),
    ("plugin", "component", "\"PASS\"", &[]),
    ("plugin", "sha256", "\"DIGEST\"", &[]),
    ("plugin", "isolation", "\"plugin\"", &[]),
    ("plugin", "tenant", "\"other\"", &[]),
    ("plugin", "stdout", "\"inherit\"", &[]),
    ("plugin", "on_trap", "\"reset\"", &[]),
    ("plugin", "farewell", "\"goodbye\"", &[]),
    ("plugin", "policy", "\"audit\"", &[]),
    ("plugin", "handover", "\"after\"", &[]),
    ("plugin", "rollback", "true", &[]),
    ("plugin", "options", "{ a = \"b\" }", &[]),
    ("plugin", "environment", "{ A = \"b\" }", &[]),
    ("build", "command", "\"make\"", &[]),
    ("build", "watch", "[\"src/**\"]", &[]),
    ("build", "output", "\"out.wasm\"", &[]),
    ("build", "adapter", "\"wasi\"", &[]),
    ("limits", "memory", "\"15MiB\"", &[]),
    ("limits", "tables", "7777", &[]),
    ("limits", "memory_count", "3", &[]),
    ("limits", "table_count", "7", &[]),
    ("limits", "core_instances", "33", &[]),
    ("limits", "cpu_per_event", "\"2s\"", &[]),
    ("limits", "event_deadline", "\"2m\"", &[]),
    ("limits", "handshake_deadline", "\"11s\"", &[]),
    ("limits", "drain_deadline", "\"11m\"", &[]),
    ("limits", "connections", "777", &[]),
    ("limits", "listeners", "7", &[]),
    ("limits", "outgoing", "77", &[]),
    ("limits", "lookups", "7", &[]),
    ("limits", "watches", "77", &[]),
    ("limits", "deferred", "77", &[]),
    ("limits", "processes", "77", &[]),
    ("limits", "datagram_answers", "7", &[]),
    ("limits", "accepts_per_second", "7777", &[]),
    ("limits", "timers", "777", &[]),
    ("limits", "ticks", "777", &[]),
    ("limits", "outbox_high", "\"63KiB\"", &[]),
    ("limits", "outbox_low", "\"15KiB\"", &[]),
    ("limits", "outbox_max", "\"15MiB\"", &[]),
    ("limits", "log_line", "\"3KiB\"", &[]),
    ("limits", "handles", "777", &[]),
    ("limits", "call_bytes", "\"31MiB\"", &[]),
    ("limits", "http_body", "\"2MiB\"", &[]),
    ("limits", "traps", "7", &[]),
    ("limits", "trap_window", "\"2m\"", &[]),
    ("limits", "cpu_per_operation", "\"11s\"", &[]),
    ("limits", "operation_deadline", "\"2m\"", &[]),
    ("limits", "mailbox", "\"2MiB\"", &[]),
    ("limits", "subscriptions", "77", &[]),
    ("limits", "pops", "77", &[]),
    ("limits", "message", "\"900KiB\"", &[]),
    ("allow", "connect", "[\"192.0.2.7:80\"]", &[]),
    ("allow", "listen", "[\"127.0.0.1:0\"]", &[]),
    ("allow", "spawn", "[\"beside\"]", &[]),
    ("allow", "channels", "[\"own/news\"]", &[]),
    ("allow", "environment", "[\"PATH\"]", &[]),
    ("allow", "read", "[\"data\"]", &[]),
    ("allow", "write", "[\"data\"]", &[]),
    ("allow", "stop", "true", &[]),
    ("profile", "certificate", "\"other.pem\"", &[("key", "\"other.key\"")]),
    ("profile", "key", "\"other.key\"", &[("certificate", "\"other.pem\"")]),
    ("profile", "alpn", "[\"h2\"]", &[]),
    ("profile", "client_ca", "\"ca.pem\"", &[]),
    ("profile", "client_certificate", "\"request\"", &[("client_ca", "\"ca.pem\"")]),
    ("profile", "server_ca", "\"ca.pem\"", &[]),
    ("profile", "verify", "\"plugin\"", &[]),
    ("profile certificates", "certificate", "\"other.pem\"", &[("key", "\"other.key\"")]),
    ("profile certificates", "key", "\"other.key\"", &[("certificate", "\"other.pem\"")]),
    ("tenant limits", "memory", "\"15GiB\"", &[]),
    ("tenant limits", "instances", "777", &[]),
    ("tenant limits", "outboxes", "\"900MiB\"", &[]),
    ("tenant limits", "host_memory", "\"200MiB\"", &[]),
    ("tenant limits", "timers", "7777", &[]),
    ("tenant limits", "ticks", "7777", &[]),
    ("tenant limits", "subscriptions", "777", &[]),
    ("tenant limits", "pops", "777", &[]),
    ("tenant limits", "deferred", "777", &[]),
    ("tenant limits", "handles", "77777", &[]),
    ("tenant limits", "cpu_per_second", "\"900ms\"", &[]),
    ("tenant limits", "slow_calls", "7", &[]),
    ("tenant limits", "channels", "77", &[]),
    ("tenant limits", "channel", "\"3MiB\"", &[]),
    ("tenant limits", "queue", "\"3MiB\"", &[]),
    ("tenant limits", "cluster_outbox", "\"5MiB\"", &[]),
    ("tenant limits", "messages", "\"60MiB\"", &[]),
    ("tenant limits", "read_per_second", "\"900MiB\"", &[]),
    ("tenant limits", "write_per_second", "\"900MiB\"", &[]),
    ("tenant limits", "log_per_second", "\"900KiB\"", &[]),
    ("tcp", "address", "\"tcp://OWN:7104\"", &[]),
    ("tcp", "plugin", "\"beside\"", &[]),
    ("tcp", "handler", "\"echo\"", &[]),
    ("tcp", "options", "{ a = \"b\" }", &[]),
    ("tcp", "at_capacity", "\"refuse\"", &[]),
    ("tcp", "backlog", "77", &[]),
    ("tls", "certificate", "\"other.pem\"", &[("key", "\"other.key\"")]),
    ("tls", "key", "\"other.key\"", &[("certificate", "\"other.pem\"")]),
    ("tls", "alpn", "[\"h2\"]", &[]),
    ("tls", "client_ca", "\"ca.pem\"", &[]),
    ("tls", "client_certificate", "\"request\"", &[("client_ca", "\"ca.pem\"")]),
    ("tls certificates", "certificate", "\"other.pem\"", &[("key", "\"other.key\"")]),
    ("tls certificates", "key", "\"other.key\"", &[("certificate", "\"other.pem\"")]),
    ("udp", "peer_idle", "\"2m\"", &[]),
    ("udp", "peer_queue", "77", &[]),
    ("unix", "mode", "\"0600\"", &[]),
    ("unix", "owner", "UID", &[]),
    ("unix", "group", "GID", &[]),
    ("proxied", "proxy_protocol", "{ from = [\"192.0.2.0/24\"] }", &[]),
    ("proxied", "proxy_header", "\"2KiB\"", &[]),
    ("admin", "address", "\"tcp://127.0.0.1:7105\"", &[]),
    ("admin", "mode", "\"0600\"", &[("address", "\"unix://admin.sock\""), ("token", "")]),
    ("admin", "owner", "UID", &[("address", "\"unix://admin.sock\""), ("token", "")]),
    ("admin", "group", "GID", &[("address", "\"unix://admin.sock\""), ("token", "")]),
    ("admin", "public", "true", &[]),
    ("admin", "token", "{ file = \"other-secret\" }", &[]),
    ("admin", "hosts", "[\"admin.example\"]", &[]),
    ("admin", "quarantine", "\"unready\"", &[]),
    ("admin", "clients", "7", &[]),
    ("admin", "request", "\"17KiB\"", &[]),
    ("admin", "request_deadline", "\"11s\"", &[]),
    // The last one, since from then on a changed file alone causes a reload.
    ("host", "reload_on_change", "true", &[]),
];

/// Why the keys of a cluster are not here.
const CLUSTER: &str = "they need servers of NATS: `cluster::check` tries them";

/// The keys without a row, and the reasons.
const WITHOUT_ROW: &[(&str, &str)] = &[
    ("listen.*.proxy_protocol.from", "the row of listen.*.proxy_protocol changes nothing else"),
    ("cluster.nats", CLUSTER),
    ("cluster.name", CLUSTER),
    ("cluster.prefix", CLUSTER),
    ("cluster.credentials", CLUSTER),
    ("cluster.user", CLUSTER),
    ("cluster.password", CLUSTER),
    ("cluster.token", CLUSTER),
    ("cluster.server_ca", CLUSTER),
    ("cluster.certificate", CLUSTER),
    ("cluster.key", CLUSTER),
    ("cluster.apart", CLUSTER),
    ("cluster.queue_storage", CLUSTER),
    ("cluster.ping", CLUSTER),
    ("cluster.connect_deadline", CLUSTER),
    ("cluster.lease", CLUSTER),
    ("cluster.queue_replicas", CLUSTER),
    ("cluster.queue_store", CLUSTER),
    ("cluster.queue_lease", CLUSTER),
    ("cluster.queue_deliveries", CLUSTER),
    ("plugins.*.singleton", "it needs servers of NATS: `cluster::singleton` reloads it"),
    ("tenants.*.channels", CLUSTER),
    ("tenants.*.queues", CLUSTER),
    ("tenants.*.processes", CLUSTER),
    ("tenants.*.cluster.credentials", CLUSTER),
    ("tenants.*.cluster.user", CLUSTER),
    ("tenants.*.cluster.password", CLUSTER),
    ("tenants.*.cluster.token", CLUSTER),
];

/// The file with this row's change, or without any.
fn toml(row: Option<&Row>, put: &dyn Fn(&str) -> String) -> String {
    let mut toml = String::new();
    for (name, head, _, base) in TABLES {
        let mut keys: BTreeMap<&str, &str> = base.iter().copied().collect();
        if let Some((_, key, value, with)) = row.filter(|row| row.0 == *name) {
            keys.extend(with.iter().copied());
            keys.insert(key, value);
        }
        writeln!(toml, "{head}").expect("a String takes everything");
        for (key, value) in keys.into_iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(toml, "{key} = {value}").expect("a String takes everything");
        }
    }
    put(&toml)
}

/// The place of a row's key in the schema.
fn path(row: &Row) -> String {
    let (_, _, table, _) = TABLES.iter().find(|table| table.0 == row.0).expect("a table");
    if table.is_empty() { row.1.to_owned() } else { format!("{table}.{}", row.1) }
}

/// The keys of the schema that are not tables of further keys.
fn keys_of_the_schema() -> Vec<String> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let printed = sandloop(dir.path(), &["schema"]);
    let schema: Value = serde_json::from_str(&printed.stdout).expect("a schema");
    let mut keys = Vec::new();
    walk(&schema, "", &mut keys);
    assert!(100 < keys.len(), "{keys:?}");
    keys
}

fn walk(schema: &Value, path: &str, keys: &mut Vec<String>) {
    for inside in [&schema["items"], &schema["additionalProperties"]] {
        if inside["properties"].is_object() {
            return walk(inside, &format!("{path}.*"), keys);
        }
    }
    match schema["properties"].as_object() {
        None => keys.push(path.to_owned()),
        Some(inside) => {
            for (name, schema) in inside {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(schema, &path, keys);
            }
        }
    }
}

/// The effects of each key by `docs/config.md`. A test of the host compares that table with the code.
fn promised() -> BTreeMap<String, String> {
    let page = fs::read_to_string(workspace().join("docs/config.md")).expect("the reference");
    let (_, table) = page.split_once("| table | keys | when they differ |\n").expect("the table");
    let mut all = BTreeMap::new();
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [table, names, what] = cells[..] else { panic!("{row}") };
        let table = table.trim_matches('`').replace("<name>", "*");
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            let path =
                if table == "the file" { name.to_owned() } else { format!("{table}.{name}") };
            all.insert(path, what.to_owned());
        }
    }
    all
}

#[test]
fn every_key_has_a_row() {
    let rows: Vec<String> = ROWS.iter().map(path).collect();
    let keys = keys_of_the_schema();
    let is_left_out = |key: &String| WITHOUT_ROW.iter().any(|(left_out, _)| left_out == key);
    for key in keys.iter().filter(|key| !is_left_out(key)) {
        assert!(rows.contains(key), "{key}: what does a reload do with it? Write a row");
    }
    for row in &rows {
        assert!(keys.contains(row) || row == "listen.*.proxy_protocol", "{row} is no key");
    }
}

/// The files that a test's configuration refers to.
fn furnish(dir: &Path) {
    let authority = Authority::new("authority");
    authority.write(dir, "ca");
    for name in ["own", "other"] {
        authority.certify(dir, name, &["localhost"]);
    }
    for (name, content) in [
        ("secret", "0123456789abcdef0123456789abcdef"),
        ("other-secret", "fedcba9876543210fedcba9876543210"),
        (
            "conf.d/more.toml",
            "[plugins.more]\ncomponent = \"../echo.wasm\"\nisolation = \"plugin\"\n",
        ),
    ] {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, content).expect("a file");
    }
    fs::create_dir(dir.join("data")).expect("a folder");
    for (name, file) in [("echo", "echo.wasm"), ("pass", "pass.wasm")] {
        fs::copy(component(name), dir.join(file)).expect("a component");
    }
}

/// The plugins that the host reports as changed after this row.
fn changed_plugins(row: &Row) -> &'static str {
    match row {
        ("file", ..) => "more",
        // They concern the source, the build, and later reloads.
        ("plugin", "sha256" | "rollback", ..) | ("build", ..) => "",
        ("plugin" | "limits" | "allow" | "profile" | "profile certificates", ..) => "it",
        _ => "",
    }
}

#[test]
fn every_key_is_taken_or_refused_as_it_is_written() {
    let own = own_loopback();
    let dir = tempfile::tempdir().expect("a temporary directory");
    furnish(dir.path());
    let digest = {
        use sha2::Digest;
        let bytes = fs::read(component("echo")).expect("a component");
        sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
    };
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let put = |toml: &str| {
        let replaced = toml.replace("OWN", &own).replace("DIGEST", &digest);
        let replaced = replaced.replace("ECHO", "echo.wasm").replace("PASS", "pass.wasm");
        replaced.replace("= UID", &format!("= {uid}")).replace("= GID", &format!("= {gid}"))
    };
    let base = toml(None, &put).replace("[host]\n", "[host]\nreactors = 2\n");
    let host = Host::start_toml(dir, &base);
    let admin = Admin::of(&host);
    let mut old = Peer::connect(&format!("tcp://{own}:7100"));
    old.expect_echo("before\n");
    let promised = promised();
    for row in ROWS {
        let key = path(row);
        let what = promised.get(&key).unwrap_or_else(|| panic!("{key}: nothing is promised"));
        let changed = toml(Some(row), &put);
        let changed = match key.as_str() {
            "host.reactors" => changed,
            _ => changed.replace("[host]\n", "[host]\nreactors = 2\n"),
        };
        let version = |admin: &Admin| admin.json("/plugins/it")["generation"].clone();
        let generation = version(&admin);
        let taken = reload(&host, &changed);
        let line = host.log().into_iter().rfind(is_over).expect("a line");
        if what == "refused by name" {
            check_refusal(&key, taken, &line);
            assert_eq!(version(&admin), generation, "{key}: nothing has changed");
        } else if key == "host.trust" {
            // It applies to this reload already, whose components are not signed.
            assert!(!taken && line.0.contains("sign"), "{key}: {line}");
        } else {
            assert!(taken, "{key}: {what}, but {line}");
            assert_eq!(line.field("changed").unwrap_or_default(), changed_plugins(row), "{key}");
            check_bound(&admin, row);
        }
        old.expect_echo(format!("{key}\n"));
        let at = if key == "listen.*.address" { 7104 } else { 7100 };
        if key != "plugins.*.component" || !taken {
            Peer::connect(&format!("tcp://{own}:{at}")).expect_echo("new\n");
        }
        assert!(reload(&host, &base), "{key}: back to what it was");
    }
    old.expect_echo("at the end\n");
    host.stop();
}

/// A key that cannot change is named, with the reason and the remedy.
fn check_refusal(key: &str, taken: bool, line: &LogLine) {
    // A mode belongs to another kind of address, which is then the first difference.
    let named = match key {
        "admin.mode" | "admin.owner" | "admin.group" => "admin.address",
        key => key,
    };
    let says = [&*format!(": {named}: a running host cannot change"), "start the host again"];
    assert!(!taken && says.iter().all(|words| line.0.contains(words)), "{key}: {line}");
}

/// A limit that is shown beside the current use is the new one.
fn check_bound(admin: &Admin, row: &Row) {
    let (table, key, value, _) = row;
    let shown = match *table {
        "limits" => admin.json("/plugins/it"),
        "tenant limits" => {
            let all = admin.json("/tenants");
            let tenants = all["tenants"].as_array().expect("a list").clone();
            tenants.into_iter().find(|it| it["name"] == "own").expect("the tenant")
        }
        _ => return,
    };
    // A plugin has one list, a tenant has two.
    let lists = ["usage", "bytes", "counts"].into_iter().filter_map(|list| shown[list].as_array());
    let usage: Vec<_> = lists.flatten().collect();
    assert!(!usage.is_empty(), "{table}.{key}: {shown}");
    let (Some(found), Ok(number)) =
        (usage.iter().find(|usage| usage["limit"] == *key), value.parse::<u64>())
    else {
        return;
    };
    assert_eq!(found["value"], number, "{table}.{key}: {found}");
}
