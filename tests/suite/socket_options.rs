//! Socket options that a plugin can set, and connecting from an address.

use std::net::TcpListener;

use sandloop_tests::peer::Server;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};

fn serving(plugin: Plugin) -> Host {
    let listen = Listen::tcp("sockets").key("handler", "\"control\"");
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

fn sockets() -> Plugin {
    Plugin::new("sockets").prints().isolation(Isolation::Plugin)
}

#[track_caller]
fn ask(control: &mut Peer, line: &str) -> String {
    control.send(format!("{line}\n"));
    control.line().trim_end().to_owned()
}

#[test]
fn keepalive_and_nodelay() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let unix = Listen::unix(&dir.path().join("a.sock"), "sockets").key("handler", "\"control\"");
    let tcp = Listen::tcp("sockets").key("handler", "\"control\"");
    let host = Host::start(&Config::new().plugin(sockets()).listen(tcp).listen(unix));
    let addresses = host.addresses("sockets");
    let mut control = Peer::connect(&addresses[0]);
    let expected =
        "(false, true) 30 4 [Err(\"invalid-argument\"), Err(\"invalid-argument\")] false false";
    assert_eq!(ask(&mut control, "options"), expected);
    let mut control = Peer::connect(&addresses[1]);
    assert_eq!(ask(&mut control, "options"), "no unsupported");
    assert_eq!(host.stop().code, Some(0));
}

fn free_port(address: &str) -> u16 {
    let listener = TcpListener::bind(address).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn a_connection_comes_from_where_it_was_asked_to() {
    let server = Server::tcp();
    let target = format!("127.0.0.1 {}", server.port());
    let plugin = sockets().may_connect(&["127.0.0.1:*"]).allow("listen", &["127.0.0.9:*"]);
    let host = serving(plugin);
    let mut control = host.connect("sockets");
    assert_eq!(ask(&mut control, &format!("from 127.0.0.9 0 {target}")), "ok");
    server.accept().expect("hello\n");
    host.wait_printed_start("from 127.0.0.9 ");
    let port = free_port("127.0.0.9:0");
    assert_eq!(ask(&mut control, &format!("from 127.0.0.9 {port} {target}")), "ok");
    server.accept().expect("hello\n");
    host.wait_printed(&format!("from 127.0.0.9 {port}"));
    assert_eq!(ask(&mut control, &format!("from 127.0.0.8 0 {target}")), "no denied");
    let line = host.wait_log("denied");
    assert_eq!(line.field("call"), Some("socket-options.connect-from"));
    assert_eq!(ask(&mut control, &format!("from localhost 0 {target}")), "no invalid-argument");
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_target_without_an_address_is_told_to_unbind() {
    let plugin = sockets().may_connect(&["nobody.invalid:80"]).allow("listen", &["127.0.0.1:0"]);
    let host = serving(plugin);
    let mut control = host.connect("sockets");
    assert_eq!(ask(&mut control, "from 127.0.0.1 0 nobody.invalid 80"), "ok");
    host.wait_printed("from unbind name-not-found");
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn what_the_machine_does_not_have_is_told_to_unbind() {
    let server = Server::tcp();
    let plugin = sockets().may_connect(&["127.0.0.1:*"]);
    let plugin = plugin.allow("listen", &["192.0.2.1:0", "[::1]:0"]);
    let host = serving(plugin);
    let mut control = host.connect("sockets");
    for from in ["192.0.2.1", "::1"] {
        let line = format!("from {from} 0 127.0.0.1 {}", server.port());
        assert_eq!(ask(&mut control, &line), "ok");
    }
    host.wait_printed_lines(2);
    assert_eq!(host.printed(), "from unbind unreachable\n".repeat(2));
    assert_eq!(host.stop().code, Some(0));
}
