//! The plugin `proxy` in front of nginx and of servers that die, stall and come back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use sandloop_tests::host::finish;
use sandloop_tests::hostile::drive::{descriptors, wait_descriptors};
use sandloop_tests::nginx::Nginx;
use sandloop_tests::process::cpu_time;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, Server};

/// A balancer with these targets and more options.
fn balancer(targets: &[&str], more: &[(&str, &str)]) -> Host {
    Host::start(&config(targets, more))
}

fn config(targets: &[&str], more: &[(&str, &str)]) -> Config {
    let mut plugin = Plugin::new("proxy")
        .isolation(Isolation::Plugin)
        .option("targets", &targets.join(" "))
        .may_connect(targets);
    if !more.iter().any(|(key, _)| *key == "check_every") {
        plugin = plugin.option("check_every", "0");
    }
    for (key, value) in more {
        plugin = plugin.option(key, value);
    }
    Config::new().plugin(plugin).listen(Listen::tcp("proxy"))
}

/// The output of curl for a path.
#[track_caller]
fn curl(host: &Host, path: &str) -> String {
    let address = host.address("proxy").replace("tcp://", "http://");
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail", "--max-time", "30", &format!("{address}{path}")]);
    let outcome = finish(command);
    assert_eq!(outcome.code, Some(0), "{}\n{:#?}", outcome.stderr, host.log());
    outcome.stdout
}

/// Answers each connection with its name, once a byte has come, and waits for the end.
fn named(name: &'static str, listener: TcpListener) -> String {
    let address = listener.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            thread::spawn(move || {
                // A health check sends nothing.
                if matches!(stream.read(&mut [0; 64]), Ok(count) if 0 < count) {
                    let _ = stream.write_all(name.as_bytes());
                    let _ = stream.read(&mut [0; 64]);
                }
            });
        }
    });
    address
}

fn bound() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

fn ask(host: &Host) -> (Peer, u8) {
    let mut peer = host.connect("proxy");
    peer.send("?");
    let mut name = [0];
    assert_eq!(peer.read(&mut name).expect("an answer"), 1);
    (peer, name[0])
}

#[test]
fn pages_of_nginx_come_through_it() {
    let page = b"<p>a page</p>\n";
    let servers = [(); 2].map(|()| Nginx::start("", &[("page.html", page)]));
    let host = balancer(&[servers[0].address(), servers[1].address()], &[]);
    for _ in 0..6 {
        assert_eq!(curl(&host, "/page.html").as_bytes(), page);
    }
    // The failure of one server does not affect its clients.
    let [first, _second] = servers;
    drop(first);
    for _ in 0..6 {
        assert_eq!(curl(&host, "/page.html").as_bytes(), page);
    }
}

#[test]
fn nginx_is_told_who_the_client_is() {
    for version in ["v1", "v2"] {
        let own = sandloop_tests::own_loopback();
        let told = format!(
            "listen {own}:8081 proxy_protocol;\n\
             location = /who {{ return 200 \"$proxy_protocol_addr $proxy_protocol_port\\n\"; }}"
        );
        let server = Nginx::start(&told, &[]);
        let target = format!("{own}:8081");
        let host = balancer(&[&target], &[("proxy_protocol", version)]);
        let mut peer = host.connect("proxy");
        let from = peer.local_address().replace(':', " ");
        peer.send("GET /who HTTP/1.0\r\n\r\n");
        let answer = String::from_utf8(peer.rest()).expect("text");
        assert!(
            answer.ends_with(&format!("\r\n\r\n{from}\n")),
            "{version}: {answer}{}",
            server.log()
        );
    }
}

#[test]
fn who_has_least_connections_gets_the_next() {
    let targets = ["a", "b", "c"].map(|name| named(name, bound()));
    let host = balancer(&targets.each_ref().map(String::as_str), &[]);
    let mut held: Vec<(Peer, u8)> = (0..6).map(|_| ask(&host)).collect();
    let mut names: Vec<u8> = held.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    assert_eq!(names, b"aabbcc");
    // The server whose clients leave gets the next ones.
    let (mut gone, name) = held.remove(0);
    gone.finish();
    gone.expect_end();
    let (_again, next) = ask(&host);
    assert_eq!(next, name);
}

#[test]
fn one_address_has_one_target() {
    let targets = ["a", "b", "c", "d"].map(|name| named(name, bound()));
    let host = balancer(&targets.each_ref().map(String::as_str), &[("balance", "source")]);
    let names: Vec<u8> = (0..8).map(|_| ask(&host).1).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[test]
fn a_dead_target_is_passed_over_and_comes_back() {
    let (dead, alive) = (bound(), named("a", bound()));
    let address = dead.local_addr().expect("it is bound").to_string();
    drop(dead);
    let checks = [("check_every", "50"), ("check_down", "2"), ("check_up", "2")];
    let host = balancer(&[&address, &alive], &checks);
    host.wait_line("that it is down", |line| line.0.contains(&format!("{address} is down")));
    for _ in 0..5 {
        assert_eq!(ask(&host).1, b'a');
    }
    let back = TcpListener::bind(&address).expect("the port is still free");
    named("b", back);
    host.wait_line("that it is up", |line| line.0.contains(&format!("{address} is up")));
    let held: Vec<(Peer, u8)> = (0..4).map(|_| ask(&host)).collect();
    assert!(held.iter().any(|(_, name)| *name == b'b'));
}

#[test]
fn without_a_target_the_client_is_closed() {
    let servers = [Server::refusing(), Server::refusing()];
    let targets = servers.each_ref().map(|server| server.address().to_owned());
    let host = balancer(&targets.each_ref().map(String::as_str), &[]);
    host.connect("proxy").expect_closed();
    host.wait_line("that there is none", |line| line.0.contains("no target takes connection"));
}

#[test]
fn a_deaf_target_is_given_up_and_the_next_is_asked() {
    let (deaf, _queue) = Server::silent();
    let alive = named("a", bound());
    let host = balancer(&[deaf.address(), &alive], &[("connect_timeout", "200")]);
    for _ in 0..3 {
        assert_eq!(ask(&host).1, b'a');
    }
}

/// A request, its end, and a reply of five megabytes that begins behind it.
#[test]
fn a_reply_behind_the_clients_end_comes_whole() {
    let listener = bound();
    let address = listener.local_addr().expect("it is bound").to_string();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().expect("a connection").0;
        let mut request = Vec::new();
        stream.read_to_end(&mut request).expect("the client's end comes through");
        stream.write_all(&vec![b'r'; 5_000_000]).expect("it is taken");
        request
    });
    let host = balancer(&[&address], &[]);
    let mut peer = host.connect("proxy");
    peer.send("request");
    peer.finish();
    let reply = peer.rest();
    assert!(reply.len() == 5_000_000 && reply.iter().all(|byte| *byte == b'r'));
    assert_eq!(server.join().expect("it has ended"), b"request");
}

/// A client or a server that stands still needs no CPU time of the host.
#[test]
fn who_stands_still_costs_no_cpu() {
    let listener = bound();
    let address = listener.local_addr().expect("it is bound").to_string();
    let host = balancer(&[&address], &[]);
    let mut client = Peer::connect_narrow(&host.address("proxy"));
    let mut server = listener.accept().expect("a connection").0;
    server.set_write_timeout(Some(Duration::from_millis(300))).expect("an open socket");
    while server.write(&[b'x'; 65_536]).is_ok() {}
    let before = cpu_time(host.pid());
    assert!(server.write(b"x").is_err(), "there is room again");
    let used = cpu_time(host.pid()).saturating_sub(before);
    assert!(used < Duration::from_millis(100), "{used:?} while nothing moves");
    server.shutdown(Shutdown::Both).expect("an open socket");
    client.expect_count(1 << 20);
}

#[test]
fn a_wrong_option_stops_the_start() {
    let refused = |more: &[(&str, &str)], words: &str| {
        let (dir, _) = sandloop_tests::host::directory(&config(&["127.0.0.1:9"], more).to_toml());
        let outcome = sandloop_tests::sandloop(dir.path(), &["run"]);
        assert_ne!(outcome.code, Some(0), "{more:?}");
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    };
    refused(&[("balance", "dice")], "least-connections or source");
    refused(&[("proxy_protocol", "v3")], "v1 or v2");
}

/// Many short connections at once; all their resources are released.
#[test]
fn a_crowd_is_served_and_leaves_nothing_behind() {
    let targets = ["a", "b"].map(|name| named(name, bound()));
    let config = config(&targets.each_ref().map(String::as_str), &[])
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut echo = host.connect("echo");
    echo.expect_echo("before\n");
    let (address, before) = (host.address("proxy"), descriptors(&host));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..25 {
                    let mut peer = Peer::connect(&address);
                    peer.send("?");
                    peer.expect_count(1);
                    if round % 3 == 0 {
                        peer.reset();
                    } else {
                        peer.finish();
                        peer.expect_end();
                    }
                }
            });
        }
    });
    wait_descriptors(&host, &mut echo, before).unwrap_or_else(|left| panic!("{left}"));
}

#[test]
fn a_client_that_says_nothing_hears_a_server_that_speaks_first() {
    let listener = bound();
    let address = listener.local_addr().expect("it is bound").to_string();
    let host = balancer(&[&address], &[]);
    let client = TcpStream::connect(host.address("proxy").trim_start_matches("tcp://"));
    let mut client = client.expect("it listens");
    let mut server = listener.accept().expect("a connection").0;
    server.write_all(b"220 ready\r\n").expect("it is taken");
    let mut greeting = [0; 11];
    client.read_exact(&mut greeting).expect("a greeting");
    assert_eq!(&greeting, b"220 ready\r\n");
}
