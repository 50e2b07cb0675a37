//! "Passing the Buck": a listener's options reach the handler of its connections.

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};

each_isolation!(a_listeners_option_is_in_the_answer);
fn a_listeners_option_is_in_the_answer(isolation: Isolation) {
    let config = Config::new()
        .plugin(Plugin::new("pass").isolation(isolation))
        .listen(Listen::tcp("pass").option("a", "Goodbye"));
    let host = Host::start(&config);
    let mut peer = host.connect("pass");
    // The slide's answer ends where the line did: `chomp` removes the line end, and it is not added again.
    peer.send("mostly cruel world\r\n");
    peer.expect("Goodbye mostly cruel world");
    peer.finish();
    peer.expect_end();
}

each_isolation!(each_listener_has_its_own_options);
fn each_listener_has_its_own_options(isolation: Isolation) {
    let config = Config::new()
        .plugin(Plugin::new("pass").isolation(isolation))
        .listen(Listen::tcp("pass").option("a", "Goodbye"))
        .listen(Listen::tcp("pass").option("a", "Farewell, \"dear\""));
    let host = Host::start(&config);
    let addresses = host.addresses("pass");
    let mut first = Peer::connect(&addresses[0]);
    let mut second = Peer::connect(&addresses[1]);
    first.send("cruel world\n");
    second.send("cruel world\n");
    first.expect("Goodbye cruel world");
    second.expect("Farewell, \"dear\" cruel world");
}
