//! Deferred work: results, failures, bounds, order.

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

fn serving(plugin: Plugin) -> Host {
    Host::start(&Config::serving(plugin))
}

each_isolation!(results_and_failures_come_back, each_reactor_gets_its_own, the_loop_goes_on);
fn results_and_failures_come_back(isolation: Isolation) {
    let plugin = Plugin::new("deferred")
        .isolation(isolation)
        .limit("cpu_per_operation", "\"50ms\"")
        .limit("message", "1000");
    let host = serving(plugin);
    let mut peer = host.connect("deferred");
    assert_eq!(ask(&mut peer, "fib 20"), "done 6765");
    assert_eq!(ask(&mut peer, "fail no luck"), r#"failure Failed("no luck")"#);
    assert_eq!(ask(&mut peer, "panic"), "failure Trapped");
    let trapped = host.wait_log("a deferred operation was ended");
    assert_eq!(trapped.field("plugin"), Some("deferred"), "{trapped}");
    assert_eq!(ask(&mut peer, "loop"), "failure TooLong");
    let ended = host.wait_line("the limit", |line| line.field("limit").is_some());
    assert_eq!(ended.field("limit"), Some("cpu_per_operation"), "{ended}");
    for (bomb, limit) in [("memory", "memory"), ("recursion", "stack")] {
        assert_eq!(ask(&mut peer, bomb), "failure Trapped");
        host.wait_line(limit, |line| line.field("limit") == Some(limit));
    }
    assert_eq!(ask(&mut peer, "bytes 990"), "length 990");
    assert_eq!(ask(&mut peer, "bytes 1001"), "failure TooLarge");
    assert_eq!(ask(&mut peer, "nested"), "done denied (error 3)");
    // The instance that asked is unchanged.
    assert_eq!(ask(&mut peer, "fib 10"), "done 55");
    host.stop();
}

/// Answers go to the connection that asked, on any reactor.
fn each_reactor_gets_its_own(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let plugin = Plugin::new("deferred").isolation(isolation);
        let host =
            Host::start(&Config::serving(plugin).host("reactors", reactors).host("workers", "2"));
        let mut peers: Vec<Peer> = (0..20).map(|_| host.connect("deferred")).collect();
        for round in 0..5 {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.send(format!("fib {}\n", number + round));
            }
            for (number, peer) in peers.iter_mut().enumerate() {
                assert_eq!(peer.line(), format!("done {}", fib(number + round)));
            }
        }
        host.stop();
    }
}

fn fib(n: usize) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

/// A worker that sleeps or computes does not delay others.
fn the_loop_goes_on(isolation: Isolation) {
    let host = Host::start(
        &Config::serving(Plugin::new("deferred").isolation(isolation)).host("workers", "1"),
    );
    let mut peer = host.connect("deferred");
    peer.send("sleep 200\nwhat\n");
    assert_eq!(peer.line(), "what?", "before the operation has ended");
    assert_eq!(peer.line(), "slept 200".replace("slept", "done slept"));
    host.stop();
}

/// In the order in which they end, not in that of the requests.
#[test]
fn the_order_is_that_of_their_ends() {
    let host = Host::start(&Config::serving(Plugin::new("deferred")).host("workers", "2"));
    let mut peer = host.connect("deferred");
    // Far enough apart for a worker that a busy machine delays.
    peer.send("sleep 1500\nsleep 10\n");
    assert_eq!(
        (peer.line(), peer.line()),
        ("done slept 10".to_owned(), "done slept 1500".to_owned())
    );
    host.stop();
}

#[test]
fn what_sleeps_too_long_is_ended() {
    let plugin = Plugin::new("deferred").limit("operation_deadline", "\"50ms\"");
    let host = serving(plugin);
    let mut peer = host.connect("deferred");
    assert_eq!(ask(&mut peer, "sleep 3600000"), "failure TooLong");
    let ended = host.wait_log("a deferred operation was ended");
    assert_eq!(ended.field("limit"), Some("operation_deadline"), "{ended}");
    assert_eq!(ask(&mut peer, "fib 10"), "done 55");
    host.stop();
}

#[test]
fn too_many_are_refused_and_the_others_done() {
    let host = serving(Plugin::new("deferred").limit("deferred", "10"));
    let mut peer = host.connect("deferred");
    assert_eq!(ask(&mut peer, "many 25"), "refused 15");
    for _ in 0..10 {
        assert_eq!(peer.line(), "done one");
    }
    // There is room again.
    assert_eq!(ask(&mut peer, "many 10"), "refused 0");
    host.stop();
}

/// One worker, whose sandbox is reused by the same plugin and never by another.
#[test]
fn a_workers_sandbox_is_used_again_by_its_own_plugin_only() {
    let first = Plugin::new("deferred").key("tenant", "\"one\"");
    let second =
        Plugin::named("second", &sandloop_tests::component("deferred")).key("tenant", "\"two\"");
    let listen = sandloop_tests::Listen::tcp("second");
    let host =
        Host::start(&Config::serving(first).plugin(second).listen(listen).host("workers", "1"));
    let (mut one, mut two) = (host.connect("deferred"), host.connect("second"));
    assert_eq!(ask(&mut one, "calls"), "done 1");
    assert_eq!(ask(&mut one, "calls"), "done 2");
    assert_eq!(ask(&mut two, "calls"), "done 1", "nothing of the other's");
    assert_eq!(ask(&mut one, "calls"), "done 1", "nor is it left behind");
    host.stop();
}

/// One tenant has filled all its workers with work that never ends; another's work is still done.
#[test]
fn operations_that_sleep_leave_a_worker_to_the_others() {
    let other = Plugin::named("other", &sandloop_tests::component("deferred"));
    let config = Config::serving(Plugin::new("deferred"))
        .plugin(other)
        .listen(sandloop_tests::Listen::tcp("other"))
        .host("workers", "2");
    let host = Host::start(&config);
    let (mut sleeper, mut other) = (host.connect("deferred"), host.connect("other"));
    for _ in 0..10 {
        sleeper.send("sleep 3600000\n");
    }
    // A request that is not deferred is answered after all that was deferred before it.
    assert_eq!(ask(&mut sleeper, "what"), "what?");
    for _ in 0..3 {
        assert_eq!(ask(&mut other, "fib 10"), "done 55");
    }
    host.stop();
}

/// The end of a connection or of the host does not wait for a worker.
#[test]
fn what_nobody_waits_for_is_given_up() {
    let host = Host::start(&Config::serving(Plugin::new("deferred")).host("workers", "1"));
    let mut peer = host.connect("deferred");
    peer.send("loop\nwhat\n");
    peer.expect("what?\n");
    drop(peer);
    // The only worker is free although the operation has no end.
    let mut next = host.connect("deferred");
    assert_eq!(ask(&mut next, "fib 10"), "done 55");
    next.send("sleep 3600000\nwhat\n");
    next.expect("what?\n");
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
