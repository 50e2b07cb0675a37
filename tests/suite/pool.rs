//! The resources of sandboxes in the host's pool and in the system, by components of every shape: each gets all the sandboxes
//! that the configuration promises, or is refused at the start with the key to change, and no other plugin pays for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandloop_tests::compose::with_inside;
use sandloop_tests::hostile::wat::{self, Pieces};
use sandloop_tests::{
    Config, Host, Listen, Outcome, Peer, Plugin, component, host, paths, sandloop,
};
use tempfile::TempDir;

/// Sandboxes of the hosts here.
const INSTANCES: usize = 6;

/// Components that are put into the echo, and their number.
fn shapes() -> Vec<(&'static str, String, u32)> {
    let made = |module: &str, times: usize| {
        let instances = "(core instance (instantiate $m))".repeat(times);
        format!("(component (core module $m {module}) {instances})")
    };
    let memory = "(memory 2) (data (i32.const 0) \"a\")";
    let modules: String = (0..40)
        .map(|number| {
            format!("(core module $m{number} {memory}) (core instance (instantiate $m{number}))")
        })
        .collect();
    let nested = format!(
        "(component (component $c {}) (instance (instantiate $c)) (instance (instantiate $c)))",
        "(core module $m (memory 1)) (core instance (instantiate $m))"
    );
    vec![
        ("made once", made("(memory 1)", 1), 1),
        ("made ten times", made("(memory 1)", 10), 1),
        ("made 51 times", made("(memory 1)", 51), 1),
        ("forty modules with data", format!("(component {modules})"), 1),
        ("a component twice", made(memory, 2), 2),
        ("components in components", nested, 3),
        ("several memories in a module", made("(memory 1) (memory 2) (memory 3)", 2), 1),
        ("several tables in a module", made("(table 1 funcref) (table 2 funcref)", 20), 1),
        ("many tables", made("(table 10 funcref)", 129), 1),
        ("a large memory", made("(memory 200)", 1), 1),
        ("a large table", made("(table 49000 funcref)", 1), 1),
        ("many core instances", made("(func)", 103), 3),
    ]
}

/// A folder with the echo that has `inner` inside, and its file.
fn composed(inner: &str, times: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = fs::read(component("echo")).expect("cargo xtask plugins builds it");
    let file = dir.path().join("probe.wasm");
    fs::write(&file, with_inside(&echo, inner, times)).expect("a new file");
    (dir, file)
}

/// No trap and no quarantine was logged.
fn assert_nobody_is_blamed(name: &str, outcome: &Outcome) {
    for words in ["trapped", "quarantined:", "no instance could be made", "no room for one more"] {
        assert!(!outcome.stderr.contains(words), "{name}: {}", outcome.stderr);
    }
    assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
}

#[test]
fn every_component_has_all_its_sandboxes() {
    for (name, inner, times) in shapes() {
        let (dir, file) = composed(&inner, times);
        let config =
            Config::serving(Plugin::named("probe", &file)).host("instances", INSTANCES.to_string());
        let host = Host::start_in(dir, &config);
        let mut peers: Vec<Peer> = (0..=INSTANCES).map(|_| host.connect("probe")).collect();
        for peer in &mut peers[..INSTANCES] {
            peer.expect_echo(name);
        }
        let mut late = peers.pop().expect("one more");
        late.send("late\n");
        host.wait_log("at its limit: not accepting for now");
        late.expect_nothing_yet();
        drop(peers);
        late.expect("late\n");
        drop(late);
        assert_nobody_is_blamed(name, &host.stop());
    }
}

#[test]
fn a_tenant_with_many_memories_leaves_the_others_theirs() {
    let inner = format!(
        "(component (core module $m (memory 1)) {})",
        "(core instance (instantiate $m))".repeat(51)
    );
    let (dir, file) = composed(&inner, 1);
    let config = Config::new()
        .host("instances", "40")
        .plugin(Plugin::named("mallory", &file))
        .plugin(Plugin::named("alice", &component("echo")).limit("traps", "1"))
        .listen(Listen::tcp("mallory"))
        .listen(Listen::tcp("alice"));
    let host = Host::start_in(dir, &config);
    let mut crowd: Vec<Peer> = (0..80).map(|_| host.connect("mallory")).collect();
    for peer in &mut crowd {
        peer.send("helo\n");
    }
    // Ten are reserved for each, and twenty are first come, first served.
    for peer in &mut crowd[..30] {
        peer.expect("helo\n");
    }
    let mut others: Vec<Peer> = (0..10).map(|_| host.connect("alice")).collect();
    for peer in &mut others {
        peer.expect_echo("helo\n");
    }
    drop((crowd, others));
    host.connect("alice").expect_echo("after\n");
    assert_nobody_is_blamed("two tenants", &host.stop());
}

/// The result of `check` for the folder's `plugins.toml` with its `probe.wasm`.
fn check(dir: &Path, sections: &str) -> Outcome {
    let toml = format!(
        "[plugins.probe]\ncomponent = \"probe.wasm\"\n\n[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n\
         plugin = \"probe\"\n{sections}"
    );
    fs::write(dir.join("plugins.toml"), toml).expect("a new file");
    sandloop(dir, &["check"])
}

#[test]
fn what_is_too_large_is_refused_with_the_key_to_raise() {
    let made = |module: &str, times: usize| {
        let instances = "(core instance (instantiate $m))".repeat(times);
        format!("(component (core module $m {module}) {instances})")
    };
    let twice = |inner: &str| {
        let inner = inner.replacen("(component", "(component $c", 1);
        format!("(component {inner} (instance (instantiate $c)) (instance (instantiate $c)))")
    };
    let own = "plugins.probe.limits";
    for (inner, key, value) in [
        (made("(memory 640)", 1), "memory", None),
        (made("(memory 130)", 2), "memory", None),
        (made("(memory 1)", 100), "memory_count", None),
        (made("(memory 1) (memory 1)", 60), "memory_count", None),
        (made("(table 60000 funcref)", 1), "tables", None),
        (made("(table 30000 funcref) (table 30000 funcref)", 1), "tables", None),
        (made("(table 1 funcref)", 301), "table_count", None),
        // More in one component than a component may have.
        (twice(&made("(func)", 600)), "core_instances", None),
        (made("(memory 65536)", 1), "memory", Some("no plugin may have more than 4GiB")),
        (made("(memory i64 0x1000000000000)", 1), "memory", Some("no plugin may have more")),
        (made("(table 2000000000 funcref)", 1), "tables", Some("no plugin may have more")),
    ] {
        let (dir, _) = composed(&inner, 1);
        let outcome = check(dir.path(), "");
        let error = &outcome.stderr;
        assert_eq!(outcome.code, Some(3), "{key}: {error}");
        assert!(error.contains(&format!("{own}.{key} allows")), "{key}: {error}");
        if let Some(words) = value {
            assert!(error.contains(words), "{key}: {error}");
            continue;
        }
        let (_, raised) = error.split_once(&format!("raise {own}.{key} to ")).expect(error);
        let raised = raised.trim();
        let value = if key == "memory" { format!("{raised:?}") } else { raised.to_owned() };
        let limits = format!("[plugins.probe.limits]\n{key} = {value}\n[host]\ninstances = 5\n");
        let outcome = check(dir.path(), &limits);
        assert_eq!(outcome.code, Some(0), "{limits}: {}", outcome.stderr);
    }
}

/// The host explains what the engine's message leaves out.
#[test]
fn a_start_that_fails_names_what_to_change() {
    let start = |body: &str| format!("(func $s {body}) (start $s)");
    let globals = "(global (mut i64) (i64.const 0))".repeat(300_000);
    let grow = "(drop (memory.grow (i32.const 1000))) (unreachable)";
    for (more, says) in [
        (start("(unreachable)"), "it trapped in its start function"),
        (start("(loop (br 0))"), "raise plugins.probe.limits.cpu_per_event"),
        (start(grow), "raise plugins.probe.limits.memory"),
        (globals, "take more than 4MiB of the host's memory"),
        ("(tag)".to_owned(), "does not support of WebAssembly: exceptions"),
        ("(memory 1 1 shared)".to_owned(), "does not support of WebAssembly: threads"),
        ("(type (struct))".to_owned(), "does not support of WebAssembly: gc"),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bytes = wat::component(&Pieces { more, ..Pieces::default() });
        fs::write(dir.path().join("probe.wasm"), bytes).expect("a new file");
        let outcome = check(dir.path(), "");
        assert_eq!(outcome.code, Some(3), "{says}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("<name>"), "{says}: {}", outcome.stderr);
    }
}

#[test]
fn more_mappings_than_there_are_are_refused_at_the_start() {
    let inner = "(component (core module $m (memory 1)) INSTANCES)"
        .replace("INSTANCES", &"(core instance (instantiate $m))".repeat(90));
    let (dir, _) = composed(&inner, 1);
    // More than any system allows by default, and the number that the message names.
    let outcome = check(dir.path(), "[host]\ninstances = 900000\n");
    let error = &outcome.stderr;
    assert_eq!(outcome.code, Some(2), "{error}");
    assert!(error.contains("host.instances: 900000 sandboxes need"), "{error}");
    assert!(error.contains("as its component has 91 memories"), "{error}");
    assert!(error.contains("sysctl -w vm.max_map_count="), "{error}");
    let (_, rest) = error.split_once("write instances = ").expect(error);
    let (fits, _) = rest.split_once(" under [host]").expect(error);
    let outcome = check(dir.path(), &format!("[host]\ninstances = {fits}\n"));
    assert_eq!(outcome.code, Some(0), "{fits}: {}", outcome.stderr);
}

/// The counted mappings are those of the system: a sandbox takes no more than the refusal counts, and a native guest exactly as
/// many.
#[test]
fn the_mappings_of_a_sandbox_are_those_counted() {
    let parts = |memory: &str| {
        let module = format!("(component (core module $m {memory}) INSTANCES)");
        module.replace("INSTANCES", &"(core instance (instantiate $m))".repeat(9))
    };
    let with_data = r#"(memory 1) (data (i32.const 20000) "x")"#;
    for (inner, memories, is_exact) in [
        ("(component)".to_owned(), 1, true),
        (parts(with_data), 10, true),
        (parts("(memory 1)"), 10, false),
        (parts("(table 100 funcref)"), 1, true),
    ] {
        let (dir, _) = composed(&inner, 1);
        let refused = check(dir.path(), "[host]\ninstances = 900000\n").stderr;
        let (_, rest) = refused.split_once("each of plugin \"probe\" takes ").expect(&refused);
        let (counted, rest) = rest.split_once(", as its component has ").expect(&refused);
        assert!(rest.starts_with(&format!("{memories} memor")), "{refused}");
        let counted: usize = counted.parse().expect("a number");
        let plugin = Plugin::named("probe", &dir.path().join("probe.wasm"));
        let host = Host::start(&Config::serving(plugin).host("instances", "200"));
        let mut peers = Vec::new();
        let mut mappings_with = |sandboxes: usize| {
            while peers.len() < sandboxes {
                let mut peer = host.connect("probe");
                peer.expect_echo("helo\n");
                peers.push(peer);
            }
            let maps = fs::read_to_string(format!("/proc/{}/maps", host.pid()));
            maps.expect("the host runs").lines().count()
        };
        const MORE: usize = 40;
        // The first ones have the mappings that all share.
        let (few, many) = (mappings_with(10), mappings_with(10 + MORE));
        // A thread or a piece of heap that is added meanwhile does not count.
        let each = (many - few + MORE / 2) / MORE;
        assert!(each <= counted, "{inner}: {each} mappings each, {counted} are counted");
        assert!(!is_exact || each == counted, "{inner}: {each} mappings each, of {counted}");
        drop(peers);
        host.stop();
    }
}

/// At the bound of the tenant's memory new connections wait, and its plugins do not trap.
#[test]
fn past_its_tenants_memory_connections_wait() {
    let (dir, file) =
        composed("(component (core module $m (memory 160)) (core instance (instantiate $m)))", 1);
    let config = Config::serving(
        Plugin::named("probe", &file).limit("traps", "1").limit("connections", "50"),
    );
    let toml = format!("{}\n[tenants.probe.limits]\nmemory = \"40MiB\"\n", config.to_toml());
    fs::write(dir.path().join("plugins.toml"), &toml).expect("a new file");
    let outcome = sandloop(dir.path(), &["check"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(told.contains("has room for 3 of 50 connections"), "{told}");
    let host = Host::start_toml(dir, &toml);
    let mut peers: Vec<Peer> = (0..6).map(|_| host.connect("probe")).collect();
    for peer in &mut peers {
        peer.send("helo\n");
    }
    for peer in &mut peers[..3] {
        peer.expect("helo\n");
    }
    let told = host.wait_log("at its limit: not accepting for now");
    assert_eq!(told.field("limit"), Some("tenant memory"), "{told}");
    assert_eq!(told.field("value"), Some("40MiB"), "{told}");
    peers[3].expect_nothing_yet();
    drop(peers.drain(..3));
    for peer in &mut peers {
        peer.expect("helo\n");
    }
    drop(peers);
    assert_nobody_is_blamed("memory", &host.stop());
}

/// If the system has little address space the host adapts to it, or names the key to lower.
#[test]
fn with_little_address_space_it_starts_or_names_the_key() {
    let (dir, _) = composed("(component)", 1);
    assert_eq!(check(dir.path(), "[host]\ninstances = 100\n").code, Some(0));
    let limited = |limits: &str| {
        let mut shell = Command::new("sh");
        let script = format!("ulimit {limits} && exec \"$0\" check");
        shell.arg("-c").arg(script).arg(paths::binary()).current_dir(dir.path());
        host::finish(shell)
    };
    // In KiB: enough for slots of 16 MiB, and not for those of 4 GiB.
    let outcome = limited("-v 20000000");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for limits in ["-v 1200000", "-d 50000"] {
        let outcome = limited(limits);
        let error = &outcome.stderr;
        assert_eq!(outcome.code, Some(2), "{limits}: {error}");
        assert!(error.contains("plugins.toml:8: host.instances: "), "{limits}: {error}");
        let (_, rest) = error.rsplit_once("write instances = ").expect(error);
        let fits = rest.split_whitespace().next().expect("a number");
        assert!(fits.parse::<u32>().is_ok_and(|fits| 0 < fits && fits < 100), "{limits}: {error}");
    }
}
