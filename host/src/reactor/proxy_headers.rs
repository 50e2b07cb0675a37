//! Connections behind a proxy: which proxies are trusted, and reading the PROXY protocol header before the guest is told of the
//! connection.

use crate::base::arena::ConnectionId;
use crate::net::connection::proxy_header::HeaderFault;
use crate::net::connection::stream::{SocketAddress, Stream};
use crate::net::connection::{CloseReason, Phase};
use crate::reactor::Reactor;

/// The counter of connections that are reset because the proxy is not trusted.
const DISTRUSTED: &str = "this proxy is not in proxy_protocol.from";
const BAD_HEADER: &str = "its PROXY protocol header is not taken";

impl Reactor {
    /// The longest header of a listener's connections, in bytes; none if they begin without one.
    pub(super) fn header_at(&self, place: usize) -> Option<usize> {
        let acceptor = self.acceptors.get(place)?;
        acceptor.listener.endpoint.proxy_protocol.as_ref().map(|(_, most)| *most)
    }

    /// Whether the peer is a trusted proxy, or no header is expected. Reports a peer that is not trusted.
    pub(super) fn trusts(&self, place: usize, stream: &Stream) -> bool {
        let Some(acceptor) = self.acceptors.get(place) else { return true };
        let endpoint = &acceptor.listener.endpoint;
        let Some((proxies, _)) = &endpoint.proxy_protocol else { return true };
        let peer = stream.peer().ok();
        let is_trusted = match &peer {
            Some(SocketAddress::Tcp(address)) => proxies.trusts(address.ip()),
            Some(SocketAddress::Unix(_)) => proxies.trusts_unix(),
            // The peer has gone already.
            None => return false,
        };
        if !is_trusted {
            let Some(plugin) = self.plugin(acceptor.plugin()) else { return false };
            let (now, peer) = (self.setup.env.clock.now(), shown(peer.as_ref()));
            let address = &*endpoint.accepted.listener;
            plugin.header_refused(now, DISTRUSTED, address, &peer, None);
        }
        is_trusted
    }

    /// Reads a connection's header. When it is complete the connection is opened on its instance.
    pub(super) fn read_header(&mut self, id: ConnectionId) {
        let (now, tenant) = (self.setup.env.clock.turn(), self.tenant_of(id));
        let Some(entry) = self.connections.get_mut(id) else { return };
        let shared = entry.shared.clone();
        match self.charged(tenant, |_| shared.lock().read_header(now)) {
            Ok(false) => self.reconcile(id),
            Ok(true) => self.header_has_come(id),
            Err(fault) => {
                self.log_bad_header(id, &fault);
                if let Some(stream) = shared.lock().stream() {
                    stream.reset_on_close();
                }
                self.end_connection(id, CloseReason::Failed);
            }
        }
    }

    fn header_has_come(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let is_open = entry.shared.lock().phase() == Phase::Open;
        if is_open {
            // The poll does not report bytes behind the header again.
            entry.reading.found();
        }
        let instance = entry.instance;
        if let Some(opening) = entry.opening.take() {
            self.deliver(instance, opening);
        }
        self.reconcile(id);
        if !is_open {
            self.continue_handshake_later(id);
        }
    }

    fn log_bad_header(&self, id: ConnectionId, fault: &HeaderFault) {
        let Some(entry) = self.connections.get(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        let (peer, local) = {
            let connection = entry.shared.lock();
            (connection.peer(), connection.local())
        };
        if matches!(fault, HeaderFault::Gone) {
            // A health check that only connects sends no header.
            return tracing::debug!(peer = shown(peer.as_ref()), %fault, "no PROXY protocol header");
        }
        let (now, cause) = (self.setup.env.clock.now(), fault.to_string());
        instance.plugin.header_refused(
            now,
            BAD_HEADER,
            &shown(local.as_ref()),
            &shown(peer.as_ref()),
            Some(&cause),
        );
    }
}

/// An address for the log. The name of a Unix socket may be chosen by the peer.
fn shown(end: Option<&SocketAddress>) -> String {
    match end {
        Some(SocketAddress::Tcp(address)) => address.to_string(),
        Some(SocketAddress::Unix(_)) => "unix:".to_owned(),
        None => String::new(),
    }
}
