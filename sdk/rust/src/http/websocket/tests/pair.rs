//! A side with its peer: the same cases for the one that accepted and for the one that asked.

use super::*;

/// Either side, once it is open.
pub(super) trait Open {
    fn receive(&mut self, data: &[u8]);
    fn drained(&mut self);
    fn unbind(&mut self, reason: CloseReason);
}

impl Open for Asking<Noting> {
    fn receive(&mut self, data: &[u8]) {
        self.receive_data(data);
    }

    fn drained(&mut self) {
        Connection::drained(self);
    }

    fn unbind(&mut self, reason: CloseReason) {
        Connection::unbind(self, reason);
    }
}

impl Open for Driver<Noting> {
    fn receive(&mut self, data: &[u8]) {
        Upgraded::receive(self, data);
    }

    fn drained(&mut self) {
        Upgraded::drained(self);
    }

    fn unbind(&mut self, reason: CloseReason) {
        Upgraded::unbind(self, reason);
    }
}

/// One side, and its peer's.
pub(super) struct Pair {
    pub side: Side<Box<dyn Open>>,
    pub peer: codec::WebSocket,
}

pub(super) const MESSAGE: usize = 10_000;

/// Does the same with the side that accepted and with the one that asked.
pub(super) fn on_both_sides(case: impl Fn(Pair)) {
    let Side { mut connection, socket, log, wire } = accepted();
    connection.opened();
    let connection: Box<dyn Open> = Box::new(connection);
    let side = Side { connection, socket, log, wire };
    case(Pair::new(side, codec::WebSocket::client(1 << 20)));

    let Side { mut connection, socket, log, wire } = asking(None);
    connection.connection_completed();
    connection.receive_data(format!("{ACCEPTED}\r\n").as_bytes());
    let connection: Box<dyn Open> = Box::new(connection);
    let side = Side { connection, socket, log, wire };
    case(Pair::new(side, codec::WebSocket::server(1 << 20)));
}

impl Pair {
    fn new(side: Side<Box<dyn Open>>, peer: codec::WebSocket) -> Pair {
        side.check(&["open"]);
        side.sent();
        side.wire.borrow_mut().fills = true;
        Pair { side, peer }
    }

    pub(crate) fn say(&self, messages: usize) {
        for _ in 0..messages {
            self.side.socket.send_binary(vec![7; MESSAGE]);
        }
    }

    /// The peer sends what it has said.
    pub(crate) fn hear(&mut self) {
        assert!(!self.side.wire.borrow().paused, "a paused socket delivers nothing");
        self.side.connection.receive(&self.peer.take_output());
    }

    pub(crate) fn hear_text(&mut self, text: &str) {
        self.peer.send(Message::Text(text.to_owned())).unwrap();
        self.hear();
    }

    /// The peer reads `bytes` bytes of the outbox, and nobody says that there is room.
    pub(crate) fn read(&self, bytes: usize) {
        let mut wire = self.side.wire.borrow_mut();
        wire.outbound = wire.outbound.saturating_sub(bytes);
        drop(wire);
        advance(Duration::from_millis(100));
        assert!(self.side.wire.borrow().outbound <= 48 * 1024, "the host would not read it");
    }

    pub(crate) fn read_all(&self) {
        for _ in 0..400 {
            self.read(15_000);
        }
    }

    /// The messages that the peer has got, all of them whole.
    pub(crate) fn got(&mut self) -> usize {
        let events = taken(&mut self.peer, &self.side.sent());
        let is_message = |event: &&Event| matches!(event, Event::Message(_));
        events.iter().filter(is_message).count()
    }

    pub(crate) fn ended(&self) -> Option<&'static str> {
        self.side.wire.borrow().ended
    }

    pub(crate) fn half_closed(&self) -> bool {
        self.side.wire.borrow().half_closed
    }
}
