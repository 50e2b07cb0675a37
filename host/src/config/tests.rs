//! What whole files become, and the exact text of what is wrong with them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::ListenAddress;
use super::allow::Allow;
use super::directory::{Access, Directory};
use super::limits::{HostLimits, Limits, TenantLimits};
use super::model::{Backtraces, CompileCache, HostConfig, LogFormat, LogLevel, Policy, Stdout};
use super::*;

const ECHO: &str = "[plugins.echo]\ncomponent = \"echo.wasm\"\nisolation = \"plugin\"\n";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn parse(text: &str) -> Config {
    Config::parse(Path::new("etc/plugins.toml"), text).unwrap_or_else(|error| panic!("{error}"))
}

/// The whole message about a file that is refused.
#[track_caller]
fn check(text: &str, expected: &str) {
    let message = match Config::parse(Path::new("plugins.toml"), text) {
        Ok(config) => panic!("this was taken: {config:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(message, expected, "{text}");
}

/// As [`check`], for lines after the declaration of `echo`, which is three lines long.
#[track_caller]
fn check_after_echo(text: &str, expected: &str) {
    check(&format!("{ECHO}{text}"), expected);
}

#[test]
fn defaults() {
    let config = parse(ECHO);
    let host = HostConfig {
        log: LogLevel::Info,
        reload_on_change: false,
        log_format: LogFormat::Text,
        backtraces: Backtraces::Functions,
        is_for_author: false,
        handover: None,
        compile_cache: CompileCache::Default,
        store: CompileCache::Default,
        trust: Vec::new(),
        registries: Vec::new(),
        limits: HostLimits {
            reactors: 1,
            workers: 2,
            slow_lane: 2,
            slice: Duration::from_millis(1),
            stop_deadline: Duration::from_secs(5),
            close_deadline: Duration::from_secs(30),
            instances: 2000,
            log_queue: 16 << 20,
            stdout_queue: 16 << 20,
            compile_cache_size: 2 << 30,
            store_size: 1 << 30,
            fetch_size: 128 << 20,
            fetch_time: Duration::from_secs(60),
            compile_memory: 1536 << 20,
            compile_time: Duration::from_secs(180),
        },
    };
    assert_eq!(config.host, host);
    let [plugin] = config.plugins.as_slice() else { panic!("{config:?}") };
    assert_eq!(plugin.component.file(), Some(Path::new("etc/echo.wasm")));
    assert_eq!(plugin.component.sha256, None);
    assert_eq!((plugin.tenant.as_str(), plugin.stdout, plugin.line), ("echo", Stdout::Log, 1));
    assert_eq!(plugin.allow, Allow::default());
    assert_eq!((plugin.policy, plugin.environment.len()), (Policy::Enforce, 0));
    let limits = Limits {
        memory: 16 << 20,
        tables: 50_000,
        memory_count: 100,
        table_count: 300,
        core_instances: 1000,
        cpu_per_event: Duration::from_secs(1),
        event_deadline: Duration::from_secs(60),
        connections: 10_000,
        handshake_deadline: Duration::from_secs(10),
        drain_deadline: Duration::from_secs(600),
        listeners: 16,
        datagram_answers: 3,
        accepts_per_second: None,
        outgoing: 1000,
        lookups: 100,
        watches: 100,
        timers: 10_000,
        ticks: 10_000,
        outbox_high: 64 << 10,
        outbox_low: 16 << 10,
        outbox_max: 16 << 20,
        log_line: 4 << 10,
        handles: 1024,
        call_bytes: 32 << 20,
        http_body: 1 << 20,
        traps: Some(1000),
        trap_window: Duration::from_secs(60),
        cpu_per_operation: Duration::from_secs(10),
        operation_deadline: Duration::from_secs(60),
        deferred: 1000,
        processes: 100,
        mailbox: 1 << 20,
        subscriptions: 1000,
        pops: 1000,
        message: 1 << 20,
    };
    assert_eq!(plugin.limits, limits);
    let [tenant] = config.tenants.as_slice() else { panic!("{config:?}") };
    let limits = TenantLimits {
        slow_calls: 64,
        memory: 16 << 30,
        instances: None,
        outboxes: 1 << 30,
        host_memory: 256 << 20,
        timers: 1_000_000,
        ticks: 1_000_000,
        subscriptions: 1_000_000,
        pops: 1_000_000,
        handles: 1_000_000,
        deferred: 1_000_000,
        cpu_per_second: None,
        channels: 1000,
        channel: 4 << 20,
        queue: 4 << 20,
        messages: 64 << 20,
        cluster_outbox: 4 << 20,
        read_per_second: None,
        write_per_second: None,
        log_per_second: 1 << 20,
    };
    assert_eq!((tenant.name.as_str(), &tenant.limits), ("echo", &limits));
}

/// A bound that is left out of the amounts would be missing from what the operator is shown.
#[test]
fn every_bound_is_there_with_its_default() {
    let listener = "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"echo\"\n";
    let admin = "[admin]\naddress = \"unix:///run/a.sock\"\n";
    let cluster = "[cluster]\nnats = [\"nats://127.0.0.1:1\"]\n";
    let config = parse(&format!("{ECHO}{listener}{admin}{cluster}"));
    let mut amounts = config.host.limits.amounts();
    amounts.extend(config.plugins[0].limits.amounts());
    amounts.extend(config.tenants[0].limits.amounts());
    amounts.extend(config.listeners[0].limits.amounts());
    amounts.extend(config.admin.expect("the section").limits.amounts());
    amounts.extend(config.cluster.expect("the section").limits.amounts());
    let all: Vec<_> = keys::bounds().map(|bound| (bound, bound.default)).collect();
    assert_eq!(amounts, all);
}

#[test]
fn a_bound_is_its_key_and_shown_by_its_own_section() {
    let different: HashSet<_> = keys::bounds().collect();
    assert_eq!(different.len(), keys::bounds().count());
    assert_ne!(limits::MEMORY, limits::TENANT_MEMORY);
    let config = parse(&format!("{ECHO}limits.memory = \"2MiB\"\ntenant = \"demo\"\n"));
    let (of_plugin, of_tenant) = (&config.plugins[0].limits, &config.tenants[0].limits);
    assert_eq!(of_plugin.show(&limits::MEMORY).as_deref(), Some("2MiB"));
    assert_eq!(of_plugin.show(&limits::TENANT_MEMORY), None);
    assert_eq!(of_tenant.show(&limits::TENANT_MEMORY).as_deref(), Some("16GiB"));
}

#[test]
fn plugins_and_listeners_keep_the_order_of_the_file() {
    let config = parse(
        r#"
        [[listen]]
        address = "unix://run/echo.sock"
        plugin = "b"
        handler = "upper"
        options = { z = 1, a = "Goodbye" }

        [plugins.b]
        component = "/opt/b.wasm"

        [plugins.a]
        component = "a.wasm"

        [[listen]]
        address = "tcp://127.0.0.1:0"
        plugin = "a"
        "#,
    );
    let names: Vec<_> = config.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(config.plugins[0].component.file(), Some(Path::new("/opt/b.wasm")));
    let [first, second] = config.listeners.as_slice() else { panic!("{config:?}") };
    assert_eq!(first.address, ListenAddress::Unix("etc/run/echo.sock".into()));
    assert_eq!((first.plugin, first.handler.as_deref(), first.line), (0, Some("upper"), 2));
    let options = [("a".to_owned(), "Goodbye".to_owned()), ("z".to_owned(), "1".to_owned())];
    assert_eq!(first.options, options);
    assert_eq!((second.plugin, second.limits.backlog, second.line), (1, 1024, 14));
}

#[test]
fn options_become_text() {
    // Cargo sets this one for every test.
    let name = std::env::var("CARGO_PKG_NAME").expect("a test of cargo");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "from a file\r\n").expect("a file");
    let options = r#"
        [plugins.echo.options]
        text = "as it is"
        number = 0x10
        float = 1.0
        truth = true
        day = 2026-08-01
        list = [1, "two", [true]]
        table = { b = { c = 1.5 }, a = 1 }
        env = { env = "CARGO_PKG_NAME" }
        file = { file = "secret" }
        "#;
    let file = folder.path().join("plugins.toml");
    let config = Config::parse(&file, &format!("{ECHO}{options}")).expect("a configuration");
    let expected = [
        ("day", "2026-08-01"),
        ("env", name.as_str()),
        ("file", "from a file"),
        ("float", "1.0"),
        ("list", r#"[1,"two",[true]]"#),
        ("number", "16"),
        ("table", r#"{"a":1,"b":{"c":1.5}}"#),
        ("text", "as it is"),
        ("truth", "true"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect();
    assert_eq!(config.plugins[0].options, expected);
}

#[test]
fn the_environment_is_what_is_written_and_what_is_passed_on() {
    let name = std::env::var("CARGO_PKG_NAME").expect("a test of cargo");
    let text = r#"
        [plugins.echo.environment]
        LANG = "C"
        DEPTH = 3
        SECRET = { env = "CARGO_PKG_NAME" }
        [plugins.echo.allow]
        environment = ["CARGO_PKG_NAME"]
        "#;
    let config = parse(&format!("{ECHO}{text}"));
    let expected = [("CARGO_PKG_NAME", &*name), ("DEPTH", "3"), ("LANG", "C"), ("SECRET", &*name)];
    let expected = expected.map(|(key, text)| (key.to_owned(), text.to_owned()));
    assert_eq!(config.plugins[0].environment, expected);
    let shown = format!("{config:?}");
    assert!(shown.contains("MASKED") && !shown.contains(&name), "{shown}");
}

#[test]
fn folders_have_a_name_in_the_plugin() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["public", "data"] {
        fs::create_dir(folder.path().join(name)).expect("a new folder");
    }
    let file = folder.path().join("plugins.toml");
    let allow = "[plugins.echo.allow]\nread = [\"./public\"]\nwrite = [\"data::/var/data\"]\n";
    let config = Config::parse(&file, &format!("{ECHO}{allow}")).expect("a configuration");
    let directory = |host: &str, guest: &str, access| Directory {
        host: folder.path().join(host),
        guest: guest.to_owned(),
        access,
    };
    let expected = [
        directory("public", "public", Access::Read),
        directory("data", "/var/data", Access::Write),
    ];
    assert_eq!(config.plugins[0].allow.directories, expected);
}

#[test]
fn options_are_never_printed() {
    let text = r#"
        options = { password = "hunter2" }
        [[listen]]
        address = "tcp://127.0.0.1:0"
        plugin = "echo"
        options = { password = "hunter3" }
        "#;
    let shown = format!("{:?}", parse(&format!("{ECHO}{text}")));
    assert_eq!(shown.matches("MASKED").count(), 2, "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("plugins.toml");
    let error = Config::load(&missing).expect_err("no such file");
    let expected = format!(
        "{}: cannot be read: No such file or directory (os error 2); \
         name a file that exists and is readable",
        missing.display()
    );
    assert_eq!(error.to_string(), expected);

    let binary = folder.path().join("binary.toml");
    fs::write(&binary, b"[host]\n\xff\n").expect("a file");
    let error = Config::load(&binary).expect_err("not text");
    let expected =
        format!("{}:2: this is not UTF-8 text; save the file as UTF-8", binary.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn empty_file() {
    check(
        "",
        "plugins.toml:1: plugins: no plugin is declared; \
         add a section [plugins.echo] with component = \"plugins/echo.wasm\"",
    );
}

#[test]
fn unknown_keys_in_odd_places() {
    check_after_echo(
        "\n[limits]\n",
        "plugins.toml:5: limits: this is not a key of the file; \
         write it in [plugins.<name>.limits] or [tenants.<name>.limits] \
         (the keys here are include, host, plugins, tenants, listen, admin, cluster)",
    );
    check_after_echo(
        "backlog = 1\n",
        "plugins.toml:4: plugins.echo.backlog: this is not a key of [plugins.echo]; write it in \
         [[listen]] (the keys here are component, sha256, isolation, tenant, stdout, on_trap, farewell, policy, handover, rollback, singleton, \
         options, environment, limits, allow, build, tls)",
    );
    check_after_echo(
        "workers = 1\n",
        "plugins.toml:4: plugins.echo.workers: this is not a key of [plugins.echo]; write it in \
         [host] (the keys here are component, sha256, isolation, tenant, stdout, on_trap, farewell, policy, handover, rollback, singleton, \
         options, environment, limits, allow, build, tls)",
    );
    check(
        "[host.plugins.echo]\n",
        "plugins.toml:1: host.plugins: this is not a key of [host]; \
         write it in a section [plugins] of its own (the keys here are reactors, workers, slow_lane, log, \
         log_format, backtraces, handover, slice, stop_deadline, close_deadline, instances, log_queue, stdout_queue, reload_on_change, \
         compile_cache, compile_cache_size, store, store_size, fetch_size, fetch_time, trust, registries, compile_memory, compile_time)",
    );
}

#[test]
fn wrong_types() {
    check(
        "plugins = 3",
        "plugins.toml:1: plugins: this is a whole number; \
         write a section for each plugin, as in [plugins.echo]",
    );
    check("host = []", "plugins.toml:1: host: this is a list; write a section [host]");
    check_after_echo(
        "\n[plugins.echo.allow]\nconnect = [\n1.5]\n",
        "plugins.toml:7: plugins.echo.allow.connect[0]: this is a number with a fraction; \
         write an address in quotes, as in \"127.0.0.1:5672\"",
    );
    check_after_echo(
        "options = \"hunter2\"\n",
        "plugins.toml:4: plugins.echo.options: this is text; \
         write a table of options, as in options = { greeting = \"hello\" }",
    );
    check_after_echo(
        "limits.ticks = 1979-05-27\n",
        "plugins.toml:4: plugins.echo.limits.ticks: this is a date or a time; \
         write a number, as in ticks = 10000",
    );
    check(
        "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\nplugin = \"a\"\n[[listen]]\nplugin = {}\n",
        "plugins.toml:5: listen[1].plugin: this is a table; \
         write the name of a declared plugin in quotes, as in plugin = \"echo\"",
    );
}

#[test]
fn every_bound_is_held_at_both_ends() {
    for bound in keys::bounds() {
        let (section, line) = match bound.table {
            "host" => ("\n[host]\n".to_owned(), 6),
            "listen.*" => {
                let scheme = if bound.name.starts_with("peer_") { "udp" } else { "tcp" };
                let head =
                    format!("\n[[listen]]\naddress = \"{scheme}://[::1]:0\"\nplugin = \"echo\"\n");
                (head, 8)
            }
            "admin" => ("\n[admin]\naddress = \"unix:///run/a.sock\"\n".to_owned(), 7),
            "cluster" => ("\n[cluster]\nnats = [\"nats://127.0.0.1:1\"]\n".to_owned(), 7),
            table => (format!("\n[{}]\n", table.replace('*', "echo")), 6),
        };
        let key = format!("{}.{}", bound.table, bound.name).replace("plugins.*", "plugins.echo");
        let key = key.replace("listen.*", "listen[0]").replace("tenants.*", "tenants.echo");
        for beyond in [bound.min.checked_sub(1), bound.max.checked_add(1)] {
            let Some(beyond) = beyond else { continue };
            let written = match bound.unit {
                bound::Unit::Time => format!("\"{beyond}us\""),
                bound::Unit::Bytes | bound::Unit::Count => beyond.to_string(),
            };
            let (min, max) = (bound.show(bound.min), bound.show(bound.max));
            check_after_echo(
                &format!("{section}{} = {written}\n", bound.name),
                &format!(
                    "plugins.toml:{line}: {key}: {written} is out of range; \
                     write {min} to {max} (the default is {})",
                    bound.show(bound.default)
                ),
            );
        }
    }
}

/// Cargo sets these for every test: `0`, `1` and so on, and a word.
const NUMBER: &str = "CARGO_PKG_VERSION_MINOR";
const WORD: &str = "CARGO_PKG_NAME";

/// The lines that set `bound` to `value`, and the line and key of it after [`ECHO`].
fn set(bound: &bound::Bound, value: &str) -> (String, usize, String) {
    let name = bound.name;
    let header = match bound.table {
        "listen.*" => {
            let scheme = if name.starts_with("peer_") { "udp" } else { "tcp" };
            format!("[[listen]]\naddress = \"{scheme}://127.0.0.1:1\"\nplugin = \"echo\"\n")
        }
        "admin" => "[admin]\naddress = \"unix:///run/a.sock\"\n".to_owned(),
        "cluster" => "[cluster]\nnats = [\"nats://127.0.0.1:1\"]\n".to_owned(),
        table => format!("[{}]\n", table.replace('*', "echo")),
    };
    let line = 4 + header.lines().count();
    let key =
        format!("{}.{name}", bound.table.replace("listen.*", "listen[0]").replace('*', "echo"));
    (format!("{header}{name} = {value}\n"), line, key)
}

#[test]
fn every_bound_may_come_from_the_environment() {
    for bound in keys::bounds() {
        let (unset, line, key) = set(bound, r#"{ env = "SANDLOOP_NO_SUCH" }"#);
        check_after_echo(
            &unset,
            &format!(
                "plugins.toml:{line}: {key}: the environment variable \"SANDLOOP_NO_SUCH\" is not set; \
                 set it before the start, or write the value itself"
            ),
        );
        let (word, line, key) = set(bound, &format!("{{ env = {WORD:?} }}"));
        let message = Config::parse(Path::new("plugins.toml"), &format!("{ECHO}{word}"));
        let message = message.expect_err(&word).to_string();
        let start =
            format!("plugins.toml:{line}: {key}: the environment variable {WORD:?} is not a ");
        assert!(message.starts_with(&start), "{message}");
        if bound.unit == bound::Unit::Count && bound.min <= 1 && bound.name != "proxy_header" {
            let (number, ..) = set(bound, &format!("{{ env = {NUMBER:?} }}"));
            parse(&format!("{ECHO}{number}"));
        }
    }
}

#[test]
fn what_is_no_variable_is_refused_as_a_table() {
    for table in ["{}", "{ file = \"a\" }", "{ env = 1 }", "{ env = \"A\", b = \"c\" }"] {
        check_after_echo(
            &format!("limits.memory = {table}\n"),
            "plugins.toml:4: plugins.echo.limits.memory: this is a table; write a size, as in \
             memory = \"16MiB\"",
        );
    }
}

#[test]
fn numbers_too_large_for_any_range() {
    check_after_echo(
        "limits.memory = 99999999999999999999\n",
        "plugins.toml:4: plugins.echo.limits.memory: 9223372036854775807 is out of range; \
         write 64KiB to 4GiB (the default is 16MiB)",
    );
}

#[test]
fn options_that_are_no_text() {
    check_after_echo(
        "options = { a = 99999999999999999999999999999999999999999 }\n",
        "plugins.toml:4: plugins.echo.options.a: this is a whole number; write it in quotes",
    );
    check_after_echo(
        "options = { a = [nan] }\n",
        "plugins.toml:4: plugins.echo.options.a: JSON has no number nan; write it in quotes",
    );
    check_after_echo(
        "options = { a = { env = 1 } }\n",
        "plugins.toml:4: plugins.echo.options.a: a table with env or file stands for a secret \
         and holds nothing else; write { env = \"NAME\" } or { file = \"path\" }",
    );
    check_after_echo(
        "options = { a = { env = \"\" } }\n",
        "plugins.toml:4: plugins.echo.options.a: the environment variable \"\" is not set; \
         set it before the start, or write { file = \"path\" }",
    );
}

/// The cases of `tests/cases`, which the suite runs against the binary as well.
fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = repository("tests/cases").join(kind);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut cases: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case in {folder:?}");
    cases
}

#[test]
fn invalid_cases() {
    for case in cases("invalid") {
        let text = fs::read_to_string(case.join("plugins.toml")).expect("a plugins.toml");
        let expected = fs::read_to_string(case.join("error.txt")).expect("an error.txt");
        assert!(expected.ends_with('\n') && expected.lines().count() == 1, "{case:?}");
        check(&text, expected.trim_end());
    }
}

#[test]
fn valid_cases() {
    for case in cases("valid") {
        if let Err(error) = Config::load(&case.join("plugins.toml")) {
            panic!("{error}");
        }
    }
}

#[test]
fn the_default_configuration_is_valid() {
    Config::load(&repository("plugins.toml")).expect("the plugins.toml of the repository");
}

/// The text under a heading, up to the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, section) = text.split_once(&format!("\n{heading}\n")).expect(heading);
    section.split("\n##").next().unwrap_or_default()
}

#[test]
fn the_reference_has_every_key() {
    let reference = fs::read_to_string(repository("docs/config.md")).expect("docs/config.md");
    let bounds = reference::reference();
    assert!(
        reference.contains(&bounds),
        "the table of bounds in docs/config.md is old; put this into its place:\n{bounds}"
    );
    for key in keys::all() {
        let name = key.name;
        let (heading, row) = match key.table {
            "" => ("## The sections".to_owned(), format!("`{name}`")),
            table @ ("plugins.*.limits" | "tenants.*.limits") => {
                let table = table.replace('*', "<name>");
                ("## Bounds".to_owned(), format!("| `{table}.{name}` |"))
            }
            "listen.*" => ("### `[[listen]]`".to_owned(), format!("| `{name}` |")),
            "listen.*.proxy_protocol" => ("#### Behind a proxy".to_owned(), format!("`{name}`")),
            "listen.*.certificates.*" => ("#### TLS".to_owned(), format!("`{name}`")),
            table @ ("plugins.*.tls.*" | "plugins.*.tls.*.certificates.*") => {
                let is_row = table == "plugins.*.tls.*";
                let row = if is_row { format!("| `{name}` |") } else { format!("`{name}`") };
                ("### `[plugins.<name>.tls.<profile>]`".to_owned(), row)
            }
            table => (format!("### `[{}]`", table.replace('*', "<name>")), format!("| `{name}` |")),
        };
        let section = section(&reference, &heading);
        assert!(section.contains(&row), "docs/config.md does not describe {}", key.path());
    }
}

#[test]
fn the_example_of_the_reference_is_valid() {
    let reference = fs::read_to_string(repository("docs/config.md")).expect("docs/config.md");
    let (_, rest) = reference.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("the end of the example");
    // A test has no business to set the secret that the example names.
    let without_secret = example.replace(r#"{ env = "AMQP_PASSWORD" }"#, r#""""#);
    parse(&without_secret);
}
