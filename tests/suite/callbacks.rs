//! The callbacks of an accepted connection: their order and their arguments.

use sandloop_tests::{Config, Host, Isolation, Listen, Plugin};

each_isolation!(an_accepted_connection_is_told_everything_in_order);
fn an_accepted_connection_is_told_everything_in_order(isolation: Isolation) {
    let config = Config::new()
        .plugin(Plugin::new("callbacks_trace").isolation(isolation).prints())
        .listen(Listen::tcp("callbacks_trace").option("b", "2").option("a", "1"));
    let host = Host::start(&config);
    let mut peer = host.connect("callbacks_trace");
    peer.expect_echo("helo\n");
    peer.expect_echo("again\n");
    peer.finish();
    peer.expect_end();
    host.wait_printed("drop");
    let expected = [
        "constructor a=1 b=2",
        "post_init",
        "receive_data \"helo\\n\"",
        "receive_data \"again\\n\"",
        "unbind peer-closed",
        "drop",
    ];
    assert_eq!(host.stop().stdout.lines().collect::<Vec<_>>(), expected);
}

each_isolation!(a_reset_is_told);
fn a_reset_is_told(isolation: Isolation) {
    let plugin = Plugin::new("callbacks_trace").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("callbacks_trace");
    peer.expect_echo("helo\n");
    peer.reset();
    host.wait_printed("drop");
    let expected = ["constructor", "post_init", "receive_data \"helo\\n\"", "unbind reset", "drop"];
    assert_eq!(host.stop().stdout.lines().collect::<Vec<_>>(), expected);
}

each_isolation!(a_stop_is_told);
fn a_stop_is_told(isolation: Isolation) {
    let plugin = Plugin::new("callbacks_trace").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("callbacks_trace");
    peer.expect_echo("helo\n");
    let expected =
        ["constructor", "post_init", "receive_data \"helo\\n\"", "unbind stopped", "drop"];
    assert_eq!(host.stop().stdout.lines().collect::<Vec<_>>(), expected);
    peer.expect_end();
}

each_isolation!(a_stale_socket_is_harmless);
/// Calls of a guest with its socket after the end have no effect.
fn a_stale_socket_is_harmless(isolation: Isolation) {
    let plugin = Plugin::new("stale_socket").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("stale_socket");
    peer.finish();
    peer.expect_end();
    let answers = |when: &str| {
        [
            "send_data closed",
            "half_close closed",
            "peer_address none",
            "local_address none",
            "outbound_data_size 0",
            "end ",
        ]
        .map(|answer| format!("{when}: {answer}"))
    };
    let mut expected = answers("unbind").to_vec();
    // In a sandbox of its own the timer ends with the connection.
    if isolation == Isolation::Plugin {
        expected.extend(answers("later"));
    }
    host.wait_printed(expected.last().expect("there are answers"));
    assert_eq!(host.stop().stdout.lines().collect::<Vec<_>>(), expected);
}
