//! The host of one transcript: the real one, with the player's clock and sockets.

use std::sync::Arc;
use std::time::Duration;

use crate::author::transcript::peers::Peers;
use crate::carrier::Carrier;
use crate::clock::{Clock, Hand};
use crate::config::address::ListenAddress;
use crate::engine::components::Components;
use crate::mail::post::{Notice, Post, StopManner};
use crate::net::listener::scripted;
use crate::net::network::{Dial, Network, ScriptEnd, ScriptedNetwork};
use crate::plugin::shared::HostShared;
use crate::run::error::StartError;
use crate::run::prepare::{HostThreads, Prepared};

/// The most turns until the loop is idle: hundreds of times the turns of the longest exchange.
const TURNS_MAX: usize = 100_000;
/// The most deadlines in one step: a timer of 10 ms for an hour.
const DEADLINES_MAX: usize = 400_000;
/// The timeout of a poll while other threads work for a guest.
const FOR_OTHERS: Duration = Duration::from_millis(10);

/// Why a step does not end.
#[derive(Debug)]
pub(crate) enum Restless {
    /// The loop does not become idle.
    Turns,
    /// Too many deadlines have passed.
    Timers,
    /// The poll has failed.
    Poll(std::io::Error),
}

/// The host of a transcript.
pub(crate) struct ScriptedHost {
    carrier: Carrier,
    clock: Clock,
    hand: Hand,
    network: Arc<ScriptedNetwork>,
    host: Arc<HostShared>,
    post: Post,
    /// Whether the loop continues after its last turn.
    pub runs: bool,
    /// The address of each listener of the configuration.
    pub places: Vec<ListenAddress>,
    _threads: HostThreads,
}

impl ScriptedHost {
    /// A host with these components, before its first turn.
    ///
    /// # Errors
    /// Why it cannot start.
    pub(crate) fn new(components: Components) -> Result<ScriptedHost, StartError> {
        let (clock, hand) = Clock::scripted();
        let network = Arc::new(ScriptedNetwork::default());
        let prepared = Prepared::of(components, &clock, Network::Scripted(network.clone()), None)?;
        let Prepared { config, mut reactors, host, threads, .. } = prepared;
        let made = StartError::thread("a reactor");
        let mut reactor = reactors.pop().ok_or_else(|| made("there is none"))?;
        let mut places = Vec::new();
        for place in 0..config.listeners.len() {
            let listener = scripted::listen(&config, place, &network).map_err(StartError::Bind)?;
            places.push(listener.endpoint.address.clone());
            reactor.listen(listener).map_err(StartError::thread("a listener"))?;
        }
        let post = reactor.post();
        reactor.set_peers(vec![post.clone()]);
        Ok(ScriptedHost {
            carrier: Carrier::new(reactor),
            clock,
            hand,
            network,
            host,
            post,
            runs: true,
            places,
            _threads: threads,
        })
    }

    /// Turns the loop until it is idle at the present time, and moves the bytes of the peers.
    pub(crate) fn settle(&mut self, peers: &mut Peers) -> Result<(), Restless> {
        let mut turns = 0;
        while turns < TURNS_MAX {
            let others_rest = self.host.jobs.is_idle() && self.host.file_calls.is_idle();
            self.hand.let_polls_wait(if others_rest { Duration::ZERO } else { FOR_OTHERS });
            turns += usize::from(others_rest);
            let has_moved = peers.pump().map_err(Restless::Poll)?;
            if self.runs {
                self.runs = self.carrier.turn().map_err(Restless::Poll)?;
            }
            let has_moved = peers.pump().map_err(Restless::Poll)? || has_moved;
            let rests = !self.runs || others_rest && self.carrier.is_idle();
            if rests && !has_moved {
                return Ok(());
            }
        }
        Err(Restless::Turns)
    }

    /// Advances the clock from deadline to deadline, and settles at each.
    pub(crate) fn advance(&mut self, by: Duration, peers: &mut Peers) -> Result<(), Restless> {
        let end = self.clock.now() + by;
        for _ in 0..DEADLINES_MAX {
            let next = self.carrier.next_deadline().filter(|at| self.runs && *at <= end);
            self.hand.advance_to(next.unwrap_or(end));
            self.settle(peers)?;
            if next.is_none() {
                return Ok(());
            }
        }
        Err(Restless::Timers)
    }

    /// The addresses of all listeners.
    pub(crate) fn addresses(&self) -> Vec<ListenAddress> {
        self.network.addresses()
    }

    /// Connects a peer.
    pub(crate) fn connect(&self, to: &ListenAddress) -> std::io::Result<ScriptEnd> {
        self.network.connect(to)
    }

    /// The next connection that a plugin has requested.
    pub(crate) fn take_dial(&self) -> Option<Dial> {
        self.network.take_dial()
    }

    /// Stops the host as SIGTERM does.
    pub(crate) fn stop(&self) {
        self.post.tell(Notice::Stop(StopManner::Drain));
    }
}
