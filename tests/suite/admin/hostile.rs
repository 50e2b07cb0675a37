//! Clients of the admin listener that stall, flood or send nonsense: others are answered, and the plugins are not affected.

use std::time::Duration;

use sandloop_tests::{AdminReply, Config, Isolation, Listen, Peer, Plugin};

use super::watched;

fn echo() -> Config {
    Config::serving(Plugin::new("echo"))
}

#[test]
fn a_client_that_stalls_is_closed() {
    let (_host, admin) = watched(echo().admin("request_deadline", "\"200ms\""));
    let stalls = ["", "GET /met", "GET /metrics HTTP/1.1\r\nHost: x\r\nX: "];
    for stall in stalls {
        let mut peer = admin.connect();
        peer.send(stall);
        peer.expect_closed();
    }
    let mut peer = admin.connect();
    peer.send("POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    let reply = AdminReply::read(&String::from_utf8_lossy(&peer.rest()));
    assert_eq!((reply.status, &*reply.code()), (408, "too-slow"));
    // A client that is answered may continue for the same time again.
    let mut peer = admin.connect();
    peer.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(peer.line(), "HTTP/1.1 200 OK\r");
    peer.expect_closed();
}

#[test]
fn whoever_holds_all_places_keeps_nobody_out() {
    let (host, admin) = watched(echo().admin("clients", "8").admin("request_deadline", "\"1h\""));
    // None of them ever sends anything.
    let mut silent: Vec<Peer> = (0..200).map(|_| admin.connect()).collect();
    for _ in 0..20 {
        assert_eq!(admin.get("/healthz").status, 200);
    }
    host.connect("echo").expect_echo("helo\n");
    // Those that have waited longest are gone.
    silent[0].expect_closed();
    let open = std::fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("it runs").count();
    assert!(open < 150, "{open} descriptors");
}

/// A client whose request is never complete loses its place like one that sends nothing.
#[test]
fn whoever_begins_and_goes_no_further_keeps_nobody_out() {
    for begins in [
        "",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\n",
    ] {
        // All places but one, all of them, and many times that number.
        for count in [3, 4, 40] {
            let config = echo().admin("clients", "4").admin("request_deadline", "\"1h\"");
            let (_host, admin) = watched(config);
            let mut others: Vec<Peer> = Vec::new();
            for _ in 0..count {
                let mut peer = admin.connect();
                peer.try_send(begins);
                others.push(peer);
                assert_eq!(admin.get("/healthz").status, 200, "{begins:?} of {}", others.len());
            }
        }
    }
}

/// While there is a place for every client, none is closed.
#[test]
fn nobody_goes_before_somebody_needs_the_place() {
    let (_host, admin) = watched(echo().admin("clients", "4").admin("request_deadline", "\"1h\""));
    let mut peers: Vec<Peer> = (0..4).map(|_| admin.connect()).collect();
    for _ in 0..3 {
        for peer in &mut peers {
            peer.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(peer.line(), "HTTP/1.1 200 OK\r");
            while peer.line() != "ok" {}
        }
    }
}

#[test]
fn a_request_has_its_bounds() {
    let (_host, admin) = watched(echo());
    let big = "x".repeat(20 << 10);
    let many = vec!["X: y"; 100];
    assert_eq!(admin.ask("GET", "/healthz", &[&format!("X: {big}")]).status, 431);
    assert_eq!(admin.ask("GET", "/healthz", &many).status, 431);
    let path = admin.ask("GET", &format!("/{big}"), &[]).status;
    assert!([404, 414, 431].contains(&path), "{path}");
    let mut peer = admin.connect();
    peer.send(format!(
        "POST /reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{big}",
        big.len()
    ));
    let reply = AdminReply::read(&String::from_utf8_lossy(&peer.rest()));
    assert_eq!((reply.status, &*reply.code()), (413, "too-large"));
    let mut peer = admin.connect();
    let chunk = format!("{:x}\r\n{big}\r\n", big.len());
    peer.try_send(format!("POST /plugins/echo/park HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"));
    let reply = AdminReply::read(&String::from_utf8_lossy(&peer.rest()));
    assert_eq!((reply.status, &*reply.code()), (413, "too-large"));
    assert_eq!(
        admin.json("/plugins/echo")["state"],
        "serving",
        "a request that is refused does nothing"
    );
}

#[test]
fn rubbish_is_no_request() {
    let (_host, admin) = watched(echo());
    for rubbish in [
        "\r\n\r\n\r\n\0\0\0\0 \r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}",
    ] {
        let mut peer = admin.connect();
        peer.try_send(rubbish);
        peer.try_finish();
        let reply = peer.rest();
        let reply = String::from_utf8_lossy(&reply);
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{rubbish:?}: {reply}");
    }
    assert_eq!(admin.get("/healthz").status, 200);
}

#[test]
fn requests_in_one_piece_are_answered_in_order() {
    let (_host, admin) = watched(echo());
    let mut peer = admin.connect();
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let all = [one("/readyz").repeat(50), one("/nowhere"), last.to_owned()].concat();
    peer.send(all);
    let text = peer.rest();
    let text = String::from_utf8_lossy(&text);
    let statuses: Vec<&str> =
        text.match_indices("HTTP/1.1 ").map(|(at, found)| &text[at + found.len()..][..3]).collect();
    let expected = [vec!["200"; 50], vec!["404", "200"]].concat();
    assert_eq!(statuses, expected);
}

/// A tenant that floods, and clients that request without a pause: both get their answers.
#[test]
fn a_scrape_beside_a_flood_is_answered() {
    let config = echo()
        .plugin(
            Plugin::named("noise", &sandloop_tests::component("compute"))
                .isolation(Isolation::Connection),
        )
        .listen(Listen::tcp("noise"));
    let (host, admin) = watched(config);
    let mut noise: Vec<Peer> = (0..20).map(|_| host.connect("noise")).collect();
    noise.iter_mut().for_each(|peer| peer.send("60000\n"));
    let asking = std::thread::spawn({
        let admin = admin.clone();
        move || {
            for _ in 0..30 {
                assert_eq!(admin.get("/metrics").status, 200);
                assert_eq!(admin.get("/connections").status, 200);
            }
        }
    });
    let mut peer = host.connect("echo");
    for _ in 0..30 {
        peer.expect_echo("helo\n");
    }
    asking.join().expect("every scrape was answered");
    let waited = admin.metric("sandloop_uptime_seconds").map(Duration::from_secs_f64);
    assert!(waited.is_some(), "it still answers");
}
