//! What brokers have said in whole sessions, and what plugins had asked for: to be cut and changed.

use std::rc::Rc;

use amq_protocol::{
    frame::AMQPFrame,
    protocol::BasicProperties,
    types::{AMQPValue, FieldArray, FieldTable},
};
use sandloop_amqp::{ChannelId, Event, Publish, QueueName, Request, Session, Settings};

use crate::{
    ask,
    broker::{bytes, content, method, output},
    say,
};

/// A session and what the broker says in it.
pub struct Recorded {
    pub name: &'static str,
    /// What the plugin asks for before there is a connection.
    ask: fn(&mut Session),
    /// It wishes to end while the connection is being opened.
    pub leaves: bool,
    /// Frame by frame.
    pub frames: Vec<Vec<u8>>,
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub output: Vec<u8>,
}

/// Small bounds, so that they are met often.
pub fn settings() -> Settings {
    Settings {
        frame_max: 4096,
        message_max: 3000,
        heartbeat: 60,
        recovery: false,
        ..Settings::default()
    }
}

impl Outcome {
    /// Fails with the first difference, because the whole is long.
    #[track_caller]
    pub fn assert_is(&self, whole: &Outcome, how: impl FnOnce() -> String) {
        if self == whole {
            return;
        }
        let pairs = self.events.iter().zip(&whole.events);
        let same = pairs.take_while(|(one, other)| one == other).count();
        assert_eq!(self.events.get(same), whole.events.get(same), "event {same} of {}", how());
        let pairs = self.output.iter().zip(&whole.output);
        let same = pairs.take_while(|(one, other)| one == other).count();
        panic!("the output of {} differs at {same}", how());
    }
}

impl Recorded {
    pub fn bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// The session, at the beginning of its connection.
    pub fn begin(&self) -> Session {
        self.begin_with(settings())
    }

    fn begin_with(&self, settings: Settings) -> Session {
        let mut session = Session::new(settings);
        (self.ask)(&mut session);
        session.connected();
        if self.leaves {
            session.close();
        }
        session
    }

    /// Hears these pieces, one after the other.
    pub fn play<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        hear(self.begin(), pieces)
    }

    /// The same, where another connection may follow.
    pub fn play_with_recovery<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        hear(self.begin_with(Settings { recovery: true, ..settings() }), pieces)
    }
}

fn hear<'a>(mut session: Session, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut outcome = Outcome { events: Vec::new(), output: output(&mut session) };
    for piece in pieces {
        session.receive(piece);
        outcome.output.extend(output(&mut session));
        outcome.events.extend(std::iter::from_fn(|| session.next_event()));
    }
    outcome
}

/// Of everything a little.
fn ask_for_everything(session: &mut Session) {
    let one = session.open_channel().unwrap();
    let two = session.open_channel().unwrap();
    let q = QueueName::new("");
    let mut ask = |channel: ChannelId, request| session.request(channel, request).unwrap();
    ask(one, Request::Confirm);
    ask(one, ask::exchange("x", "topic"));
    ask(one, ask::declare(&q));
    ask(one, Request::Qos { prefetch: 10, global: false });
    ask(one, ask::consume(&QueueName::new("q"), "c"));
    ask(one, ask::get("q"));
    ask(one, ask::get("q"));
    ask(one, Request::PurgeQueue(QueueName::new("q")));
    ask(two, Request::SelectTx);
    ask(two, Request::Commit);
    ask(two, ask::queue("missing"));
    for body in [&b"one"[..], &[7; 5000], b"three"] {
        let publish = Publish { mandatory: true, ..ask::publish(body) };
        session.publish(one, publish).unwrap();
    }
    session.publish(two, Publish { body: Rc::from(&b"two"[..]), ..ask::publish(b"") }).unwrap();
}

/// Every property, with tables in tables.
pub fn properties() -> BasicProperties {
    let mut inner = FieldTable::default();
    inner.insert("deep".into(), AMQPValue::Void);
    let list = vec![AMQPValue::LongInt(-1), AMQPValue::Boolean(true), AMQPValue::Double(0.5)];
    let mut headers = FieldTable::default();
    headers.insert("table".into(), AMQPValue::FieldTable(inner));
    headers.insert("list".into(), AMQPValue::FieldArray(FieldArray::from(list)));
    headers.insert("text".into(), AMQPValue::LongString("caf\u{e9}".into()));
    BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("identity".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("ci".into())
        .with_reply_to("rt".into())
        .with_expiration("60000".into())
        .with_message_id("mi".into())
        .with_timestamp(1_700_000_000)
        .with_type("ty".into())
        .with_user_id("ui".into())
        .with_app_id("ai".into())
}

/// The beginning of every session.
fn greeting() -> Vec<Vec<u8>> {
    let methods = [say::start("PLAIN EXTERNAL"), say::tune(100, 8192, 30), say::open_ok()];
    methods.map(|class| method(0, class)).to_vec()
}

fn message(class: amq_protocol::protocol::AMQPClass, body: &[u8]) -> Vec<Vec<u8>> {
    let mut all = content(1, properties(), body, 100);
    let mut frames = vec![method(1, class)];
    while let Some(frame) = crate::broker::take_frame(&mut all) {
        frames.push(bytes(&frame));
    }
    frames
}

fn everything() -> Vec<Vec<u8>> {
    let heartbeat = bytes(&AMQPFrame::Heartbeat(0));
    let answers = [
        (1, say::channel_open_ok()),
        (2, say::channel_open_ok()),
        (0, say::blocked("low on memory")),
        (2, say::tx_select_ok()),
        (1, say::confirm_select_ok()),
        (0, say::unblocked()),
        (1, say::exchange_declare_ok()),
        (1, say::queue_declare_ok("amq.gen-1", 2, 1)),
        (1, say::qos_ok()),
        (2, say::commit_ok()),
    ];
    let mut frames = greeting();
    frames.extend(answers.map(|(number, class)| method(number, class)));
    frames.push(heartbeat.clone());
    frames.extend(message(say::get_ok(1, 5), &[1; 250]));
    frames.push(method(1, say::get_empty()));
    frames.push(method(1, say::consume_ok("c")));
    frames.push(method(1, say::queue_purge_ok(4)));
    frames.push(method(2, say::channel_close(404, "NOT_FOUND - no queue 'missing'", (50, 10))));
    frames.push(method(1, say::flow(false)));
    frames.push(method(1, say::flow(true)));
    frames.extend(message(say::returned("x", "k"), b"three"));
    frames.push(method(1, say::ack(2, true)));
    frames.push(method(1, say::nack(3, false, false)));
    for number in 2..5 {
        frames
            .extend(message(say::deliver("c", number), &vec![number as u8; 40 * number as usize]));
    }
    frames.extend(message(say::deliver("c", 5), b""));
    frames.push(heartbeat);
    frames.push(method(1, say::cancel("c", false)));
    frames.push(method(0, say::close(541, "INTERNAL_ERROR")));
    frames
}

/// A consumer that has everything done and goes, while messages still come.
fn ask_for_a_little(session: &mut Session) {
    let channel = session.open_channel().unwrap();
    session.request(channel, ask::consume(&QueueName::new("q"), "c")).unwrap();
    session.request(channel, ask::queue("q")).unwrap();
}

fn a_little() -> Vec<Vec<u8>> {
    let mut frames = greeting();
    frames.push(method(1, say::channel_open_ok()));
    frames.push(method(1, say::consume_ok("c")));
    frames.extend(message(say::deliver("c", 1), b"in time"));
    frames.push(method(1, say::queue_declare_ok("q", 0, 0)));
    frames.extend(message(say::deliver("c", 2), b"too late"));
    frames.push(method(0, say::close_ok()));
    frames
}

/// All of them.
pub fn all() -> Vec<Recorded> {
    let everything = Recorded {
        name: "everything",
        ask: ask_for_everything,
        leaves: false,
        frames: everything(),
    };
    let a_little =
        Recorded { name: "a little", ask: ask_for_a_little, leaves: true, frames: a_little() };
    vec![everything, a_little]
}
