//! A host with one thing piled up, and what each of its turns does, in pieces of bounded work.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::clock::monotonic;
use crate::run::stage::{HandTurned, PATIENCE, folder};

/// Peers that wait to be accepted at once.
pub(super) const BACKLOG: usize = 800;

/// The number of turns in which a part has done this number of pieces of bounded work.
type PartTurns = BTreeMap<usize, usize>;

/// A host with one thing piled up, and what its turns have done.
pub(super) struct Flood {
    pub(super) stage: HandTurned,
    pub(super) longest: usize,
    pub(super) parts: BTreeMap<String, PartTurns>,
    pub(super) peers: Vec<TcpStream>,
}

/// What a part of the turn has done, in pieces of bounded work.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartDone {
    pub(super) all: usize,
    pub(super) longest: usize,
}

impl PartDone {
    pub(super) fn of(turns: &PartTurns) -> PartDone {
        let idle = turns.iter().max_by_key(|(_, turns)| **turns).map_or(0, |(units, _)| *units);
        let all = turns.iter().map(|(units, turns)| units.saturating_sub(idle) * turns).sum();
        PartDone { all, longest: turns.last_key_value().map_or(0, |(units, _)| *units) }
    }
}

impl Flood {
    pub(super) fn new(serves: &str) -> Flood {
        let stage = HandTurned::new(folder(), serves);
        Flood { stage, longest: 0, parts: BTreeMap::new(), peers: Vec::new() }
    }

    /// One turn, of which it is noted what it has done.
    pub(super) fn turn(&mut self) -> bool {
        let goes_on = self.stage.carrier.turn().expect("a poll");
        self.longest = self.longest.max(self.stage.carrier.units_of_turn());
        for (part, units) in self.stage.carrier.units_of_parts() {
            *self.parts.entry(part).or_default().entry(units).or_default() += 1;
        }
        goes_on
    }

    /// What each part has done in all, beyond what it counts in most turns, which are idle, and in its longest turn.
    pub(super) fn done(&self) -> BTreeMap<&str, PartDone> {
        let done = self.parts.iter().map(|(part, turns)| (part.as_str(), PartDone::of(turns)));
        done.filter(|(_, done)| 0 < done.all).collect()
    }

    /// Turns until it is so.
    pub(super) fn turn_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Flood) -> bool) {
        let until = monotonic() + PATIENCE;
        while !is_so(self) {
            assert!(monotonic() < until, "{what}: not within {PATIENCE:?}");
            self.turn();
        }
    }

    pub(super) fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// So many peers that are connected and known to their guests.
    pub(super) fn connect(&mut self, count: usize) {
        while self.peers.len() < count {
            let some = BACKLOG.min(count - self.peers.len());
            self.peers.extend((0..some).map(|_| self.stage.connect("p")));
            self.turns(some);
        }
    }

    /// Each peer says this.
    pub(super) fn say(&mut self, what: &[u8]) {
        for peer in &mut self.peers {
            peer.write_all(what).expect("a peer");
        }
    }

    /// Turns until the last peer has read a line; the number in it.
    pub(super) fn answer(&mut self) -> usize {
        let mut line = Vec::new();
        self.turn_until("an answer", |flood| {
            let mut buffer = [0; 64];
            let read = flood.peers.last_mut().map_or(Ok(0), |peer| peer.read(&mut buffer));
            line.extend_from_slice(&buffer[..read.unwrap_or(0)]);
            line.ends_with(b"\n")
        });
        String::from_utf8_lossy(&line).trim().parse().expect("a number")
    }

    /// Has the guest of floods ask for all that it gets; how much that is.
    pub(super) fn flood(&mut self) -> usize {
        self.connect(1);
        self.say(b"x");
        self.answer()
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.stage.hand.advance(Duration::from_secs(seconds));
    }
}
