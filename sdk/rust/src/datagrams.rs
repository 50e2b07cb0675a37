//! UDP sockets that a plugin opens itself.

use crate::{
    bindings::sandloop::plugin::datagrams as host,
    connection::Connection,
    listeners::ListenError,
    sockets::{Socket, ask_with_token},
    types::Endpoint,
};

/// Opens a UDP socket at a port of this machine; port 0 is one of the system's choice. Answers with the address that it has.
///
/// After this callback has returned, `make` makes its connection: `receive_data` is called with each datagram, whole and
/// possibly empty, whoever has sent it. [`peer_address`](Socket::peer_address) is who that was, and
/// [`send_data`](Socket::send_data) answers him; [`send_datagram`](Socket::send_datagram) sends to anybody.
/// `allow.listen` says where it may be opened (`"udp:127.0.0.1:5353"`), `allow.connect` where it may send.
///
/// # Errors
/// See [`ListenError`].
pub fn open_datagram_socket<C: Connection>(
    host: impl Into<String>,
    port: u16,
    make: impl FnOnce(Socket) -> C + 'static,
) -> Result<Endpoint, ListenError> {
    let local = Endpoint { host: host.into(), port };
    ask_with_token(make, |token| host::open_datagram_socket(&local, token))
}
