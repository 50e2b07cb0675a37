//! The reactor's entry of a connection.

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

/// The reactor's entry of a connection.
pub(crate) struct ConnectionEntry {
    pub shared: SharedConnection,
    pub instance: InstanceId,
    /// The resources that it holds.
    pub _admission: Admission,
    /// Its position in its instance's list of connections.
    pub place: usize,
    /// The event that opens it on its instance, kept until the header of its proxy has come.
    pub opening: Option<Event>,
    /// Whether `post-init` has returned.
    pub is_open: bool,
    pub outgoing: bool,
    /// Whether a plugin has opened it, and not a peer.
    pub is_asked_for: bool,
    /// When it was accepted, or its handshake was complete.
    pub accepted_at: Option<Moment>,
    /// Set when it is being drained.
    pub draining: Option<Box<DrainEntry>>,
    pub begun: Moment,
    /// The name that is being looked up.
    pub target: Option<Target>,
    pub attempts: Attempts,
    /// When the next attempt begins in parallel to those in progress.
    pub next_attempt: Option<DeadlineKey>,
    /// Whether it is registered for writability.
    pub writable_wanted: bool,
    /// Whether it may have input, and which list holds it.
    pub reading: ReadState,
    /// Whether its last read has left input that the poll does not report.
    pub holds_input: bool,
    /// Whether its input goes to another connection and not to its guest.
    pub is_proxied: bool,
    /// Whether its output waits for the tenant's write rate.
    pub is_rate_limited: bool,
    /// Whether it is in the backlog for that.
    pub waits_to_write: bool,
    pub unbind_is_due: bool,
    /// Whether its socket was closed.
    pub is_closed: bool,
    /// The deadline that is set, and its time-out.
    pub inactivity: Option<(DeadlineKey, Duration)>,
    pub pending_connect: Option<(DeadlineKey, Duration)>,
    pub close_deadline: Option<DeadlineKey>,
    /// How long its TLS handshake may take.
    pub handshake_deadline: Duration,
    pub handshake: Option<(DeadlineKey, Duration)>,
    /// Whether a step of the handshake is on the agenda.
    pub handshake_is_due: bool,
    /// Set if it is a peer of a UDP listener.
    pub peer: Option<PeerEntry>,
}

/// A peer of a UDP listener.
pub(crate) struct PeerEntry {
    /// The slot of the listener.
    pub acceptor: usize,
    pub address: SocketAddr,
    /// The number of its datagrams in the instance's queue.
    pub waiting: u32,
}

impl ConnectionEntry {
    /// Whether it has unread input; `connection` is its own.
    pub(crate) fn has_unread(&self, connection: &mut Connection) -> bool {
        self.reading != ReadState::Quiet
            || self.holds_input
            || connection.stream().is_some_and(|stream| stream.has_unread())
    }

    pub(crate) fn new(
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
            is_closed: false,
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
