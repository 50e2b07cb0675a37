//! A chat with many clients over several hosts and servers.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use sandloop_tests::nats::Nats;
use sandloop_tests::{Isolation, Peer, Plugin};

use super::{Own, hosts, meet};

#[test]
fn a_chat_of_sixty_over_three_hosts_and_three_servers_loses_and_doubles_nothing() {
    const CLIENTS: usize = 60;
    const LINES: usize = 20_000;
    let nats = Nats::cluster(3);
    let hosts = hosts(&nats, 3, || Plugin::new("chat").isolation(Isolation::Connection));
    let mut peers: Vec<Peer> =
        (0..CLIENTS).map(|client| hosts[client % 3].connect("chat")).collect();
    meet(&mut peers[..3], Own::Unheard, |word| format!("{word}\n"), str::to_owned);
    meet(&mut peers, Own::Unheard, |word| format!("{word}\n"), str::to_owned);
    let of = |client: usize| LINES / CLIENTS + usize::from(client < LINES % CLIENTS);
    thread::scope(|scope| {
        for (client, peer) in peers.iter_mut().enumerate() {
            let mut speaker = peer.twin();
            scope.spawn(move || {
                for number in 0..of(client) {
                    speaker.send(format!("{client} says {number}\n"));
                }
            });
            scope.spawn(move || {
                let mut next = vec![0; CLIENTS];
                let mut heard = 0;
                for line in BufReader::new(Reading(peer)).lines() {
                    let line = line.expect("an open connection");
                    let Some((sender, number)) = line.split_once(" says ") else { continue };
                    let sender: usize = sender.parse().expect("a client");
                    assert_eq!(number, next[sender].to_string(), "{client} hears {line:?}");
                    next[sender] += 1;
                    heard += 1;
                    if heard == LINES - of(client) {
                        break;
                    }
                }
                next[client] = of(client);
                assert!((0..CLIENTS).all(|it| next[it] == of(it)), "{client}: {next:?}");
            });
        }
    });
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

/// A peer to read many lines from.
struct Reading<'a>(&'a mut Peer);

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}
