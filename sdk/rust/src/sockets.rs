//! Connections as a plugin holds them, and how to make outgoing ones.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use crate::{
    bindings::sandloop::plugin::sockets as host,
    connection::Connection,
    duration::{from_milliseconds, to_milliseconds_saturating},
    types::{Address, ErrorCode},
};

/// The plugin's handle on one connection; the host owns the real socket.
///
/// Clones are the same handle, so a timer's closure may keep one to answer later. A handle kept longer
/// than the connection is harmless: its calls do nothing or answer `closed`.
#[derive(Clone, Debug)]
pub struct Socket(Rc<host::Socket>);

/// Whether they are handles on the same connection.
impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl Socket {
    pub(crate) fn new(socket: host::Socket) -> Self {
        Socket(Rc::new(socket))
    }

    /// As the contract knows it.
    pub(crate) fn host(&self) -> &host::Socket {
        &self.0
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
        if self.0.send_data(data) == Err(ErrorCode::OutboxFull) {
            self.fail_full(data.len());
        }
    }

    /// As [`send_data`](Self::send_data).
    ///
    /// # Errors
    /// `closed`, `closing`, `outbox-full` (nothing of `data` was taken).
    pub fn try_send_data(&self, data: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        self.0.send_data(data.as_ref())
    }

    /// Closes without waiting for the outbox. `unbind` follows after this callback has returned.
    pub fn close_connection(&self) {
        self.0.close_connection();
    }

    /// Closes once the outbox is empty, or after the close deadline if the peer does not read.
    pub fn close_connection_after_writing(&self) {
        self.0.close_connection_after_writing();
    }

    /// Ends the write side once the outbox is empty; reading goes on.
    ///
    /// # Errors
    /// `closed`, `closing`.
    pub fn half_close(&self) -> Result<(), ErrorCode> {
        self.0.half_close()
    }

    /// What happens when the peer ends its side. `false`, the default: what is queued is sent, then the
    /// connection closes. `true`: it stays open for writing until the plugin closes it.
    pub fn keep_half_open(&self, keep: bool) {
        self.0.keep_half_open(keep);
    }

    /// True once the peer has ended its side: no more `receive_data`.
    #[must_use]
    pub fn peer_finished(&self) -> bool {
        self.0.peer_finished()
    }

    /// Stops reading. Bytes stay with the operating system and the peer feels it.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Starts reading again.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// True between [`pause`](Self::pause) and [`resume`](Self::resume).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.is_paused()
    }

    /// The other end, or none when it is not connected (yet, or any more).
    #[must_use]
    pub fn peer_address(&self) -> Option<Address> {
        self.0.peer_address()
    }

    /// This end, or none when it is not connected (yet, or any more).
    #[must_use]
    pub fn local_address(&self) -> Option<Address> {
        self.0.local_address()
    }

    /// Closes the connection with `inactivity-timeout` after this time in which nothing was read or
    /// written. Zero, the default, turns it off. Does not apply while connecting.
    pub fn set_comm_inactivity_timeout(&self, timeout: Duration) {
        self.0.set_comm_inactivity_timeout(to_milliseconds_saturating(timeout));
    }

    /// What [`set_comm_inactivity_timeout`](Self::set_comm_inactivity_timeout) was last given.
    #[must_use]
    pub fn comm_inactivity_timeout(&self) -> Duration {
        from_milliseconds(self.0.comm_inactivity_timeout())
    }

    /// Outgoing: how long all attempts to connect may take together, 20 seconds at first, counted from
    /// [`connect`]. Does nothing once connected.
    ///
    /// # Errors
    /// `invalid-argument` for zero.
    pub fn set_pending_connect_timeout(&self, timeout: Duration) -> Result<(), ErrorCode> {
        self.0.set_pending_connect_timeout(to_milliseconds_saturating(timeout))
    }

    /// What [`set_pending_connect_timeout`](Self::set_pending_connect_timeout) was last given.
    #[must_use]
    pub fn pending_connect_timeout(&self) -> Duration {
        from_milliseconds(self.0.pending_connect_timeout())
    }

    /// Bytes that wait in the outbox.
    #[must_use]
    pub fn outbound_data_size(&self) -> u32 {
        self.0.outbound_data_size()
    }

    /// How long nothing has been read or written.
    #[must_use]
    pub fn idle_time(&self) -> Duration {
        from_milliseconds(self.0.idle_time())
    }

    /// The number that the host's log gives this connection.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
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
    let token = PENDING.with_borrow_mut(Pending::next_token);
    host::connect(address, token)?;
    let maker: Maker = Box::new(move |socket| Box::new(make(socket)));
    PENDING.with_borrow_mut(|pending| pending.connects.insert(token, maker));
    Ok(())
}

/// What makes the connection of the connect with this token.
pub(crate) fn take_maker(token: u32) -> Option<Maker> {
    PENDING.with_borrow_mut(|pending| pending.connects.remove(&token))
}

/// Makes the connection of one connect.
pub(crate) type Maker = Box<dyn FnOnce(Socket) -> Box<dyn Connection>>;

thread_local! {
    static PENDING: RefCell<Pending> = const { RefCell::new(Pending::new()) };
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
