//! The connections of a transcript, and which of them have anything to move: a poll says it, so that a step costs what it
//! moves, however many connections there are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::author::transcript::peer::Peer;
use crate::author::transcript::step::ConnectionName;

/// How many events a poll brings at once.
const EVENTS: usize = 1024;

/// The connections of a transcript.
#[derive(Debug)]
pub(crate) struct Peers {
    by_name: BTreeMap<ConnectionName, Peer>,
    poll: Poll,
    events: Events,
    /// The name of each connection that was ever registered, by its token.
    registered: Vec<ConnectionName>,
    /// Those that may have something to move.
    awake: BTreeSet<ConnectionName>,
    /// Those of datagrams, which have no socket: they are looked at each time, without a call of the system.
    with_datagrams: BTreeSet<ConnectionName>,
    /// Those to which something has happened since [`Peers::forget`].
    touched: BTreeSet<ConnectionName>,
    /// How often a connection was looked at.
    #[cfg(test)]
    looks: usize,
}

impl Peers {
    /// None yet.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Peers> {
        Ok(Peers {
            by_name: BTreeMap::new(),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            registered: Vec::new(),
            awake: BTreeSet::new(),
            with_datagrams: BTreeSet::new(),
            touched: BTreeSet::new(),
            #[cfg(test)]
            looks: 0,
        })
    }

    /// Adds one, in the place of an earlier one of that name.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub(crate) fn insert(&mut self, name: &str, peer: Peer) -> io::Result<()> {
        if let Some(socket) = peer.socket() {
            let token = Token(self.registered.len());
            self.poll.registry().register(
                &mut SourceFd(&socket),
                token,
                Interest::READABLE | Interest::WRITABLE,
            )?;
            self.registered.push(name.to_owned());
            self.with_datagrams.remove(name);
        } else {
            self.with_datagrams.insert(name.to_owned());
        }
        self.by_name.insert(name.to_owned(), peer);
        self.touch(name);
        Ok(())
    }

    /// One by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Peer> {
        self.by_name.get(name)
    }

    /// One by its name, for something to be done with it.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Peer> {
        if self.by_name.contains_key(name) {
            self.touch(name);
        }
        self.by_name.get_mut(name)
    }

    /// Those to which anything has happened since [`Peers::forget`].
    pub(crate) fn touched(&self) -> impl Iterator<Item = (&ConnectionName, &Peer)> {
        self.touched.iter().filter_map(|name| self.by_name.get_key_value(name))
    }

    /// Something is done next: what has come so far is the past.
    pub(crate) fn forget(&mut self) {
        for name in std::mem::take(&mut self.touched) {
            if let Some(peer) = self.by_name.get_mut(&name) {
                peer.forget();
            }
        }
    }

    /// Moves what can be moved, each way; whether anything has.
    ///
    /// # Errors
    /// When the poll fails.
    pub(crate) fn pump(&mut self) -> io::Result<bool> {
        self.wake()?;
        let mut has_moved = false;
        let awake = std::mem::take(&mut self.awake);
        for name in awake.iter().chain(self.with_datagrams.difference(&awake)) {
            let Some(peer) = self.by_name.get_mut(name) else { continue };
            #[cfg(test)]
            {
                self.looks += 1;
            }
            if peer.pump() {
                has_moved = true;
                self.touched.insert(name.clone());
                // There may be more: the poll tells of a socket only when that changes.
                self.awake.insert(name.clone());
            }
        }
        Ok(has_moved)
    }

    /// Has those looked at of which the poll knows something new.
    fn wake(&mut self) -> io::Result<()> {
        loop {
            match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let mut count = 0;
            for event in &self.events {
                count += 1;
                self.awake.extend(self.registered.get(event.token().0).cloned());
            }
            if count < EVENTS {
                return Ok(());
            }
        }
    }

    fn touch(&mut self, name: &str) {
        self.awake.insert(name.to_owned());
        self.touched.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::author::transcript::step::PeerState;
    use crate::net::network::ScriptEnd;
    use crate::net::stand_in::{self, SaidEnds, StandIn};

    fn add(peers: &mut Peers, name: &str) -> StandIn {
        let (host, script) = stand_in::pair(SaidEnds::Unix(String::new())).unwrap();
        peers.insert(name, Peer::new(ScriptEnd::Stream(script), false)).unwrap();
        host
    }

    fn pump_until_it_rests(peers: &mut Peers) {
        while peers.pump().unwrap() {}
    }

    /// What each connection of so many says and hears costs in looks.
    fn looks_of(count: usize) -> usize {
        let mut peers = Peers::new().unwrap();
        let names: Vec<String> = (0..count).map(|number| format!("peer {number}")).collect();
        let mut hosts: Vec<StandIn> = names.iter().map(|name| add(&mut peers, name)).collect();
        pump_until_it_rests(&mut peers);
        for (name, host) in names.iter().zip(&mut hosts) {
            peers.forget();
            peers.get_mut(name).unwrap().send(b"one\n");
            pump_until_it_rests(&mut peers);
            let mut buffer = [0; 8];
            assert_eq!(host.socket_mut().read(&mut buffer).unwrap(), 4);
            host.socket_mut().write_all(b"two\n").unwrap();
            pump_until_it_rests(&mut peers);
            assert!(peers.get_mut(name).unwrap().takes(b"two\n"));
            assert_eq!(peers.touched().map(|(name, _)| name).collect::<Vec<_>>(), [name]);
        }
        for host in hosts {
            drop(host);
            pump_until_it_rests(&mut peers);
        }
        assert!(names.iter().all(|name| peers.get(name).unwrap().state == PeerState::Closed));
        peers.looks
    }

    #[test]
    fn what_one_connection_does_costs_no_look_at_the_others() {
        let (few, many) = (looks_of(20), looks_of(200));
        assert!(many <= 10 * few, "{many} looks at 200 connections, {few} at 20");
        assert!(few <= 20 * 20, "{few} looks at 20 connections");
    }

    #[test]
    fn more_than_a_socket_holds_is_moved_when_there_is_room() {
        let mut peers = Peers::new().unwrap();
        let mut host = add(&mut peers, "a");
        let bytes = vec![b'x'; 8 << 20];
        peers.get_mut("a").unwrap().send(&bytes);
        let (mut come, mut buffer) = (0, vec![0; 1 << 16]);
        while come < bytes.len() {
            pump_until_it_rests(&mut peers);
            while let Ok(read) = host.socket_mut().read(&mut buffer) {
                come += read;
            }
        }
        assert_eq!(come, bytes.len());
    }

    #[test]
    fn another_connection_takes_the_name_of_one_that_has_ended() {
        let mut peers = Peers::new().unwrap();
        drop(add(&mut peers, "a"));
        pump_until_it_rests(&mut peers);
        assert_eq!(peers.get("a").unwrap().state, PeerState::Closed);
        let mut host = add(&mut peers, "a");
        host.socket_mut().write_all(b"again\n").unwrap();
        pump_until_it_rests(&mut peers);
        assert!(peers.get_mut("a").unwrap().takes(b"again\n"));
    }
}
