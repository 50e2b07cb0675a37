//! The client without sockets and without waiting: the test is the broker, and moves the clock.

mod close;
mod faults;
mod kept;
mod room;
mod tls;

use std::{cell::RefCell, rc::Rc, time::Duration};

use sandloop_amqp::{Failure, Refusal, Settings};

use super::{Connection, Message, Operation, dialer::Dialer, link::Link};
use crate::{
    deferrable::Deferrable,
    testing::{advance, logged},
    transport::fake::{FakeSocket, Wire},
    types::{CloseReason, ErrorCode},
};

/// What a broker says until a connection is open, as RabbitMQ says it; heartbeats every ten seconds.
const START: &[u8] =
    b"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce";
const TUNE: &[u8] = b"\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\x07\xff\0\x02\0\0\0\x0a\xce";
const OPEN_OK: &[u8] = b"\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce";
/// `channel.open-ok` on channel 1.
const CHANNEL_OPEN_OK: &[u8] = b"\x01\0\x01\0\0\0\x08\0\x14\0\x0b\0\0\0\0\xce";
const HEARTBEAT: &[u8] = b"\x08\0\0\0\0\0\0\xce";
const CLOSE_OK: &[u8] = b"\x01\0\0\0\0\0\x04\0\x0a\0\x33\xce";

#[derive(Default)]
struct Network {
    wires: Vec<Rc<RefCell<Wire>>>,
    refusal: Option<ErrorCode>,
}

struct FakeDialer(Rc<RefCell<Network>>);

impl Dialer for FakeDialer {
    fn dial(&self, link: &Rc<Link>) -> Result<(), ErrorCode> {
        let mut network = self.0.borrow_mut();
        if let Some(refusal) = network.refusal {
            return Err(refusal);
        }
        let wire = Rc::new(RefCell::new(Wire { outbox_max: 1 << 24, ..Wire::default() }));
        link.attach(Rc::new(FakeSocket(wire.clone())));
        network.wires.push(wire);
        Ok(())
    }
}

/// A client and what it connects to.
struct World {
    connection: Connection,
    network: Rc<RefCell<Network>>,
}

impl World {
    fn with(settings: Settings) -> World {
        let network = Rc::<RefCell<Network>>::default();
        let dialer = Box::new(FakeDialer(network.clone()));
        World { connection: Connection(Link::start(settings, dialer)), network }
    }

    /// One whose connection is open.
    fn open() -> World {
        World::open_with(Settings::default())
    }

    fn open_with(settings: Settings) -> World {
        let world = World::with(settings);
        world.establish();
        world
    }

    /// The handshake; what there was is recovered after it.
    fn greet(&self) {
        self.link().connected();
        for bytes in [START, TUNE, OPEN_OK] {
            self.link().receive(bytes);
        }
    }

    fn establish(&self) {
        self.greet();
        assert!(self.connection.is_open());
        self.take_sent();
    }

    fn link(&self) -> &Rc<Link> {
        &self.connection.0
    }

    fn dials(&self) -> usize {
        self.network.borrow().wires.len()
    }

    /// The newest socket.
    fn wire(&self) -> Rc<RefCell<Wire>> {
        self.network.borrow().wires.last().cloned().expect("a connection")
    }

    /// The broker says a method.
    fn says(&self, channel: u8, method: (u8, u8), arguments: &[u8]) {
        let payload = [&[0, method.0, 0, method.1][..], arguments].concat();
        let length = (payload.len() as u32).to_be_bytes();
        self.link().receive(&[&[1, 0, channel], &length[..], &payload, b"\xce"].concat());
    }

    /// Whether the client has said this method since it was last asked, with this text in its arguments.
    fn has_heard(&self, method: (u8, u8), text: &str) -> bool {
        let sent = self.take_sent();
        let name = [0, method.0, 0, method.1];
        sent.windows(4).any(|bytes| bytes == name) && find(&sent, text.as_bytes())
    }

    fn take_sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.wire().borrow_mut().sent)
    }
}

fn find(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|piece| piece == part)
}

/// How it ended, when it has.
type Outcome = Rc<RefCell<Option<Result<(), Failure>>>>;

fn outcome(operation: &Operation) -> Outcome {
    let seen = Rc::new(RefCell::new(None));
    let (ok, bad) = (seen.clone(), seen.clone());
    operation
        .callback(move |()| *ok.borrow_mut() = Some(Ok(())))
        .errback(move |failure| *bad.borrow_mut() = Some(Err(failure.clone())));
    seen
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_deck_is_asked_for_before_there_is_a_connection() {
    let world = World::with(Settings::default());
    let opened = outcome(world.connection.deferrable());
    let channel = world.connection.channel();
    let exchange = channel.fanout("x");
    exchange.publish("hello");
    advance(SECOND);
    assert_eq!(*opened.borrow(), None);
    world.establish();
    assert_eq!(*opened.borrow(), Some(Ok(())));
    // What was asked for follows the answer to the channel's opening, in one piece.
    let before = world.wire().borrow().sends;
    world.link().receive(CHANNEL_OPEN_OK);
    let sent = world.take_sent();
    assert!(sent.windows(6).any(|piece| piece == b"fanout"));
    assert!(sent.ends_with(b"hello\xce"));
    assert_eq!(world.wire().borrow().sends, before + 1);
}

#[test]
fn what_is_asked_for_in_one_turn_leaves_in_one_piece() {
    let world = World::open();
    let channel = world.connection.channel();
    advance(Duration::ZERO);
    world.link().receive(CHANNEL_OPEN_OK);
    let before = world.wire().borrow().sends;
    let exchange = channel.default_exchange();
    for _ in 0..100 {
        exchange.publish(Message::new("m").key("q"));
    }
    assert_eq!(world.wire().borrow().sends, before);
    advance(Duration::ZERO);
    assert_eq!(world.wire().borrow().sends, before + 1);
}

#[test]
fn a_connection_is_tried_again_after_ever_longer_pauses() {
    let world = World::with(Settings::default());
    let pauses = Rc::new(RefCell::new(Vec::new()));
    let seen = pauses.clone();
    world.connection.on_interruption(move |reason, pause| {
        assert_eq!(reason, "refused");
        seen.borrow_mut().push(pause);
    });
    for attempt in 1..=12 {
        assert_eq!(world.dials(), attempt);
        world.link().unbind(CloseReason::Refused);
        let pause = pauses.borrow().last().copied().expect("a pause");
        advance(pause - Duration::from_millis(2));
        assert_eq!(world.dials(), attempt, "too early");
        advance(Duration::from_millis(4));
    }
    // Half a second twice as long each time, up to half a minute, a quarter more or less.
    for (attempt, pause) in pauses.borrow().iter().enumerate() {
        let middle = (0.5 * f64::from(1 << attempt.min(10))).min(30.0);
        let range = middle * 0.74..middle * 1.26;
        assert!(range.contains(&pause.as_secs_f64()), "{attempt}: {pause:?}");
    }
    // One that opens begins anew.
    world.establish();
    world.link().unbind(CloseReason::Refused);
    assert!(*pauses.borrow().last().unwrap() < SECOND);
}

#[test]
fn without_a_hook_the_log_has_the_interruption() {
    let world = World::with(Settings::default());
    world.link().unbind(CloseReason::Refused);
    let (_, line) = logged().pop().expect("a line");
    assert!(line.starts_with("no connection to the broker at 127.0.0.1:5672: refused; again in"));
}

#[test]
fn a_broker_that_does_not_open_the_connection_is_left() {
    let world = World::with(Settings::default());
    world.link().connected();
    world.link().receive(START);
    advance(Duration::from_millis(19_999));
    assert_eq!(world.wire().borrow().ended, None);
    advance(Duration::from_millis(1));
    assert_eq!(world.wire().borrow().ended, Some("closed"));
    let reasons = Rc::new(RefCell::new(Vec::new()));
    let seen = reasons.clone();
    world.connection.on_interruption(move |reason, _| seen.borrow_mut().push(reason.to_owned()));
    world.link().unbind(CloseReason::Closed);
    assert_eq!(*reasons.borrow(), ["the broker did not open the connection in time"]);
}

#[test]
fn a_word_is_said_in_each_half_of_a_heartbeat() {
    let world = World::open();
    // Something was said in the first.
    advance(5 * SECOND);
    assert_eq!(world.take_sent(), b"");
    advance(5 * SECOND);
    assert_eq!(world.take_sent(), HEARTBEAT);
}

#[test]
fn a_broker_that_says_nothing_for_two_heartbeats_is_lost() {
    let world = World::open();
    advance(10 * SECOND);
    world.link().receive(HEARTBEAT);
    // The half in which it was heard counts for it.
    advance(20 * SECOND);
    assert_eq!(world.wire().borrow().ended, None);
    advance(5 * SECOND);
    assert_eq!(world.wire().borrow().ended, Some("closed after writing"));
    world.link().unbind(CloseReason::Closed);
    advance(SECOND);
    assert_eq!(world.dials(), 2);
}

#[test]
fn a_socket_that_is_full_gets_no_more_until_it_has_room() {
    let world = World::open();
    let channel = world.connection.channel();
    advance(Duration::ZERO);
    world.link().receive(CHANNEL_OPEN_OK);
    world.take_sent();
    world.wire().borrow_mut().outbound = 1 << 17;
    channel.default_exchange().publish("m");
    advance(Duration::ZERO);
    assert_eq!(world.take_sent(), b"");
    // The host tells, or where its marks are too high for that, the client looks.
    world.wire().borrow_mut().outbound = 0;
    advance(Duration::from_millis(50));
    assert!(world.take_sent().ends_with(b"m\xce"));
    world.wire().borrow_mut().outbound = 1 << 17;
    channel.default_exchange().publish("n");
    advance(Duration::ZERO);
    world.wire().borrow_mut().outbound = 0;
    world.link().drained();
    assert!(world.take_sent().ends_with(b"n\xce"));
}

#[test]
fn refusals_come_to_the_errback_at_the_next_tick() {
    let world = World::open();
    let channel = world.connection.channel();
    let refused =
        outcome(&channel.default_exchange().publish(Message::new("").key("k".repeat(256))));
    assert_eq!(*refused.borrow(), None);
    advance(Duration::ZERO);
    let too_long = Failure::Refused(Refusal::TooLong("the routing key"));
    assert_eq!(*refused.borrow(), Some(Err(too_long)));
}

#[test]
fn a_broker_that_is_not_allowed_ends_it_at_once() {
    let network = Rc::<RefCell<Network>>::default();
    network.borrow_mut().refusal = Some(ErrorCode::Denied);
    let link = Link::start(Settings::default(), Box::new(FakeDialer(network)));
    let opened = outcome(link.opened());
    advance(Duration::ZERO);
    let failure = Failure::Lost("`allow.connect` does not list the broker".to_owned());
    assert_eq!(*opened.borrow(), Some(Err(failure)));
}

#[test]
fn it_ends_when_both_have_said_goodbye() {
    let world = World::open();
    let closed = outcome(&world.connection.close());
    advance(Duration::ZERO);
    assert!(!world.take_sent().is_empty());
    assert_eq!(*closed.borrow(), None);
    world.link().receive(CLOSE_OK);
    assert_eq!(*closed.borrow(), Some(Ok(())));
    assert_eq!(world.wire().borrow().ended, Some("closed after writing"));
    world.link().unbind(CloseReason::Closed);
    advance(60 * SECOND);
    assert_eq!(world.dials(), 1);
}

#[test]
fn a_broker_that_breaks_the_protocol_is_told_and_then_left() {
    let world = World::open_with(Settings { recovery: false, ..Settings::default() });
    let closed = outcome(&world.connection.closed());
    world.link().receive(b"\x09");
    assert!(matches!(*closed.borrow(), Some(Err(Failure::Protocol(_)))));
    assert!(!world.take_sent().is_empty());
    assert!(world.wire().borrow().half_closed);
    // It may answer; for as long as that, and no longer.
    advance(Duration::from_millis(4999));
    assert_eq!(world.wire().borrow().ended, None);
    advance(Duration::from_millis(1));
    assert_eq!(world.wire().borrow().ended, Some("closed"));
    world.link().unbind(CloseReason::Closed);
    advance(60 * SECOND);
    assert_eq!(world.dials(), 1);
}

#[test]
fn the_end_of_the_host_is_no_interruption() {
    let world = World::open();
    let closed = outcome(&world.connection.closed());
    world.connection.on_interruption(|reason, _| panic!("{reason}"));
    world.link().unbind(CloseReason::Stopped);
    advance(60 * SECOND);
    assert_eq!(*closed.borrow(), Some(Ok(())));
    assert_eq!(world.dials(), 1);
}

#[test]
fn a_plugin_that_closes_while_there_is_no_connection_is_done() {
    let world = World::with(Settings::default());
    world.link().unbind(CloseReason::Refused);
    let closed = outcome(&world.connection.close());
    advance(60 * SECOND);
    assert_eq!(*closed.borrow(), Some(Ok(())));
    assert_eq!(world.dials(), 1);
}
