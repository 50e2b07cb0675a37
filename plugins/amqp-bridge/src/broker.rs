//! The end at the broker.
//!
//! Options: `uri` (`amqp://127.0.0.1`), `exchange` (`amqp-bridge`, a durable fanout exchange), `key` (empty), `queue`
//! (empty: one of its own, which goes with it), `source`, the exchange that the queue is bound to (`exchange`'s).
//!
//! Nobody is let run ahead: a line is taken from the queue of the sandboxes only when the one before is on its way,
//! and the broker sends no more messages than have found their way to the people.
//!
//! What the broker ends is begun again: the connection and the channels by the SDK, with a line in the log; all of it a
//! minute after the broker has said that it does not know the user or the virtual host. Lines wait meanwhile.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use sandloop::{
    Channel, Deferrable, Program, Queue, add_timer,
    amqp::{
        self, ConsumeOptions, Delivery, Exchange, ExchangeOptions, Failure, Message, QueueOptions,
        Refusal, Settings,
    },
    options,
};

/// Where the people's lines wait for the broker.
pub(crate) const OUT: &str = "amqp-bridge out";
/// Where the broker's messages reach the people.
pub(crate) const IN: &str = "amqp-bridge in";

/// Messages that the broker may send before the first of them is with the people.
const PREFETCH: u16 = 100;
/// How long to wait for people who are slow.
const PATIENCE: Duration = Duration::from_millis(20);

pub(crate) struct Broker;

impl Program for Broker {
    fn prepare() -> sandloop::Result {
        settings().map(drop)
    }

    fn start() -> sandloop::Result {
        let outward = Outward::default();
        bridge(settings()?, &outward);
        take_lines(outward);
        Ok(())
    }
}

/// How long to wait after the broker has turned the plugin away, until somebody has seen to it.
const TURNED_AWAY: Duration = Duration::from_secs(60);

/// Connects, and sets up both ways each time that the broker has ended one.
fn bridge(settings: Settings, outward: &Outward) {
    let connection = amqp::connect(settings.clone());
    let later = outward.clone();
    connection.closed().errback(move |failure| {
        complain(failure);
        add_timer(TURNED_AWAY, move || bridge(settings, &later));
    });
    let name = option("exchange", "amqp-bridge");
    let source = option("source", &name);

    let (outward, again) = (outward.clone(), connection.clone());
    connection.keep_channel(move |publishes| {
        publishes.confirm();
        let exchange = publishes.exchange("fanout", &name, ExchangeOptions::durable());
        outward.goes_to(exchange, again.clone());
    });
    let inward = Inward::default();
    connection.keep_channel(move |consumes| {
        inward.forget();
        consumes.prefetch(PREFETCH);
        let queue = match option("queue", "").as_str() {
            "" => consumes.queue("", QueueOptions::exclusive()),
            name => consumes.queue(name, QueueOptions::durable()),
        };
        queue.bind(&consumes.exchange("fanout", &source, ExchangeOptions::durable()));
        let inward = inward.clone();
        queue.consume(ConsumeOptions::default(), move |message| inward.take(message));
    });
}

/// The option's value stays unsaid: it may have a password.
fn settings() -> sandloop::Result<Settings> {
    let uri = option("uri", "amqp://127.0.0.1");
    let settings = Settings::from_uri(&uri).map_err(|error| format!("option `uri`: {error}"))?;
    Ok(Settings { name: Some("amqp-bridge".to_owned()), ..settings })
}

fn option(key: &str, default: &str) -> String {
    options::get(key).unwrap_or_else(|| default.to_owned())
}

fn complain(failure: &Failure) {
    sandloop::error!("the bridge is down: {failure}; again in {TURNED_AWAY:?}");
}

/// From the people to the broker. Clones are the same way.
#[derive(Clone, Default)]
struct Outward(Rc<RefCell<Way>>);

#[derive(Default)]
struct Way {
    /// Where lines go at present: the exchange on the newest channel, and its connection.
    exchange: Option<(Exchange, amqp::Connection)>,
    /// A line that waits for a channel, or for room on it.
    waiting: Option<Vec<u8>>,
}

/// Takes the next line, and when it is on its way the one behind it.
fn take_lines(outward: Outward) {
    Queue::new(OUT).pop(move |line| outward.send(line.to_vec()));
}

impl Outward {
    /// There is a channel.
    fn goes_to(&self, exchange: Exchange, connection: amqp::Connection) {
        self.0.borrow_mut().exchange = Some((exchange, connection));
        self.resume();
    }

    /// Sends the line that waits.
    fn resume(&self) {
        let waiting = self.0.borrow_mut().waiting.take();
        if let Some(line) = waiting {
            self.clone().send(line);
        }
    }

    fn send(self, line: Vec<u8>) {
        let way = self.0.borrow().exchange.clone();
        let Some((exchange, connection)) = way else { return self.wait(line) };
        let message = Message::new(&line).key(option("key", "")).persistent();
        match exchange.try_publish(message) {
            Ok(published) => {
                published.errback(|failure| sandloop::error!("a line is lost: {failure}"));
                take_lines(self);
            }
            Err(Failure::Refused(Refusal::Full)) => {
                self.0.borrow_mut().waiting = Some(line);
                connection.on_writable(move || self.resume());
            }
            // The channel has ended, and another one follows.
            Err(Failure::Closed) => self.wait(line),
            // A line that cannot be sent holds nobody up.
            Err(failure) => {
                sandloop::error!("a line is lost: {failure}");
                take_lines(self);
            }
        }
    }

    fn wait(self, line: Vec<u8>) {
        let way = &mut *self.0.borrow_mut();
        (way.exchange, way.waiting) = (None, Some(line));
    }
}

/// From the broker to the people, in order.
#[derive(Clone, Default)]
struct Inward(Rc<RefCell<VecDeque<Delivery>>>);

impl Inward {
    fn take(&self, message: Delivery) {
        self.0.borrow_mut().push_back(message);
        // With others before it, a timer is set.
        if self.0.borrow().len() == 1 {
            self.hand_on();
        }
    }

    /// The broker delivers again what was not acknowledged on a channel that has ended.
    fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    fn hand_on(&self) {
        let people = Channel::new(IN);
        let mut waiting = self.0.borrow_mut();
        while let Some(message) = waiting.front() {
            if people.try_push(one_line(&message.body)).is_err() {
                let later = self.clone();
                add_timer(PATIENCE, move || later.hand_on());
                return;
            }
            message.ack();
            waiting.pop_front();
        }
    }
}

/// A message may have line ends inside; a line has one at its end.
fn one_line(body: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let mut line: Vec<u8> =
        body.iter().map(|byte| if is_end(byte) { b' ' } else { *byte }).collect();
    line.push(b'\n');
    line
}
