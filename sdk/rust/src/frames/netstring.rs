//! Netstrings.

use std::{rc::Rc, time::Duration};

use sandloop_frames::netstring::{NetstringDecoder, NetstringError, encode};

use crate::{
    connection::{Connection, Drain},
    sockets::Socket,
    transport::Transport,
    types::CloseReason,
};

/// A connection of netstrings, such as `5:hello,`. What is to go is made by [`netstring()`].
pub trait NetstringProtocol: 'static {
    /// As [`Connection::post_init`].
    fn post_init(&mut self) {}

    /// As [`Connection::connection_completed`].
    fn connection_completed(&mut self) {}

    /// A string, of any bytes.
    fn receive_string(&mut self, string: &[u8]);

    /// What has come is no netstring, or a longer one than [`string_max`](Self::string_max). The connection closes once
    /// what this sends is written.
    fn receive_error(&mut self, error: NetstringError) {
        let _ = error;
    }

    /// Bytes of a string; 1 MiB unless it is said. Asked once, before `post_init`.
    fn string_max(&self) -> usize {
        1024 * 1024
    }

    /// As [`Connection::drained`].
    fn drained(&mut self) {}

    /// As [`Connection::draining`].
    fn draining(&mut self, within: Duration) -> Drain {
        let _ = within;
        Drain::WhenIdle
    }

    /// As [`Connection::unbind`].
    fn unbind(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// Makes a connection for [`connect`](crate::connect): `connect(host, port, Client::connection(Client))`.
    fn connection(
        make: impl FnOnce(Socket) -> Self + 'static,
    ) -> impl FnOnce(Socket) -> NetstringConnection<Self> + 'static
    where
        Self: Sized,
    {
        move |socket| NetstringConnection::new(socket, make)
    }
}

/// A netstring of these bytes, to be sent.
///
/// ```
/// assert_eq!(sandloop::frames::netstring("hello"), b"5:hello,");
/// ```
#[must_use]
pub fn netstring(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(bytes.as_ref(), &mut out);
    out
}

/// A connection of a [`NetstringProtocol`].
pub struct NetstringConnection<N> {
    handler: N,
    decoder: NetstringDecoder,
    transport: Rc<dyn Transport>,
}

impl<N: NetstringProtocol> NetstringConnection<N> {
    pub(super) fn new(socket: Socket, make: impl FnOnce(Socket) -> N) -> NetstringConnection<N> {
        NetstringConnection::start(make(socket.clone()), Rc::new(socket))
    }

    pub(super) fn start(handler: N, transport: Rc<dyn Transport>) -> NetstringConnection<N> {
        let decoder = NetstringDecoder::new(handler.string_max());
        NetstringConnection { handler, decoder, transport }
    }
}

impl<N: NetstringProtocol> Connection for NetstringConnection<N> {
    fn post_init(&mut self) {
        self.handler.post_init();
    }

    fn connection_completed(&mut self) {
        self.handler.connection_completed();
    }

    fn receive_data(&mut self, mut data: &[u8]) {
        loop {
            match self.decoder.decode(&mut data) {
                Ok(None) => return,
                Ok(Some(string)) => self.handler.receive_string(&string),
                Err(error) => {
                    self.handler.receive_error(error);
                    super::end(&*self.transport, &error);
                }
            }
        }
    }

    fn drained(&mut self) {
        self.handler.drained();
    }

    fn draining(&mut self, within: Duration) -> Drain {
        self.handler.draining(within)
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.handler.unbind(reason);
    }
}
