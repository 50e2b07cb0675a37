//! UDP: datagrams of a listener's socket are delivered to the connection of their peer, which is opened by the first one.

use std::io;
use std::net::SocketAddr;

use crate::base::arena::ConnectionId;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::engine::event::Event;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Phase};
use crate::net::datagram::DatagramSocket;
use crate::quota::host_memory::DATAGRAM_BYTES;
use crate::reactor::accept::NotAccepted;
use crate::reactor::table::connection::{ConnectionEntry, PeerEntry};
use crate::reactor::table::instance::Instance;
use crate::reactor::table::turn::{Accepted, Accepting, FirstDatagram, SocketStep};
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{READ_BYTES, Reactor};

/// A datagram in the reactor's read buffer.
struct InBuffer {
    buffer: Vec<u8>,
    length: usize,
}

impl InBuffer {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Reactor {
    /// Whether a listener is a UDP socket.
    pub(super) fn has_datagrams(&self, place: usize) -> bool {
        self.acceptors.get(place).is_some_and(|acceptor| acceptor.listener.datagrams().is_some())
    }

    /// Receives once; returns whether to continue with this socket.
    pub(super) fn receive(&mut self, accepting: Accepting) -> SocketStep {
        let place = accepting.place;
        let step = self.receive_or_wait(accepting);
        self.retire_if_it_is_the_end(place, &step);
        step
    }

    fn receive_or_wait(&mut self, mut accepting: Accepting) -> SocketStep {
        let place = accepting.place;
        if let Some(accepted) = accepting.accepted.take() {
            self.open_accepted(*accepted);
        }
        let Some(tenant) = self.tenant_of_acceptor(place) else { return SocketStep::Next };
        if self.is_paused(place) {
            return SocketStep::Next;
        }
        if accepting.left == 0 || self.fair_share.passes_over(TurnPart::Accepts, tenant) {
            self.acceptors.make_ready(place);
            return SocketStep::Next;
        }
        let clock = &self.setup.env.clock;
        if self.setup.env.host.tenant(tenant).is_some_and(|tenant| tenant.must_not_read(clock)) {
            // Datagrams stay in the system's buffer until the tenant may read.
            self.pause_acceptor(place);
            return SocketStep::Next;
        }
        accepting.left -= 1;
        match self.charged(tenant, |reactor| reactor.receive_one(place)) {
            Ok(accepted) => accepting.accepted = accepted.map(Box::new),
            Err(NotAccepted::Nothing) => return SocketStep::Next,
            Err(NotAccepted::Gone | NotAccepted::Distrusted | NotAccepted::Draining) => {}
            Err(NotAccepted::Full(limit) | NotAccepted::Closed(limit)) => {
                self.log_not_accepting(place, limit);
            }
        }
        SocketStep::Receive(accepting)
    }

    /// Receives a datagram, of a known peer or of a new one.
    fn receive_one(&mut self, place: usize) -> Result<Option<Accepted>, NotAccepted> {
        let acceptor = self.acceptors.get(place).ok_or(NotAccepted::Nothing)?;
        let socket: DatagramSocket =
            acceptor.listener.datagrams().cloned().ok_or(NotAccepted::Nothing)?;
        let mut buffer = self.buffer.take().unwrap_or_else(|| vec![0; READ_BYTES]);
        let (length, peer) = match socket.receive(&mut buffer) {
            Ok(received) => received,
            Err(error) => {
                self.buffer = Some(buffer);
                if error.kind() != io::ErrorKind::WouldBlock {
                    // An error does not close the shared socket; the socket is tried again at the next event.
                    tracing::debug!(%error, "a datagram was not received");
                    self.pause_acceptor(place);
                }
                return Err(NotAccepted::Nothing);
            }
        };
        let datagram = InBuffer { buffer, length };
        if let Some(&id) = self.acceptors.get(place).and_then(|acceptor| acceptor.peers.get(&peer))
        {
            if let Some(unused) = self.pass_datagram(id, datagram) {
                self.buffer = Some(unused);
            }
            return Ok(None);
        }
        let begun = self.begin_peer(place, &socket, peer, datagram.bytes());
        self.buffer = Some(datagram.buffer);
        begun.map(Some)
    }

    /// Accepts a new peer.
    fn begin_peer(
        &mut self,
        place: usize,
        socket: &DatagramSocket,
        peer: SocketAddr,
        bytes: &[u8],
    ) -> Result<Accepted, NotAccepted> {
        let (plugin, admission) = self.admit(place)?;
        let stream = Stream::Datagram(socket.peer(peer));
        let accepted = self.accepted(place, plugin, admission, stream)?;
        let datagram = Some(FirstDatagram { acceptor: place, peer, bytes: bytes.to_vec() });
        Ok(Accepted { datagram, ..accepted })
    }

    /// Adds the connection of a new peer, and delivers its first datagram after `post-init`.
    pub(super) fn open_peer(&mut self, id: ConnectionId, first: FirstDatagram) {
        let FirstDatagram { acceptor: place, peer, bytes } = first;
        let Some(acceptor) = self.acceptors.get_mut(place) else {
            // The listener was closed meanwhile, and its peers with it.
            return self.end_connection(id, CloseReason::Closed);
        };
        acceptor.peers.insert(peer, id);
        let peer_idle = acceptor.listener.endpoint.peer_idle;
        if let Some(entry) = self.connections.get_mut(id) {
            entry.peer = Some(PeerEntry { acceptor: place, address: peer, waiting: 0 });
            entry.shared.lock().comm_inactivity_timeout = peer_idle;
        }
        self.reconcile(id);
        self.queue_datagram(id, &bytes);
    }

    /// Delivers a datagram to the connection of its peer: at once if the instance is idle, otherwise through its queue.
    /// Returns the buffer unless the instance has it.
    fn pass_datagram(&mut self, id: ConnectionId, datagram: InBuffer) -> Option<Vec<u8>> {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get(id) else { return Some(datagram.buffer) };
        let (instance, is_open) = (entry.instance, entry.is_open);
        let mut connection = entry.shared.lock();
        if !connection.wants_read() {
            // A paused or ended connection loses it.
            return Some(datagram.buffer);
        }
        connection.has_received(now);
        drop(connection);
        self.count_reading(id, instance, datagram.length);
        if is_open && self.instances.get(instance).is_some_and(Instance::is_quiet) {
            let InBuffer { buffer, length } = datagram;
            self.enter_next(instance, Event::Data { connection: id, buffer, length });
            return None;
        }
        self.queue_datagram(id, datagram.bytes());
        Some(datagram.buffer)
    }

    /// Queues a datagram for its instance, if there is room.
    fn queue_datagram(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let (instance, Some(peer)) = (entry.instance, &mut entry.peer) else { return };
        let Some(plugin) = self.instances.get(instance).map(|it| it.plugin.clone()) else { return };
        let most = self.acceptors.get(peer.acceptor).map(|it| it.listener.endpoint.peer_queue);
        let now = self.setup.env.clock.now();
        if most.unwrap_or_default() <= peer.waiting {
            let limit = Limit::Of(&limits::PEER_QUEUE);
            let value = || most.unwrap_or_default().to_string();
            return plugin.at_limit_of(now, limit, value, || self.subject(instance, Some(id)));
        }
        let whole = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(kept) = plugin.tenant.host_memory.reserve(DATAGRAM_BYTES.saturating_add(whole))
        else {
            let limit = &limits::HOST_MEMORY;
            return plugin.at_limit(now, limit, || self.subject(instance, Some(id)));
        };
        peer.waiting += 1;
        let bytes = bytes.to_vec();
        self.deliver(instance, Event::Datagram { connection: id, bytes, kept });
    }

    /// A queued datagram is due; false if its connection loses it.
    pub(super) fn datagram_is_due(&mut self, id: ConnectionId) -> Option<bool> {
        let entry = self.connections.get_mut(id)?;
        if let Some(peer) = &mut entry.peer {
            peer.waiting -= 1;
        }
        let connection = entry.shared.lock();
        Some(entry.is_open && !connection.paused && connection.phase() == Phase::Open)
    }

    /// Removes the entry of a peer: its next datagram opens a new connection.
    pub(super) fn forget_peer(&mut self, id: ConnectionId, entry: &ConnectionEntry) {
        let Some(PeerEntry { acceptor, address, .. }) = &entry.peer else { return };
        if let Some(acceptor) = self.acceptors.get_mut(*acceptor)
            && acceptor.peers.get(address) == Some(&id)
        {
            acceptor.peers.remove(address);
        }
    }
}
