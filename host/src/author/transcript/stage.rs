//! A host for one transcript: the real one, with a clock and sockets that the player has.

use std::sync::Arc;
use std::time::Duration;

use crate::author::transcript::peers::Peers;
use crate::carrier::Carrier;
use crate::clock::{Clock, Hand};
use crate::config::address::ListenAddress;
use crate::engine::components::Components;
use crate::engine::ticker::Ticker;
use crate::mail::post::{Notice, Post, StopManner};
use crate::net::listener::scripted;
use crate::net::network::{Dial, Network, ScriptEnd, ScriptedNetwork};
use crate::plugin::shared::HostShared;
use crate::run::error::StartError;
use crate::run::prepare::Prepared;
use crate::workers::deferred::Workers;
use crate::workers::disposal::DisposalThread;
use crate::workers::file_threads::FileThreads;
use crate::workers::slow_lane::SlowLaneThreads;

/// Turns in which a loop comes to rest, whatever it does: hundreds of times as many as the longest exchange takes.
const TURNS_MAX: usize = 100_000;
/// Deadlines that may pass in one step: a timer of 10 ms for an hour.
const DEADLINES_MAX: usize = 400_000;
/// How long a poll waits at once for a thread that works for a guest.
const FOR_OTHERS: Duration = Duration::from_millis(10);

/// Why a step has no end.
#[derive(Debug)]
pub(crate) enum Restless {
    /// The loop turns and turns.
    Turns,
    /// Too many timers were due.
    Timers,
    /// The poll has failed.
    Poll(std::io::Error),
}

/// A host.
pub(crate) struct ScriptedHost {
    carrier: Carrier,
    clock: Clock,
    hand: Hand,
    network: Arc<ScriptedNetwork>,
    host: Arc<HostShared>,
    post: Post,
    /// Whether the last turn said that there are more.
    pub runs: bool,
    /// Where each listener of the configuration is.
    pub places: Vec<ListenAddress>,
    _workers: Workers,
    _slow: SlowLaneThreads,
    _files: FileThreads,
    _disposal: DisposalThread,
    _ticker: Ticker,
}

impl ScriptedHost {
    /// A host that serves these, before its first turn.
    ///
    /// # Errors
    /// Why it cannot start.
    pub(crate) fn new(components: Components) -> Result<ScriptedHost, StartError> {
        let (clock, hand) = Clock::scripted();
        let network = Arc::new(ScriptedNetwork::default());
        let prepared = Prepared::of(components, &clock, Network::Scripted(network.clone()), None)?;
        let Prepared { config, mut reactors, host, files, ticker, workers, slow, disposal, .. } =
            prepared;
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
            _workers: workers,
            _slow: slow,
            _files: files,
            _disposal: disposal,
            _ticker: ticker,
        })
    }

    /// Turns the loop until it has nothing to do at this time, and moves what the peers send and get.
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

    /// Moves the clock, and does at each deadline what is due then.
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

    /// Where somebody listens.
    pub(crate) fn addresses(&self) -> Vec<ListenAddress> {
        self.network.addresses()
    }

    /// A peer connects.
    pub(crate) fn connect(&self, to: &ListenAddress) -> std::io::Result<ScriptEnd> {
        self.network.connect(to)
    }

    /// The next connection that a plugin wants to make.
    pub(crate) fn take_dial(&self) -> Option<Dial> {
        self.network.take_dial()
    }

    /// Asks the host to stop, as SIGTERM does.
    pub(crate) fn stop(&self) {
        self.post.tell(Notice::Stop(StopManner::Drain));
    }
}
