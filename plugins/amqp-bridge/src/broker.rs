//! The end at the broker.
//!
//! Options: `uri` (`amqp://127.0.0.1`), `exchange` (`amqp-bridge`, a durable fanout exchange), `key` (empty), `queue`
//! (empty: one of its own, which goes with it), `source`, the exchange that the queue is bound to (`exchange`'s).
//!
//! Nobody is let run ahead: a line is taken from the queue of the sandboxes only when the one before is on its way,
//! and the broker sends no more messages than have found their way to the people.

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
        let connection = amqp::connect(settings()?);
        connection.closed().errback(complain);

        let publishes = connection.channel();
        publishes.on_error(complain);
        publishes.confirm();
        let name = option("exchange", "amqp-bridge");
        let exchange = publishes.exchange("fanout", &name, ExchangeOptions::durable());
        take_lines(Outward { exchange, key: option("key", ""), connection: connection.clone() });

        let consumes = connection.channel();
        consumes.on_error(complain);
        consumes.prefetch(PREFETCH);
        let queue = match option("queue", "").as_str() {
            "" => consumes.queue("", QueueOptions::exclusive()),
            name => consumes.queue(name, QueueOptions::durable()),
        };
        let source = option("source", &name);
        queue.bind(&consumes.exchange("fanout", &source, ExchangeOptions::durable()));
        let inward = Inward::default();
        queue.consume(ConsumeOptions::default(), move |message| inward.take(message));
        Ok(())
    }
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
    sandloop::error!("the bridge is down: {failure}");
}

/// From the people to the broker.
#[derive(Clone)]
struct Outward {
    exchange: Exchange,
    key: String,
    connection: amqp::Connection,
}

/// Takes the next line, and when it is on its way the one behind it.
fn take_lines(outward: Outward) {
    Queue::new(OUT).pop(move |line| outward.send(line.to_vec()));
}

impl Outward {
    fn send(self, line: Vec<u8>) {
        let message = Message::new(&line).key(&self.key).persistent();
        match self.exchange.try_publish(message) {
            Ok(published) => {
                published.errback(|failure| sandloop::error!("a line is lost: {failure}"));
                take_lines(self);
            }
            Err(Failure::Refused(Refusal::Full)) => {
                let connection = self.connection.clone();
                connection.on_writable(move || self.send(line));
            }
            // The lines stay in their queue.
            Err(failure) => complain(&failure),
        }
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
