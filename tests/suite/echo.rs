//! Echo, the first server of EventMachine's slides: in every language that has one, over every kind of listener, in both
//! isolations.

use std::process::Command;
use std::thread;

use sandloop_testkit::Noise;
use sandloop_tests::host::finish;
use sandloop_tests::process::{resident, resident_peak};
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, workspace};

/// One test for each of the contract's languages, and for each isolation.
macro_rules! each_component {
    ($check:ident: $($component:ident),+) => {
        mod $check {$(
            mod $component {
                #[test]
                fn connection() {
                    super::super::$check(stringify!($component), sandloop_tests::Isolation::Connection);
                }

                #[test]
                fn plugin() {
                    super::super::$check(stringify!($component), sandloop_tests::Isolation::Plugin);
                }
            }
        )+}
    };
}

each_component!(tcp_answers_what_it_is_sent: echo, c_echo);
fn tcp_answers_what_it_is_sent(component: &str, isolation: Isolation) {
    let host = serving(component, isolation);
    let mut peer = host.connect(component);
    peer.expect_echo("helo\n");
    peer.expect_echo("goodbye cruel world\n");
    peer.finish();
    peer.expect_end();
}

each_component!(every_byte_value_and_every_size_comes_back: echo, c_echo);
fn every_byte_value_and_every_size_comes_back(component: &str, isolation: Isolation) {
    let host = serving(component, isolation);
    let mut peer = host.connect(component);
    let bytes = Noise::new(1).bytes(1 << 20);
    // Around the sizes where a buffer may end.
    for size in [1, 2, 255, 256, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 65537] {
        peer.expect_echo(&bytes[..size]);
    }
    let mut writer = peer.twin();
    let sent = bytes.clone();
    let sending = thread::spawn(move || {
        writer.send(&sent);
        writer.finish();
    });
    peer.expect(&bytes);
    peer.expect_end();
    sending.join().expect("everything was sent");
}

each_component!(connections_do_not_mix: echo, c_echo);
fn connections_do_not_mix(component: &str, isolation: Isolation) {
    let host = serving(component, isolation);
    let mut peers: Vec<Peer> = (0..50).map(|_| host.connect(component)).collect();
    for round in 0..3 {
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.send(format!("round {round}, connection {number}\n"));
        }
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.expect(format!("round {round}, connection {number}\n"));
        }
    }
}

each_component!(unix_answers_what_it_is_sent: echo, c_echo);
fn unix_answers_what_it_is_sent(component: &str, isolation: Isolation) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("echo.sock");
    let config = Config::new()
        .plugin(Plugin::new(component).isolation(isolation))
        .listen(Listen::unix(&path, component));
    let host = Host::start_in(dir, &config);
    assert_eq!(host.address(component), format!("unix://{}", path.display()));
    let mut peer = host.connect(component);
    peer.expect_echo("helo\n");
    let bytes = Noise::new(1).bytes(100_000);
    peer.expect_echo(bytes);
    peer.finish();
    peer.expect_end();
    host.stop();
    assert!(!path.exists(), "the socket's file outlives the host");
}

#[test]
fn one_plugin_serves_several_listeners() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("echo.sock");
    let config = Config::new()
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"))
        .listen(Listen::unix(&path, "echo"))
        .listen(Listen::at("tcp://[::1]:0", "echo"));
    let host = Host::start_in(dir, &config);
    let ready = host.wait_log("ready ");
    assert_eq!(ready.field("listeners"), Some("3"), "{ready}");
    assert_eq!(ready.field("plugins"), Some("1"), "{ready}");
    for address in host.addresses("echo") {
        Peer::connect(&address).expect_echo("helo\n");
    }
}

each_isolation!(an_eventmachine_client_gets_every_byte_back);
/// The acceptance test: everything that EventMachine itself sends comes back from the sandbox.
fn an_eventmachine_client_gets_every_byte_back(isolation: Isolation) {
    const CONNECTIONS: u64 = 200;
    const BYTES: u64 = 1 << 20;
    let host = serving("echo", isolation);
    let before = resident(host.pid());
    let mut client = Command::new("ruby");
    client.arg(workspace().join("tests/peers/em_client.rb")).arg(host.address("echo")).args([
        CONNECTIONS.to_string(),
        BYTES.to_string(),
        "1".to_owned(),
    ]);
    let outcome = finish(client);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, format!("ok {CONNECTIONS} {BYTES}\n"));
    // Passing data is not kept: far less than the 200 MiB of it.
    let grown = resident_peak(host.pid()) - before;
    println!("resident memory grew by {} KiB", grown / 1024);
    assert!(grown < CONNECTIONS * 256 * 1024, "resident memory grew by {grown} bytes");
    host.stop();
}

fn serving(component: &str, isolation: Isolation) -> Host {
    Host::start(&Config::serving(Plugin::new(component).isolation(isolation)))
}
