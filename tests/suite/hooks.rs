//! Shutdown hooks, and the error handler of a plugin that panics.

use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, component};

#[test]
fn hooks_run_before_the_ends_of_connections() {
    let plugin = Plugin::new("hooks_order").isolation(Isolation::Plugin).prints();
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("hooks_order");
    peer.expect("helo\n");
    let outcome = host.stop();
    peer.expect("goodbye\n");
    peer.expect_end();
    let expected =
        ["hook of a connection", "hook 2", "hook 1", "stopping", "unbind stopped", "stopped"];
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), expected);
}

/// An error handler runs last and cannot prevent the end: the instance ends, and only that.
#[test]
fn an_error_handler_has_the_last_word() {
    let plugin = |name| {
        let plugin = Plugin::named(name, &component("hooks_order")).isolation(Isolation::Plugin);
        plugin.key("tenant", "\"shared\"")
    };
    let config = Config::new()
        .plugin(plugin("breaks"))
        .plugin(plugin("hears"))
        .listen(Listen::tcp("breaks"))
        .listen(Listen::tcp("hears"));
    let host = Host::start(&config);
    let (mut breaks, mut hears) = (host.connect("breaks"), host.connect("hears"));
    breaks.expect("helo\n");
    hears.expect("helo\n");
    breaks.send("panic\n");
    hears.expect("somebody has panicked\n");
    breaks.expect_closed();
    let words = host.wait_log("last words: ");
    assert!(words.message().contains("on purpose"), "{words}");
    assert_eq!(words.level(), "ERROR", "{words}");
    host.wait_log("trapped");
    host.stop();
}
