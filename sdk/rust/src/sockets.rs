//! Connections as a plugin holds them, and how to make outgoing ones.

use std::{
    cell::{Ref, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use crate::{
    connection::Connection,
    duration::{from_milliseconds, to_milliseconds_saturating},
    host::{calls, socket_options as options, sockets as host},
    types::{Address, CloseReason, Endpoint, ErrorCode},
};

#[doc(inline)]
pub use crate::bindings::sandloop::plugin::socket_options::Probes;

/// The plugin's handle on one connection; the host owns the real socket.
///
/// Clones are the same handle, so a timer's closure may keep one to answer later. A handle kept longer
/// than the connection is harmless: its calls do nothing or answer `closed`.
#[derive(Clone, Debug)]
pub struct Socket(Rc<RefCell<host::Socket>>);

/// Whether they are handles on the same connection.
impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl Socket {
    pub(crate) fn new(socket: host::Socket) -> Self {
        Socket(Rc::new(RefCell::new(socket)))
    }

    /// As the contract knows it.
    pub(crate) fn host(&self) -> Ref<'_, host::Socket> {
        self.0.borrow()
    }

    /// Sends bytes, in order, never blocking; the bytes are not copied in the plugin. On an outgoing
    /// connection they wait until it is made.
    ///
    /// As in EventMachine this never fails: on a connection that is closed or closing it does
    /// nothing. Where the outbox is full the connection is closed at once and the log says so, because a
    /// stream with a hole in it is worse than none; a plugin that would rather wait for
    /// [`drained`](crate::Connection::drained) uses [`try_send_data`](Self::try_send_data).
    pub fn send_data(&self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        if self.host().send_data(data) == Err(ErrorCode::OutboxFull) {
            self.fail_full(data.len());
        }
    }

    /// As [`send_data`](Self::send_data).
    ///
    /// # Errors
    /// `closed`, `closing`, `outbox-full` (nothing of `data` was taken).
    pub fn try_send_data(&self, data: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        self.host().send_data(data.as_ref())
    }

    /// Closes without waiting for the outbox. `unbind` follows after this callback has returned.
    pub fn close_connection(&self) {
        self.host().close_connection();
    }

    /// Closes once the outbox is empty, or after the close deadline if the peer does not read.
    pub fn close_connection_after_writing(&self) {
        self.host().close_connection_after_writing();
    }

    /// Ends the write side once the outbox is empty; reading goes on.
    ///
    /// # Errors
    /// `closed`, `closing`.
    pub fn half_close(&self) -> Result<(), ErrorCode> {
        self.host().half_close()
    }

    /// What happens when the peer ends its side. `false`, the default: what is queued is sent, then the
    /// connection closes. `true`: it stays open for writing until the plugin closes it.
    pub fn keep_half_open(&self, keep: bool) {
        self.host().keep_half_open(keep);
    }

    /// True once the peer has ended its side: no more `receive_data`.
    #[must_use]
    pub fn peer_finished(&self) -> bool {
        self.host().peer_finished()
    }

    /// Stops reading. Bytes stay with the operating system and the peer feels it.
    pub fn pause(&self) {
        self.host().pause();
    }

    /// Starts reading again.
    pub fn resume(&self) {
        self.host().resume();
    }

    /// True between [`pause`](Self::pause) and [`resume`](Self::resume).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.host().is_paused()
    }

    /// The other end, or none when it is not connected (yet, or any more).
    #[must_use]
    pub fn peer_address(&self) -> Option<Address> {
        self.host().peer_address()
    }

    /// This end, or none when it is not connected (yet, or any more).
    #[must_use]
    pub fn local_address(&self) -> Option<Address> {
        self.host().local_address()
    }

    /// Closes the connection with `inactivity-timeout` after this time in which nothing was read or
    /// written. Zero, the default, turns it off. Does not apply while connecting.
    pub fn set_comm_inactivity_timeout(&self, timeout: Duration) {
        self.host().set_comm_inactivity_timeout(to_milliseconds_saturating(timeout));
    }

    /// What [`set_comm_inactivity_timeout`](Self::set_comm_inactivity_timeout) was last given.
    #[must_use]
    pub fn comm_inactivity_timeout(&self) -> Duration {
        from_milliseconds(self.host().comm_inactivity_timeout())
    }

    /// Outgoing: how long all attempts to connect may take together, 20 seconds at first, counted from
    /// [`connect`]. Does nothing once connected.
    ///
    /// # Errors
    /// `invalid-argument` for zero.
    pub fn set_pending_connect_timeout(&self, timeout: Duration) -> Result<(), ErrorCode> {
        self.host().set_pending_connect_timeout(to_milliseconds_saturating(timeout))
    }

    /// What [`set_pending_connect_timeout`](Self::set_pending_connect_timeout) was last given.
    #[must_use]
    pub fn pending_connect_timeout(&self) -> Duration {
        from_milliseconds(self.host().pending_connect_timeout())
    }

    /// Bytes that wait in the outbox.
    #[must_use]
    pub fn outbound_data_size(&self) -> u32 {
        self.host().outbound_data_size()
    }

    /// How long nothing has been read or written.
    #[must_use]
    pub fn idle_time(&self) -> Duration {
        from_milliseconds(self.host().idle_time())
    }

    /// Sends one datagram from a socket of [`open_datagram_socket`](crate::open_datagram_socket) to an IP address and a port.
    ///
    /// # Errors
    /// `denied` (not in `allow.connect`, and not an answer to the last datagram), `invalid-argument`, `outbox-full` (no room
    /// now), `closed`, `closing`, `unsupported` (a connection of another kind).
    pub fn send_datagram(
        &self,
        data: impl AsRef<[u8]>,
        host: impl Into<String>,
        port: u16,
    ) -> Result<(), ErrorCode> {
        let to = Endpoint { host: host.into(), port };
        calls::send_datagram(&self.host(), data.as_ref(), &to)
    }

    /// Has the system find out when a silent peer has gone: after `idle` of silence, with `count` probes each `interval`
    /// after the other. Zero leaves each as the system has it.
    ///
    /// # Errors
    /// `closed`, `invalid-argument` (more than 32,767 seconds or 127 probes), `unsupported` (not TCP).
    pub fn enable_keepalive(
        &self,
        idle: Duration,
        interval: Duration,
        count: u32,
    ) -> Result<(), ErrorCode> {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let (idle, interval) = (seconds(idle), seconds(interval));
        options::set_keepalive(&self.host(), Some(Probes { idle, interval, count }))
    }

    /// Ends that.
    ///
    /// # Errors
    /// `closed`, `unsupported`.
    pub fn disable_keepalive(&self) -> Result<(), ErrorCode> {
        options::set_keepalive(&self.host(), None)
    }

    /// The socket's current keepalive, in seconds; none if it is off or the socket is not connected.
    #[must_use]
    pub fn keepalive(&self) -> Option<Probes> {
        options::keepalive(&self.host())
    }

    /// Whether small segments are sent at once (the default), or wait for outstanding acknowledgements (Nagle's algorithm).
    ///
    /// # Errors
    /// `closed`, `unsupported`.
    pub fn set_nodelay(&self, nodelay: bool) -> Result<(), ErrorCode> {
        options::set_nodelay(&self.host(), nodelay)
    }

    /// What [`set_nodelay`](Self::set_nodelay) was last given.
    #[must_use]
    pub fn nodelay(&self) -> bool {
        options::nodelay(&self.host())
    }

    /// The number that the host's log gives this connection.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.host().id()
    }

    /// Connects again, to the same place or another, and goes on with the same object: for the
    /// [`unbind`](crate::Connection::unbind) of this connection, and nowhere else. Neither what made it nor `post_init` is called again;
    /// `connection_completed` is, or `unbind` where nobody answers. Every clone of this socket is the new connection's from then on.
    ///
    /// # Errors
    /// As [`connect`]; `invalid-argument` outside of its `unbind`, and for a second call.
    pub fn reconnect(&self, host: impl Into<String>, port: u16) -> Result<(), ErrorCode> {
        if !UNBINDING.with_borrow(|unbinding| unbinding.is(self)) {
            return Err(ErrorCode::InvalidArgument);
        }
        let token = PENDING.with_borrow_mut(Pending::next_token);
        host::connect(&Address::tcp(host, port), token)?;
        UNBINDING.with_borrow_mut(|unbinding| unbinding.token = Some(token));
        Ok(())
    }

    #[cold]
    fn fail_full(&self, length: usize) {
        let id = self.id();
        crate::error!("connection {id}: its outbox has no room for {length} bytes; closing it");
        self.close_connection();
    }
}

/// Starts an outgoing TCP connection. `host` is a name or an IP address.
///
/// Returns at once. After this callback has returned, `make` makes the connection from its socket and
/// its `post_init` is called, before it is connected. A tuple struct makes itself:
/// `connect("www.postrank.com", 80, Connector)`; a closure may bring more:
/// `connect(host, port, move |socket| Client { socket, request })`.
///
/// # Errors
/// `denied` (not in `allow.connect`), `limit` (connections), `invalid-argument`. That nobody answers is
/// told to `unbind`, with the reason.
pub fn connect<C: Connection>(
    host: impl Into<String>,
    port: u16,
    make: impl FnOnce(Socket) -> C + 'static,
) -> Result<(), ErrorCode> {
    connect_to(&Address::tcp(host, port), make)
}

/// As [`connect`], to a Unix stream socket.
///
/// # Errors
/// As [`connect`].
pub fn connect_unix<C: Connection>(
    path: impl Into<String>,
    make: impl FnOnce(Socket) -> C + 'static,
) -> Result<(), ErrorCode> {
    connect_to(&Address::unix(path), make)
}

/// As [`connect`], to an address of either kind, such as one read from an option.
///
/// # Errors
/// As [`connect`].
pub fn connect_to<C: Connection>(
    address: &Address,
    make: impl FnOnce(Socket) -> C + 'static,
) -> Result<(), ErrorCode> {
    ask_with_token(make, |token| host::connect(address, token))
}

/// As [`connect`], from this address and port of the machine: port 0 is one of the system's choice. `allow.listen` lists what
/// may be chosen.
///
/// # Errors
/// Like [`connect`]; if the machine does not have the address, `unbind` is called.
pub fn bind_connect<C: Connection>(
    bind_host: impl Into<String>,
    bind_port: u16,
    host: impl Into<String>,
    port: u16,
    make: impl FnOnce(Socket) -> C + 'static,
) -> Result<(), ErrorCode> {
    let local = Endpoint { host: bind_host.into(), port: bind_port };
    let target = Address::tcp(host, port);
    ask_with_token(make, |token| options::connect_from(&local, &target, token))
}

/// The connections of this instance that have not been unbound, with its listeners and datagram sockets.
#[must_use]
pub fn connection_count() -> u32 {
    options::connection_count()
}

/// Asks for a connection that is made by `make` when it comes with its token.
pub(crate) fn ask_with_token<C: Connection, T, E>(
    make: impl FnOnce(Socket) -> C + 'static,
    ask: impl FnOnce(u32) -> Result<T, E>,
) -> Result<T, E> {
    let token = PENDING.with_borrow_mut(Pending::next_token);
    let answer = ask(token)?;
    let maker: Maker = Box::new(move |socket: Socket| Made {
        connection: Box::new(make(socket.clone())),
        socket,
        is_again: false,
    });
    PENDING.with_borrow_mut(|pending| pending.connects.insert(token, maker));
    Ok(answer)
}

/// The result of a connect.
pub(crate) struct Made {
    pub(crate) connection: Box<dyn Connection>,
    pub(crate) socket: Socket,
    /// Whether it was a connection before.
    pub(crate) is_again: bool,
}

/// The connection whose `unbind` is called.
#[derive(Default)]
struct Unbinding {
    socket: Option<Socket>,
    /// That of its [reconnect](Socket::reconnect).
    token: Option<u32>,
}

impl Unbinding {
    /// Whether it is this one, and has not been connected again.
    fn is(&self, socket: &Socket) -> bool {
        self.token.is_none() && self.socket.as_ref() == Some(socket)
    }
}

/// Calls the `unbind` of a connection. Where it was connected again meanwhile, `connection` goes on in the new one.
pub(crate) fn unbind(
    socket: &Socket,
    connection: &RefCell<Box<dyn Connection>>,
    reason: CloseReason,
) {
    let unbinding = Unbinding { socket: Some(socket.clone()), token: None };
    UNBINDING.set(unbinding);
    connection.borrow_mut().unbind(reason);
    let Unbinding { token: Some(token), .. } = UNBINDING.take() else { return };
    let (connection, old) = (connection.replace(Box::new(Gone)), socket.clone());
    let maker: Maker = Box::new(move |new: Socket| {
        if let Ok(new) = Rc::try_unwrap(new.0) {
            old.0.replace(new.into_inner());
        }
        Made { connection, socket: old, is_again: true }
    });
    PENDING.with_borrow_mut(|pending| pending.connects.insert(token, maker));
}

/// In the place of a connection that goes on elsewhere.
struct Gone;

impl Connection for Gone {}

/// What makes the connection of the connect with this token.
pub(crate) fn take_maker(token: u32) -> Option<Maker> {
    PENDING.with_borrow_mut(|pending| pending.connects.remove(&token))
}

/// Makes the connection of one connect.
pub(crate) type Maker = Box<dyn FnOnce(Socket) -> Made>;

thread_local! {
    static PENDING: RefCell<Pending> = const { RefCell::new(Pending::new()) };
    static UNBINDING: RefCell<Unbinding> = const { RefCell::new(Unbinding { socket: None, token: None }) };
}

/// The connects that have not been told their socket yet.
struct Pending {
    connects: BTreeMap<u32, Maker>,
    last_token: u32,
}

impl Pending {
    const fn new() -> Self {
        Pending { connects: BTreeMap::new(), last_token: 0 }
    }

    /// A token that no pending connect has.
    fn next_token(&mut self) -> u32 {
        loop {
            self.last_token = self.last_token.wrapping_add(1);
            if !self.connects.contains_key(&self.last_token) {
                return self.last_token;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_given_twice_while_its_connect_is_pending() {
        let mut pending = Pending::new();
        pending.last_token = u32::MAX - 1;
        pending.connects.insert(0, Box::new(|_| unreachable!()));
        assert_eq!(pending.next_token(), u32::MAX);
        assert_eq!(pending.next_token(), 1);
    }
}
