//! Large numbers at once: timers, messages, deferred work. `cargo xtask perf load` measures their cost in time and memory.

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// 10,000 timers set and cancelled, repeatedly: a cancelled one releases its slot.
#[test]
fn cancelled_timers_leave_nothing() {
    let host = Host::start(&Config::serving(Plugin::new("load")));
    let mut peer = host.connect("load");
    for _ in 0..20 {
        assert_eq!(ask(&mut peer, "churn 10000"), "done");
    }
    host.stop();
}

/// 100 subscribers, each in a sandbox of its own, and all in one.
#[test]
fn a_hundred_subscribers_get_everything_in_order() {
    const MESSAGES: u32 = 20_000;
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        for reactors in ["1", "2"] {
            let plugin = Plugin::new("load").isolation(isolation);
            let host = Host::start(&Config::serving(plugin).host("reactors", reactors));
            let mut peers: Vec<Peer> = (0..100).map(|_| host.connect("load")).collect();
            for peer in &mut peers {
                assert_eq!(ask(peer, "subscribe"), "ok");
            }
            let mut pusher = host.connect("load");
            pusher.send(format!("push {MESSAGES}\n"));
            for peer in &mut peers {
                assert_eq!(peer.line(), format!("{MESSAGES} in order"));
            }
            host.stop();
        }
    }
}

/// An echo beside a thousand operations on two workers does not wait until they are done.
#[test]
fn an_echo_is_answered_beside_a_thousand_defers() {
    let config = Config::serving(Plugin::new("load"))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"))
        .host("workers", "2");
    let host = Host::start(&config);
    let (mut echo, mut load) = (host.connect("echo"), host.connect("load"));
    echo.expect_echo("before");
    assert_eq!(ask(&mut load, "work 1000"), "asked");
    let mut beside = 0;
    while load.is_idle() {
        echo.expect_echo("beside");
        beside += u32::from(load.is_idle());
    }
    load.expect("done\n");
    assert!(0 < beside, "no echo was answered before the operations were done");
    host.stop();
}
