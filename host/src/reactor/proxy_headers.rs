//! Connections behind a proxy: whose word is taken, and the header that says whose connection it is. Their guest is told of them
//! when it has come.

use crate::base::arena::ConnectionId;
use crate::net::connection::proxy_header::HeaderFault;
use crate::net::connection::stream::{SocketAddress, Stream};
use crate::net::connection::{CloseReason, Phase};
use crate::reactor::Reactor;

/// Why a connection is reset, as it is counted.
const DISTRUSTED: &str = "this proxy is not in proxy_protocol.from";
const BAD_HEADER: &str = "its PROXY protocol header is not taken";

impl Reactor {
    /// Bytes of the header that connections of a listener begin with, at most; none where they begin with none.
    pub(super) fn header_at(&self, place: usize) -> Option<usize> {
        let acceptor = self.acceptors.get(place)?;
        acceptor.listener.endpoint.proxy_protocol.as_ref().map(|(_, most)| *most)
    }

    /// Whether the word of who has connected is taken, where it is asked for. If not, the operator is told.
    pub(super) fn trusts(&self, place: usize, stream: &Stream) -> bool {
        let Some(acceptor) = self.acceptors.get(place) else { return true };
        let endpoint = &acceptor.listener.endpoint;
        let Some((proxies, _)) = &endpoint.proxy_protocol else { return true };
        let peer = stream.peer().ok();
        let is_trusted = match &peer {
            Some(SocketAddress::Tcp(address)) => proxies.trusts(address.ip()),
            Some(SocketAddress::Unix(_)) => proxies.trusts_unix(),
            // It has gone already.
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

    /// Takes what is there of a connection's header. When it is whole, its guest is told of it.
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
            // What came with it is not told again.
            entry.reading.found();
        }
        let instance = entry.instance;
        if let Some(opening) = entry.opening.take() {
            self.deliver(instance, opening);
        }
        self.reconcile(id);
        if !is_open {
            self.shake_later(id);
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
            // Whoever looks whether the port is open says nothing.
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

/// For the log. The name of a Unix socket may be a peer's own words.
fn shown(end: Option<&SocketAddress>) -> String {
    match end {
        Some(SocketAddress::Tcp(address)) => address.to_string(),
        Some(SocketAddress::Unix(_)) => "unix:".to_owned(),
        None => String::new(),
    }
}
