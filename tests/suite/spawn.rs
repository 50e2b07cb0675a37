//! Spawned blocks: notifications are ticks, in one order for all.

use sandloop_tests::{Config, Host, Isolation, Plugin};

each_isolation!(notifications_run_in_order);
fn notifications_run_in_order(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = Host::start(
            &Config::serving(Plugin::new("spawn_order").isolation(isolation))
                .host("reactors", reactors),
        );
        let mut peer = host.connect("spawn_order");
        let mut check = |command: &str, expected: &[&str]| {
            peer.send(format!("{command}\n"));
            let told: Vec<String> = expected.iter().map(|_| peer.line()).collect();
            assert_eq!(told, expected, "{command}");
        };
        check("notify", &["notified", "one", "two", "three"]);
        check("selves", &["a2", "b2", "a1", "b1", "a0", "b0"]);
        check("yield", &["first 1", "second 2", "second 3"]);
        check("yield-and-notify", &["a", "tick", "b"]);
        host.stop();
    }
}
