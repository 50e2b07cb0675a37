//! How the connection to a broker is made.

use std::{rc::Rc, time::Duration};

use super::link::Link;
use crate::{
    connection::{Connection, Drain},
    sockets::{self, Socket},
    types::{CloseReason, ErrorCode},
};

/// Makes connections, or in a unit test what stands in their place.
pub(super) trait Dialer {
    /// Starts one to where the settings of the link say; [`Link::attach`] follows, then what happens to it.
    fn dial(&self, link: &Rc<Link>) -> Result<(), ErrorCode>;
}

/// Real connections.
pub(super) struct SocketDialer;

impl Dialer for SocketDialer {
    fn dial(&self, link: &Rc<Link>) -> Result<(), ErrorCode> {
        let link = link.clone();
        let (host, port, timeout) = link.with(|session| {
            let settings = session.settings();
            (settings.host.clone(), settings.port, settings.connection_timeout)
        });
        sockets::connect(host, port, move |socket: Socket| {
            // It fails only for a timeout of zero, which leaves the host's own.
            let _ = socket.set_pending_connect_timeout(timeout);
            link.attach(Rc::new(socket));
            LinkConnection(link)
        })
    }
}

/// The callbacks of a link's connection.
struct LinkConnection(Rc<Link>);

impl Connection for LinkConnection {
    fn connection_completed(&mut self) {
        self.0.connected();
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.0.receive(data);
    }

    fn drained(&mut self) {
        self.0.drained();
    }

    fn draining(&mut self, _: Duration) -> Drain {
        // All requests are executed, and the broker is sent the close.
        self.0.close();
        Drain::UntilClosed
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.0.unbind(reason);
    }
}
