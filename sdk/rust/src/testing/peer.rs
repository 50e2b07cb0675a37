//! The other ends of a test's connections.

use std::{fmt, ops::Deref, time::Duration};

use super::{
    LOOP, advance,
    sockets::{self, Line, Phase, Socket},
};
use crate::{
    options::Options,
    plugin::make::Make,
    sockets::Socket as PluginSocket,
    types::{Address, CloseReason},
};

/// The other end of a connection. Each of its methods runs the loop until nothing is due at this time.
#[derive(Debug)]
pub struct Peer(u32);

/// An outgoing connection of the plugin that is neither accepted nor refused yet.
#[derive(Debug)]
pub struct Dial {
    number: u32,
    address: Address,
}

/// Bytes that a peer has got. Compares with text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Received(Vec<u8>);

/// A peer connects: `make` is what [`plugin!`](crate::plugin) lists, such as `Echo` or `Lines::new`.
pub fn accept<A>(make: impl Make<A>) -> Peer {
    accept_with(make, &Options::default())
}

/// As [`accept`], at a listener with these options.
pub fn accept_with<A>(make: impl Make<A>, options: &Options) -> Peer {
    let number = LOOP.with_borrow_mut(|all| all.connections.accept(all.now));
    let socket = PluginSocket::new(Socket::of(number));
    let connection = make.make(socket.clone(), options);
    let object = sockets::own(number, socket, connection);
    object.borrow_mut().post_init();
    settle();
    Peer(number)
}

/// The next connection that the plugin has asked for.
///
/// # Panics
/// When it has asked for none.
pub fn dial() -> Dial {
    settle();
    let next = LOOP.with_borrow_mut(|all| all.connections.next_dial());
    let Some((number, address)) = next else { panic!("nobody has connected to anything") };
    Dial { number, address }
}

fn settle() {
    advance(Duration::ZERO);
}

fn with<T>(number: u32, change: impl FnOnce(&mut Line) -> T) -> T {
    LOOP.with_borrow_mut(|all| match all.connections.get(number) {
        Some(line) => change(line),
        None => unreachable!("a connection is known to its end and after it"),
    })
}

impl Peer {
    /// Sends.
    pub fn send(&self, data: impl AsRef<[u8]>) {
        with(self.0, |line| line.receive(data.as_ref()));
        settle();
    }

    /// The bytes received since the last call.
    #[must_use]
    pub fn received(&self) -> Received {
        with(self.0, |line| match line.phase {
            // It is connected once the plugin has got the event.
            Phase::Connecting => Received::default(),
            _ => Received(std::mem::take(&mut line.to_peer)),
        })
    }

    /// Ends its side; it still reads.
    pub fn end(&self) {
        with(self.0, Line::receive_end);
        settle();
    }

    /// Closes.
    pub fn close(&self) {
        with(self.0, Line::receive_close);
        settle();
    }

    /// Resets the connection.
    pub fn reset(&self) {
        with(self.0, |line| line.end(CloseReason::Reset));
        settle();
    }

    /// Why the connection has ended, as the plugin was told; none while it is open.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        with(self.0, |line| match line.phase {
            Phase::Ended(reason) => Some(reason),
            _ => None,
        })
    }

    /// Whether the plugin sends no more: it has half-closed the connection, or that has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        with(self.0, |line| line.has_ended || matches!(line.phase, Phase::Ended(_)))
    }
}

impl Dial {
    /// Where the plugin connects to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Accepts it: the plugin gets `connection_completed`.
    pub fn accept(self) -> Peer {
        with(self.number, Line::answer);
        settle();
        Peer(self.number)
    }

    /// Refuses it: the plugin gets `unbind` with `refused`.
    pub fn refuse(self) {
        with(self.number, |line| line.end(CloseReason::Refused));
        settle();
    }
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<B: AsRef<[u8]> + ?Sized> PartialEq<&B> for Received {
    fn eq(&self, other: &&B) -> bool {
        self.0 == other.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::{Connection, add_timer, connect, testing::logged};

    type Log = Rc<RefCell<Vec<String>>>;

    /// Records its events, and echoes received data.
    struct Noting {
        socket: PluginSocket,
        log: Log,
    }

    impl Noting {
        fn note(&self, what: impl fmt::Display) {
            self.log.borrow_mut().push(what.to_string());
        }
    }

    impl Connection for Noting {
        fn post_init(&mut self) {
            self.note("post_init");
        }

        fn connection_completed(&mut self) {
            self.note("completed");
        }

        fn receive_data(&mut self, data: &[u8]) {
            self.note(String::from_utf8_lossy(data));
            match data {
                b"close" => self.socket.close_connection(),
                b"bye" => {
                    self.socket.send_data("bye");
                    self.socket.close_connection_after_writing();
                    assert!(self.socket.try_send_data("more").is_err());
                }
                b"half" => self.socket.half_close().unwrap(),
                b"keep" => self.socket.keep_half_open(true),
                b"pause" => {
                    self.socket.pause();
                    let socket = self.socket.clone();
                    add_timer(Duration::from_secs(1), move || socket.resume());
                }
                b"idle" => self.socket.set_comm_inactivity_timeout(Duration::from_secs(5)),
                _ => self.socket.send_data(data),
            }
        }

        fn unbind(&mut self, reason: CloseReason) {
            self.note(reason);
        }
    }

    fn noting() -> (Log, impl FnOnce(PluginSocket) -> Noting + 'static) {
        let log = Log::default();
        let its = log.clone();
        (log, move |socket| Noting { socket, log: its })
    }

    #[test]
    fn a_peer_gets_what_is_sent_until_it_is_closed() {
        let (log, make) = noting();
        let peer = accept(make);
        peer.send("one");
        peer.send("two");
        assert_eq!(peer.received(), "onetwo");
        assert_eq!(peer.received(), b"");
        assert_eq!(peer.closed(), None);
        peer.send("bye");
        assert_eq!(peer.received(), "bye");
        assert_eq!(peer.closed(), Some(CloseReason::Closed));
        peer.send("nobody");
        assert_eq!(*log.borrow(), ["post_init", "one", "two", "bye", "closed"]);
    }

    #[test]
    fn each_end_has_its_reason() {
        type End = (&'static str, fn(&Peer), CloseReason);
        let ends: [End; 4] = [
            ("x", Peer::end, CloseReason::PeerClosed),
            ("x", Peer::close, CloseReason::PeerClosed),
            ("keep", Peer::close, CloseReason::PeerClosed),
            ("x", Peer::reset, CloseReason::Reset),
        ];
        for (first, end, reason) in ends {
            let (log, make) = noting();
            let peer = accept(make);
            peer.send(first);
            end(&peer);
            assert_eq!(peer.closed(), Some(reason));
            assert_eq!(log.borrow().last(), Some(&reason.to_string()), "told once");
        }
    }

    #[test]
    fn the_two_sides_end_apart() {
        let (_, make) = noting();
        let peer = accept(make);
        peer.send("keep");
        peer.end();
        assert_eq!((peer.closed(), peer.has_ended()), (None, false));
        let (_, make) = noting();
        let peer = accept(make);
        peer.send("half");
        assert_eq!((peer.closed(), peer.has_ended()), (None, true));
        peer.end();
        assert_eq!(peer.closed(), Some(CloseReason::PeerClosed));
    }

    #[test]
    fn silence_and_pauses_are_the_clocks() {
        let (log, make) = noting();
        let peer = accept(make);
        peer.send("pause");
        peer.send("later");
        assert_eq!(peer.received(), "");
        advance(Duration::from_secs(1));
        assert_eq!(peer.received(), "later");
        peer.send("idle");
        advance(Duration::from_millis(4999));
        peer.send("x");
        advance(Duration::from_millis(4999));
        assert_eq!(peer.closed(), None);
        advance(Duration::from_millis(1));
        assert_eq!(peer.closed(), Some(CloseReason::InactivityTimeout));
        assert_eq!(log.borrow().last().unwrap(), "inactivity-timeout");
    }

    #[test]
    fn who_is_dialled_answers_or_not() {
        let (log, make) = noting();
        connect("db.example", 5432, make).unwrap();
        let dial = dial();
        assert_eq!(dial.address().to_string(), "tcp://db.example:5432");
        assert_eq!(*log.borrow(), ["post_init"]);
        let peer = dial.accept();
        peer.send("hello");
        assert_eq!(peer.received(), "hello");
        peer.send("close");
        assert_eq!(*log.borrow(), ["post_init", "completed", "hello", "close", "closed"]);

        let (log, make) = noting();
        connect("db.example", 5432, make).unwrap();
        super::dial().refuse();
        assert_eq!(*log.borrow(), ["post_init", "refused"]);

        let (log, make) = noting();
        connect("db.example", 5432, make).unwrap();
        advance(Duration::from_secs(20));
        assert_eq!(*log.borrow(), ["post_init", "connect-timeout"]);
    }

    #[test]
    #[should_panic(expected = "nobody has connected to anything")]
    fn nobody_is_dialled() {
        dial();
    }

    #[test]
    fn what_is_not_there_says_so() {
        let (_, make) = noting();
        connect("db.example", 5432, make).unwrap();
        let socket = PluginSocket::new(Socket::of(1));
        assert!(socket.proxy_incoming_to(&socket).is_err());
        let (_, text) = logged().pop().unwrap();
        assert!(text.starts_with("proxying is not there in sandloop::testing; "), "{text}");
    }
}
