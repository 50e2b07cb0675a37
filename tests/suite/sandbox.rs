//! The host's treatment of a guest that misbehaves, without an effect on its neighbours.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, Listen, LogLine, Peer, Plugin, Server};

/// One test for each callback that can trap, and for each isolation.
macro_rules! each_callback {
    ($check:ident: $($callback:ident),+) => {
        mod $check {$(
            mod $callback {
                #[test]
                fn connection() {
                    super::super::$check(stringify!($callback), sandloop_tests::Isolation::Connection);
                }

                #[test]
                fn plugin() {
                    super::super::$check(stringify!($callback), sandloop_tests::Isolation::Plugin);
                }
            }
        )+}
    };
}

each_isolation!(an_endless_loop_costs_its_own_connections);
fn an_endless_loop_costs_its_own_connections(isolation: Isolation) {
    let plugin = Plugin::new("hostile_loop").limit("cpu_per_event", "\"300ms\"");
    let line = costs_its_own_connections(plugin, "hostile_loop", isolation, "receive-data");
    assert_eq!(line.field("limit"), Some("cpu_per_event"), "{line}");
}

each_isolation!(memory_without_end_costs_its_own_connections);
fn memory_without_end_costs_its_own_connections(isolation: Isolation) {
    let plugin = Plugin::new("hostile_memory").limit("memory", "\"4MiB\"");
    let line = costs_its_own_connections(plugin, "hostile_memory", isolation, "receive-data");
    assert_eq!(line.field("limit"), Some("memory"), "{line}");
}

/// Two plugins of one tenant share its memory; another tenant has its own.
#[test]
fn a_tenants_memory_is_shared_by_its_plugins_only() {
    let named = |name: &str, tenant: &str| {
        let plugin = Plugin::named(name, &sandloop_tests::component("hostile_memory"));
        plugin.key("tenant", format!("{tenant:?}")).limit("memory", "\"64MiB\"")
    };
    let config = Config::new()
        .plugin(named("greedy", "a"))
        .plugin(Plugin::new("echo").key("tenant", "\"b\""))
        .listen(Listen::tcp("greedy"))
        .listen(Listen::tcp("echo"));
    let limits = "[tenants.a.limits]\nmemory = \"8MiB\"\n";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_toml(dir, &format!("{}\n{limits}", config.to_toml()));
    let mut neighbour = host.connect("echo");
    neighbour.expect_echo("before");
    for _ in 0..3 {
        let mut greedy = host.connect("greedy");
        greedy.send("x");
        greedy.expect_closed();
        neighbour.expect_echo("beside");
    }
    let line = host.wait_log("trapped");
    assert_eq!(line.field("limit"), Some("tenant memory"), "{line}");
    // A sandbox of a megabyte for each connection: some fit, the next wait, and the host continues.
    let open: Vec<Peer> = (0..20).map(|_| host.connect("greedy")).collect();
    let full = host.wait_log("at its limit: not accepting for now");
    assert_eq!(full.field("limit"), Some("tenant memory"), "{full}");
    neighbour.expect_echo("still");
    drop(open);
    host.stop();
}

each_isolation!(recursion_without_end_costs_its_own_connections);
fn recursion_without_end_costs_its_own_connections(isolation: Isolation) {
    let plugin = Plugin::new("hostile_recursion");
    let line = costs_its_own_connections(plugin, "hostile_recursion", isolation, "receive-data");
    assert_eq!(line.field("limit"), Some("stack"), "{line}");
}

each_callback!(a_trap_costs_its_own_connections:
    constructor, post_init, connection_completed, receive_data, drained, unbind, timer, tick,
    message, popped, completed);
fn a_trap_costs_its_own_connections(callback: &str, isolation: Isolation) {
    misbehaves_in(callback, Plugin::new("hostile_trap"), isolation);
}

each_callback!(a_loop_costs_its_own_connections:
    constructor, post_init, connection_completed, receive_data, drained, unbind, timer, tick,
    message, popped, completed);
fn a_loop_costs_its_own_connections(callback: &str, isolation: Isolation) {
    let plugin = Plugin::new("hostile_loop").limit("cpu_per_event", "\"100ms\"");
    misbehaves_in(callback, plugin, isolation);
}

#[track_caller]
fn misbehaves_in(callback: &str, plugin: Plugin, isolation: Isolation) {
    let name = plugin.name().to_owned();
    // A small outbox is full soon, and drained soon.
    let plugin = plugin.isolation(isolation).limit("outbox_max", "\"1MiB\"").prints();
    let server = Server::tcp();
    let plugin = plugin.may_connect(&[server.address()]);
    let config = Config::new()
        .plugin(plugin)
        .plugin(Plugin::new("echo").isolation(isolation))
        .listen(
            Listen::tcp(&name)
                .option("callback", callback)
                .option("target", &format!("tcp://{}", server.address())),
        )
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let event = match callback {
        "timer" => "timer-fired".to_owned(),
        other => other.replace('_', "-"),
    };
    for traps in 1..=2 {
        let mut victim = Peer::connect_narrow(&host.address(&name));
        victim.try_send("now\n");
        if callback == "drained" {
            // Data that is read before the outbox is full does not get there: on a busy machine that may be all of it.
            let printed = host.wait_printed_lines(traps);
            assert_eq!(printed, vec!["outbox-full"; traps]);
        }
        while_answered(&mut steady, || victim.expect_closed());
        // The next one comes when this is over; otherwise it would end with it.
        let lines = host.wait_lines("a trap", traps, |line| line.level() == "ERROR");
        assert_trap_line(&lines[traps - 1], &name, &event);
    }
    host.stop();
}

/// Provokes the plugin on one connection while an echo beside it is requested all the time; returns the line of the log about
/// it.
#[track_caller]
fn costs_its_own_connections(
    plugin: Plugin,
    name: &str,
    isolation: Isolation,
    event: &str,
) -> LogLine {
    let config = Config::new()
        .plugin(plugin.isolation(isolation))
        .plugin(Plugin::new("echo").isolation(isolation))
        .listen(Listen::tcp(name))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let mut sibling = host.connect(name);
    let mut victim = host.connect(name);
    // Both are served before the provocation.
    steady.expect_echo("helo\n");

    while_answered(&mut steady, || {
        victim.send("now\n");
        victim.expect_closed();
    });

    let line = host.wait_line("a trap", |line| line.level() == "ERROR");
    assert_trap_line(&line, name, event);
    match isolation {
        // It has its own sandbox, and is not affected.
        Isolation::Connection => sibling.expect_nothing_yet(),
        // It shares the sandbox, and ends with it.
        Isolation::Plugin => sibling.expect_closed(),
    }
    // The next one gets a new sandbox, and may do the same.
    let mut next = host.connect(name);
    next.send("now\n");
    next.expect_closed();
    steady.expect_echo("still here\n");
    drop((sibling, next, steady));
    host.stop();
    line
}

/// Does something while an echo is requested all the time, and is answered.
#[track_caller]
fn while_answered(steady: &mut Peer, something: impl FnOnce() + Send) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let doing = scope.spawn(|| {
            // Also set if it fails; otherwise the loop would never end.
            let _over = OnDrop(&over);
            something();
        });
        while !over.load(Ordering::Acquire) {
            steady.expect_echo("still here\n");
        }
        if let Err(panic) = doing.join() {
            resume_unwind(panic);
        }
    });
}

/// Sets the flag when it is dropped.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The log line has the plugin, the connection, the event and the cause.
#[track_caller]
fn assert_trap_line(line: &LogLine, plugin: &str, event: &str) {
    assert_eq!(line.level(), "ERROR", "{line}");
    assert_eq!(line.field("plugin"), Some(plugin), "{line}");
    assert_eq!(line.field("event"), Some(event), "{line}");
    // These events have no connection.
    if !["timer-fired", "tick", "message", "popped", "completed"].contains(&event) {
        assert!(line.field("handler").is_some(), "{line}");
        assert!(line.field("connection").is_some_and(|id| id.parse::<u32>().is_ok()), "{line}");
    }
    assert!(line.field("cause").is_some_and(|cause| !cause.is_empty()), "{line}");
    assert!(line.field("backtrace").is_some_and(|frames| !frames.is_empty()), "{line}");
}

each_isolation!(long_work_ends_and_the_echo_beside_it_is_answered);
fn long_work_ends_and_the_echo_beside_it_is_answered(isolation: Isolation) {
    let config = Config::new()
        .plugin(Plugin::new("compute").isolation(isolation).limit("cpu_per_event", "\"1s\""))
        .plugin(Plugin::new("echo").isolation(isolation))
        .listen(Listen::tcp("compute"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut worker = host.connect("compute");
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let (worked, answered) = work_beside(&mut worker, &mut steady);
    assert!(Duration::from_millis(100) < worked, "it worked for {worked:?} only");
    assert!(20 < answered, "{answered} echoes beside {worked:?} of work");
}

/// Computes for about 300 ms and requests an echo meanwhile; returns the duration, and the number of echoes.
fn work_beside(worker: &mut Peer, steady: &mut Peer) -> (Duration, u32) {
    let begun = Instant::now();
    worker.send("300\n");
    let mut answered = 0;
    while worker.is_idle() {
        steady.expect_echo("still here\n");
        answered += 1;
    }
    worker.expect("done\n");
    (begun.elapsed(), answered)
}

each_isolation!(what_comes_meanwhile_waits_its_turn);
/// Input of a peer while its instance is suspended waits, and is then handled in order.
fn what_comes_meanwhile_waits_its_turn(isolation: Isolation) {
    let plugin = Plugin::new("compute").isolation(isolation);
    let host = Host::start(&Config::serving(plugin));
    let mut peers: Vec<Peer> = (0..3).map(|_| host.connect("compute")).collect();
    for peer in &mut peers {
        peer.send("50\n");
        peer.send("1\n1\n");
    }
    for peer in &mut peers {
        peer.expect("done\ndone\ndone\n");
    }
}
