//! Channels: receivers, order, and bounds.

use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, component};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// `count` clients of a host with two reactors, all subscribed to `room`.
fn members(host: &Host, count: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..count).map(|_| host.connect("channels")).collect();
    for peer in &mut peers {
        assert_eq!(ask(peer, "subscribe room"), "ok");
    }
    peers
}

fn serving(isolation: Isolation, reactors: &str) -> Host {
    let plugin = Plugin::new("channels").isolation(isolation);
    Host::start(&Config::serving(plugin).host("reactors", reactors))
}

each_isolation!(
    everyone_gets_everything_in_one_order,
    a_push_from_a_callback_comes_after_what_was_pushed_before,
    the_pusher_may_leave_itself_out,
    who_has_left_gets_nothing,
);
fn everyone_gets_everything_in_one_order(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut peers = members(&host, 6);
        assert_eq!(ask(&mut peers[0], "count room"), "6");
        for (number, peer) in peers.iter_mut().enumerate() {
            let words: Vec<String> = (0..50).map(|word| format!("{number}.{word}")).collect();
            peer.send(format!("push room {}\n", words.join(" ")));
        }
        let heard: Vec<Vec<String>> =
            peers.iter_mut().map(|peer| (0..300).map(|_| peer.line()).collect()).collect();
        for (number, lines) in heard.iter().enumerate() {
            assert_eq!(lines, &heard[0], "subscriber {number} has another order");
        }
        for number in 0..6 {
            let own: Vec<&String> = heard[0]
                .iter()
                .filter(|line| line.starts_with(&format!("got {number}.")))
                .collect();
            let expected: Vec<String> =
                (0..50).map(|word| format!("got {number}.{word}")).collect();
            assert_eq!(own, expected.iter().collect::<Vec<_>>(), "the order of their sender");
        }
        host.stop();
    }
}

fn a_push_from_a_callback_comes_after_what_was_pushed_before(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let (mut one, mut two) = (host.connect("channels"), host.connect("channels"));
        assert_eq!(ask(&mut one, "answer room"), "ok");
        assert_eq!(ask(&mut two, "subscribe room"), "ok");
        // EventMachine delivers `re:a` to the second subscriber before `a`.
        two.send("push room a b\n");
        let [heard, other] = [&mut one, &mut two].map(|peer| [0; 4].map(|_| peer.line()).to_vec());
        assert_eq!(heard, other, "one order for all");
        let place = |line: &str| {
            heard
                .iter()
                .position(|it| it == line)
                .unwrap_or_else(|| panic!("no {line:?}: {heard:?}"))
        };
        for pair in [["got a", "got b"], ["got re:a", "got re:b"], ["got a", "got re:a"]] {
            assert!(place(pair[0]) < place(pair[1]), "{heard:?}");
        }
        // On another reactor `a` may be answered while the callback that pushes both has not come to `b`.
        if reactors == "1" {
            assert_eq!(heard, ["got a", "got b", "got re:a", "got re:b"]);
        }
        host.stop();
    }
}

fn the_pusher_may_leave_itself_out(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut peers = members(&host, 3);
        peers[0].send("others room hello\n");
        assert_eq!(peers[1].line(), "got hello");
        assert_eq!(peers[2].line(), "got hello");
        // The next message is the answer to its own request.
        assert_eq!(ask(&mut peers[0], "count room"), "3");
        host.stop();
    }
}

fn who_has_left_gets_nothing(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut peers = members(&host, 3);
        assert_eq!(ask(&mut peers[0], "unsubscribe"), "ok");
        assert_eq!(ask(&mut peers[1], "count room"), "2");
        peers[1].send("push room hello\n");
        assert_eq!(peers[1].line(), "got hello");
        assert_eq!(peers[2].line(), "got hello");
        assert_eq!(ask(&mut peers[0], "count room"), "2");
        assert_eq!(ask(&mut peers[0], "once room"), "ok");
        peers[1].send("push room 1 2\n");
        assert_eq!(peers[0].line(), "once 1");
        assert_eq!(ask(&mut peers[0], "count room"), "2");
        host.stop();
    }
}

/// A subscription ends with its instance.
#[test]
fn who_is_gone_is_not_counted() {
    for reactors in ["1", "2"] {
        let host = serving(Isolation::Connection, reactors);
        let mut peers = members(&host, 4);
        let mut last = peers.pop().expect("a peer");
        for mut peer in peers {
            peer.finish();
            peer.expect_end();
        }
        // The host ends a sandbox right after its connection.
        let begun = Instant::now();
        let mut count = ask(&mut last, "count room");
        while count != "1" {
            assert!(begun.elapsed() < PATIENCE, "{count} are counted");
            count = ask(&mut last, "count room");
        }
        host.stop();
    }
}

#[test]
fn a_tenants_channels_are_its_own() {
    let named = |name: &str, tenant: &str| {
        Plugin::named(name, &component("channels")).key("tenant", format!("{tenant:?}"))
    };
    let config = Config::new()
        .plugin(named("one", "a"))
        .plugin(named("two", "a"))
        .plugin(named("three", "b"))
        .listen(Listen::tcp("one"))
        .listen(Listen::tcp("two"))
        .listen(Listen::tcp("three"));
    let host = Host::start(&config);
    let (mut one, mut two, mut three) =
        (host.connect("one"), host.connect("two"), host.connect("three"));
    for peer in [&mut one, &mut two, &mut three] {
        assert_eq!(ask(peer, "subscribe room"), "ok");
    }
    assert_eq!(ask(&mut one, "count room"), "2", "two plugins of one tenant");
    assert_eq!(ask(&mut three, "count room"), "1");
    one.send("push room hello\n");
    assert_eq!(one.line(), "got hello");
    assert_eq!(two.line(), "got hello");
    assert_eq!(ask(&mut three, "count room"), "1", "another tenant hears nothing");
    host.stop();
}

#[test]
fn a_full_channel_refuses_and_has_room_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::serving(Plugin::new("channels")).to_toml();
    let host = Host::start_toml(
        dir,
        &format!("{config}\n[tenants.channels.limits]\nchannel = \"64KiB\"\n"),
    );
    let mut peers = members(&host, 2);
    // Each counts 64 more than its 1000 bytes.
    assert_eq!(ask(&mut peers[0], "flood room"), "pushed 61");
    for peer in &mut peers {
        for _ in 0..61 {
            assert_eq!(peer.line().len(), "got ".len() + 1000);
        }
    }
    peers[0].send("push room again\n");
    assert_eq!(peers[0].line(), "got again");
    assert_eq!(peers[1].line(), "got again");
    host.stop();
}

#[test]
fn names_and_numbers_have_limits() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::serving(Plugin::new("channels").limit("subscriptions", "3")).to_toml();
    let host =
        Host::start_toml(dir, &format!("{config}\n[tenants.channels.limits]\nchannels = 2\n"));
    let (mut peer, mut other) = (host.connect("channels"), host.connect("channels"));
    assert_eq!(ask(&mut peer, "subscribe a"), "ok");
    assert_eq!(ask(&mut peer, "subscribe b"), "ok");
    assert_eq!(ask(&mut other, "subscribe c"), "limit (error 4)", "a third name");
    assert_eq!(ask(&mut peer, "subscribe a"), "ok");
    assert_eq!(ask(&mut peer, "subscribe a"), "limit (error 4)", "a fourth subscription");
    assert_eq!(ask(&mut peer, "unsubscribe"), "ok");
    assert_eq!(ask(&mut other, "subscribe c"), "ok", "the names are free again");
    assert_eq!(ask(&mut other, "subscribe "), "invalid-argument (error 5)");
    assert_eq!(ask(&mut other, "push \u{1} x"), "invalid-argument (error 5)");
    host.stop();
}

/// The message by which a client of the chat shows the others that they are in the room.
const PING: &str = "ping";

/// A client of the chat is in the room when it gets a message of the first one; the first when one of its messages arrives.
pub fn enter(peers: &mut [Peer]) {
    let [first, others @ ..] = peers else { return };
    for other in others {
        loop {
            first.send(format!("{PING}\n"));
            if !other.is_silent_for(Duration::from_millis(20)) {
                // Its first letter is read already.
                assert_eq!(other.line(), &PING[1..]);
                break;
            }
        }
    }
}

/// The next line that a client of the chat gets, once all are in the room.
#[track_caller]
pub fn heard(peer: &mut Peer) -> String {
    loop {
        let line = peer.line();
        if line != PING {
            return line;
        }
    }
}

/// The example: each line reaches every other client once, unchanged, in its sender's order, and not the sender.
#[test]
fn chat() {
    const CLIENTS: usize = 8;
    const LINES: usize = 500;
    for reactors in ["1", "2"] {
        let host = Host::start(&Config::serving(Plugin::new("chat")).host("reactors", reactors));
        let mut peers: Vec<Peer> = (0..CLIENTS).map(|_| host.connect("chat")).collect();
        enter(&mut peers);
        let mut readers: Vec<Peer> = peers.iter().map(Peer::twin).collect();
        let all: Vec<Vec<String>> = std::thread::scope(|scope| {
            for (number, peer) in peers.iter_mut().enumerate() {
                scope.spawn(move || {
                    for line in 0..LINES {
                        peer.send(format!("{number}:{line} {}\n", "x".repeat(line % 97)));
                    }
                });
            }
            let reading: Vec<_> = readers
                .iter_mut()
                .map(|reader| {
                    scope.spawn(move || {
                        (0..(CLIENTS - 1) * LINES).map(|_| heard(reader)).collect::<Vec<_>>()
                    })
                })
                .collect();
            reading.into_iter().map(|reading| reading.join().expect("a reader")).collect()
        });
        for (reader, lines) in all.iter().enumerate() {
            for sender in 0..CLIENTS {
                let of_sender = format!("{sender}:");
                let heard: Vec<&String> =
                    lines.iter().filter(|line| line.starts_with(&of_sender)).collect();
                let expected: Vec<String> = (0..LINES)
                    .filter(|_| sender != reader)
                    .map(|line| format!("{sender}:{line} {}", "x".repeat(line % 97)))
                    .collect();
                assert_eq!(heard, expected.iter().collect::<Vec<_>>(), "{reader} hears {sender}");
            }
        }
        host.stop();
    }
}

/// Lines arrive in pieces, and one that does not end is not kept for ever.
#[test]
fn chat_takes_lines_in_pieces() {
    let host = Host::start(&Config::serving(Plugin::new("chat")));
    let mut peers: Vec<Peer> = (0..2).map(|_| host.connect("chat")).collect();
    enter(&mut peers);
    let [two, one] = &mut peers[..] else { panic!("two peers") };
    two.send("a li");
    two.send("ne\nand an");
    two.send("other\n");
    assert_eq!(heard(one), "a line");
    assert_eq!(heard(one), "and another");
    two.send(vec![b'x'; 5000]);
    two.expect_closed();
    host.stop();
}
