//! Several hosts as one: a message that is pushed on one of them reaches the subscribers on all, over real NATS servers.

mod apart;
mod chat;
mod check;
mod hostile;
mod load;
mod oracle;
mod page;
mod processes;
mod queues;
mod singleton;

use std::time::{Duration, Instant};

use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Config, Host, Isolation, PATIENCE, Peer, Plugin, pause};

/// The guest's text for a call that is refused for lack of room.
const LIMIT: &str = "limit (error 4)";

/// A configuration whose plugin shares its tenant's channels over these servers.
fn sharing(nats: &Nats, plugin: Plugin, host: &str) -> Config {
    let name = plugin.name().to_owned();
    Config::serving(plugin)
        .sharing(&name, "channels", text("cluster"))
        .cluster("nats", nats.urls())
        .cluster("name", text(host))
        .watched()
}

/// Hosts of that configuration, connected.
fn hosts(nats: &Nats, count: usize, plugin: impl Fn() -> Plugin) -> Vec<Host> {
    let start = |number: usize| Host::start(&sharing(nats, plugin(), &format!("h{number}")));
    let hosts: Vec<Host> = (0..count).map(start).collect();
    hosts.iter().for_each(|host| drop(host.wait_log("connected to NATS")));
    hosts
}

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// Whether a guest delivers to its peer what that peer has said.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    Heard,
    Unheard,
}

/// Waits until the messages of each peer reach all others: a subscription is known to the other hosts a moment after it was
/// made. `say` makes the command for a word, `heard` the line in which it arrives. Nothing of it comes later.
fn meet(
    peers: &mut [Peer],
    own: Own,
    say: impl Fn(&str) -> String,
    heard: impl Fn(&str) -> String,
) {
    for one in 0..peers.len() {
        let hello = format!("hello.{one}");
        let mut deaf: Vec<usize> = (0..peers.len()).filter(|other| *other != one).collect();
        let begun = Instant::now();
        while !deaf.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{deaf:?} never hear {one}");
            peers[one].send(say(&hello));
            deaf.retain(|other| !hears(&mut peers[*other], &heard(&hello)));
        }
    }
    let count = peers.len();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send(say(&format!("met.{number}")));
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        // Each sender's come in their order, so the greetings are over with it.
        let mut waits: Vec<String> = (0..count)
            .filter(|other| *other != number || own == Own::Heard)
            .map(|other| heard(&format!("met.{other}")))
            .collect();
        while !waits.is_empty() {
            let line = peer.line();
            waits.retain(|wanted| *wanted != line);
        }
    }
}

/// [`meet`] of peers of the guest `channels` who are subscribed to the room.
fn meet_in_room(peers: &mut [Peer]) {
    meet(peers, Own::Heard, say, heard);
}

/// The command for a word.
fn say(word: &str) -> String {
    format!("push room {word}\n")
}

/// The line in which it arrives.
fn heard(word: &str) -> String {
    format!("got {word}")
}

/// Whether this line comes within a moment; those before it are read.
fn hears(peer: &mut Peer, wanted: &str) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(50) {
        if peer.is_idle() {
            pause();
        } else if peer.line() == wanted {
            return true;
        }
    }
    false
}

/// Reads everything that has come.
fn drain(peer: &mut Peer) {
    while !peer.is_idle() {
        assert_ne!(peer.read(&mut [0; 4096]).expect("an open connection"), 0);
    }
}

#[test]
fn who_is_subscribed_on_any_host_hears_everything_once_and_in_the_order_of_its_sender() {
    let nats = Nats::cluster(3);
    let hosts = hosts(&nats, 3, || Plugin::new("channels").isolation(Isolation::Connection));
    let mut peers: Vec<Peer> = hosts
        .iter()
        .flat_map(|host| [host.connect("channels"), host.connect("channels")])
        .collect();
    for peer in &mut peers {
        assert_eq!(ask(peer, "subscribe room"), "ok");
    }
    meet_in_room(&mut peers);
    for (number, peer) in peers.iter_mut().enumerate() {
        let words: Vec<String> = (0..50).map(|word| format!("{number}.{word}")).collect();
        peer.send(format!("push room {}\n", words.join(" ")));
    }
    let heard: Vec<Vec<String>> = peers.iter_mut().map(|peer| lines(peer, 300)).collect();
    for (number, lines) in heard.iter().enumerate() {
        // The two on one host have the same order.
        assert_eq!(lines, &heard[number / 2 * 2], "{number}");
        for sender in 0..6 {
            let start = format!("got {sender}.");
            let of_sender: Vec<&String> =
                lines.iter().filter(|it| it.starts_with(&start)).collect();
            let expected: Vec<String> = (0..50).map(|word| format!("{start}{word}")).collect();
            assert_eq!(of_sender, expected.iter().collect::<Vec<_>>(), "{number} of {sender}");
        }
    }
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

/// The next lines.
fn lines(peer: &mut Peer, count: usize) -> Vec<String> {
    std::iter::repeat_with(|| peer.line()).take(count).collect()
}
