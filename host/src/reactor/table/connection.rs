//! A connection as its reactor keeps it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::clock::Moment;
use crate::engine::event::Event;
use crate::net::connection::{Connection, SharedConnection};
use crate::net::outbound::Target;
use crate::net::outbound::attempts::Attempts;
use crate::quota::host_memory::Admission;
use crate::reactor::table::backlog::ReadState;
use crate::reactor::table::deadline::DeadlineKey;
use crate::reactor::table::drain::DrainEntry;

/// A connection as its reactor keeps it.
pub struct ConnectionEntry {
    pub shared: SharedConnection,
    pub instance: InstanceId,
    /// Counts it among its plugin's connections.
    pub _admission: Admission,
    /// Its place among its instance's connections.
    pub place: usize,
    /// What its guest is told when the header of its proxy has come.
    pub opening: Option<Event>,
    /// Whether its guest has been told of it: `post-init` has returned.
    pub is_open: bool,
    pub outgoing: bool,
    /// Whether its plugin has asked for it, and no peer.
    pub is_asked_for: bool,
    /// When it was accepted, or its handshake complete.
    pub accepted_at: Option<Moment>,
    /// Set when it is being drained.
    pub draining: Option<Box<DrainEntry>>,
    pub begun: Moment,
    /// The name whose addresses are being looked up.
    pub target: Option<Target>,
    pub attempts: Attempts,
    /// When the next of them begins beside those that are under way.
    pub next_attempt: Option<DeadlineKey>,
    /// Whether the poll tells when it can be written.
    pub writable_wanted: bool,
    /// Whether there may be something to read, and where that waits.
    pub reading: ReadState,
    /// Whether its last read has left something that the poll does not tell of.
    pub holds_input: bool,
    /// Whether what it reads goes to another connection and not to its guest.
    pub is_proxied: bool,
    /// Whether its output waits for its tenant's bytes a second.
    pub is_rate_limited: bool,
    /// Whether it is in the list of those.
    pub waits_to_write: bool,
    pub unbind_is_due: bool,
    /// The deadline that is set, and the timeout it was set for.
    pub inactivity: Option<(DeadlineKey, Duration)>,
    pub pending_connect: Option<(DeadlineKey, Duration)>,
    pub close_deadline: Option<DeadlineKey>,
    /// How long its TLS handshake may take, and the deadline of one that is under way.
    pub handshake_deadline: Duration,
    pub handshake: Option<(DeadlineKey, Duration)>,
    /// Whether that goes on in the next phase that does.
    pub handshake_is_due: bool,
    /// What else it is, if it is a peer of a UDP socket.
    pub peer: Option<PeerEntry>,
}

/// A peer of a UDP socket.
pub struct PeerEntry {
    /// The place of the listener.
    pub acceptor: usize,
    pub address: SocketAddr,
    /// Its datagrams in its instance's queue.
    pub waiting: u32,
}

impl ConnectionEntry {
    /// Whether something has come that nobody has read; `connection` is its own.
    pub fn has_unread(&self, connection: &mut Connection) -> bool {
        self.reading != ReadState::Quiet
            || self.holds_input
            || connection.stream().is_some_and(|stream| stream.has_unread())
    }

    pub fn new(
        instance: InstanceId,
        shared: SharedConnection,
        admission: Admission,
    ) -> ConnectionEntry {
        ConnectionEntry {
            shared,
            instance,
            _admission: admission,
            place: 0,
            opening: None,
            is_open: false,
            outgoing: false,
            is_asked_for: false,
            accepted_at: None,
            draining: None,
            begun: Moment::default(),
            target: None,
            attempts: Attempts::default(),
            next_attempt: None,
            writable_wanted: false,
            reading: ReadState::Quiet,
            holds_input: false,
            is_proxied: false,
            is_rate_limited: false,
            waits_to_write: false,
            unbind_is_due: false,
            inactivity: None,
            pending_connect: None,
            close_deadline: None,
            handshake_deadline: Duration::ZERO,
            handshake: None,
            handshake_is_due: false,
            peer: None,
        }
    }
}
