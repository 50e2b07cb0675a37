//! A broker that works by itself, and outlives its connections: for what happens when those are lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, channel, connection, exchange, queue},
};
use sandloop_testkit::Noise;

use crate::{
    broker::{PROTOCOL_HEADER, method, take_frame},
    model::{Destination, Model, Queue},
    say,
};

/// A broker with one client.
#[derive(Default)]
pub struct World {
    pub model: Model,
    /// The channels of this connection.
    pub channels: BTreeMap<u16, Channel>,
    /// The messages, in the order in which they first came.
    pub arrived: Vec<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
    /// What the client has said and nobody has looked at.
    heard: Vec<u8>,
    greeted: bool,
    /// Each with its number.
    replies: VecDeque<(u64, Vec<u8>)>,
    /// Answers that a queue gives, and not the channel: they may come later than others.
    late: VecDeque<(u64, Vec<u8>)>,
    count: u64,
    /// The class and number of the last method.
    pub last: (u16, u16),
    names: u32,
}

/// One channel of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    pub prefetch: Option<u16>,
    pub confirms: bool,
    published: u64,
    confirmed: u64,
    /// The message whose content is coming, and how much of it is missing.
    body: Option<(Vec<u8>, u64)>,
}

impl World {
    /// A new connection; with `restarts` of a broker that has lost everything.
    pub fn connection(&mut self, restarts: bool) {
        self.model.end_connection();
        if restarts {
            self.model = Model::default();
        }
        self.channels.clear();
        self.heard.clear();
        self.greeted = false;
        self.replies.clear();
        self.late.clear();
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    /// Does what one frame asks for, if there is a frame.
    pub fn work(&mut self) -> bool {
        if !self.greeted {
            self.greeted = self.heard.starts_with(PROTOCOL_HEADER);
            if self.greeted {
                self.heard.drain(..PROTOCOL_HEADER.len());
                self.reply(0, say::start("PLAIN"));
            }
            return self.greeted;
        }
        match take_frame(&mut self.heard) {
            None => return false,
            Some(AMQPFrame::Method(number, class)) => {
                self.last = (class.get_amqp_class_id(), class.get_amqp_method_id());
                self.on_method(number, class);
            }
            Some(AMQPFrame::Header(number, _, header)) => {
                self.channel(number).body = Some((Vec::new(), header.body_size));
                self.on_body(number, &[]);
            }
            Some(AMQPFrame::Body(number, piece)) => self.on_body(number, &piece),
            Some(other) => panic!("{other:?}"),
        }
        true
    }

    /// Something to say, if there is anything.
    pub fn say(&mut self, noise: &mut Noise) -> Option<Vec<u8>> {
        self.confirm(noise);
        // Later, but never earlier.
        let first = |(late, _): &(u64, Vec<u8>)| match self.replies.front() {
            Some((reply, _)) => late < reply && noise.below(3) == 0,
            None => true,
        };
        let late = self.late.front().is_some_and(first);
        let said = if late { self.late.pop_front() } else { self.replies.pop_front() };
        said.map(|(_, bytes)| bytes)
    }

    fn confirm(&mut self, noise: &mut Noise) {
        for (number, channel) in &mut self.channels {
            let missing = (channel.published - channel.confirmed) as usize;
            if channel.confirms && 0 < missing && noise.below(3) == 0 {
                let count = 1 + noise.below(missing) as u64;
                channel.confirmed += count;
                self.count += 1;
                let ack = method(*number, say::ack(channel.confirmed, 1 < count));
                self.replies.push_back((self.count, ack));
            }
        }
    }

    fn channel(&mut self, number: u16) -> &mut Channel {
        self.channels.get_mut(&number).expect("an open channel")
    }

    fn reply(&mut self, number: u16, class: AMQPClass) {
        self.count += 1;
        self.replies.push_back((self.count, method(number, class)));
    }

    fn reply_late(&mut self, number: u16, class: AMQPClass) {
        self.count += 1;
        self.late.push_back((self.count, method(number, class)));
    }

    fn on_method(&mut self, number: u16, class: AMQPClass) {
        match class {
            AMQPClass::Connection(method) => self.on_connection(&method),
            AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
                let before = self.channels.insert(number, Channel::default());
                assert_eq!(before, None, "opened twice");
                self.reply(number, say::channel_open_ok());
            }
            AMQPClass::Exchange(method) => self.on_exchange(number, method),
            AMQPClass::Queue(method) => self.on_queue(number, method),
            AMQPClass::Basic(method) => self.on_basic(number, method),
            AMQPClass::Confirm(_) => {
                self.channel(number).confirms = true;
                self.reply(number, say::confirm_select_ok());
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_connection(&mut self, method: &connection::AMQPMethod) {
        match method {
            connection::AMQPMethod::StartOk(_) => self.reply(0, say::tune(0, 0, 0)),
            connection::AMQPMethod::TuneOk(_) => {}
            connection::AMQPMethod::Open(_) => self.reply(0, say::open_ok()),
            other => panic!("{other:?}"),
        }
    }

    fn on_exchange(&mut self, number: u16, method: exchange::AMQPMethod) {
        match method {
            exchange::AMQPMethod::Declare(declare) => {
                let name = declare.exchange.to_string();
                let before = self.model.exchanges.insert(name, declare.auto_delete);
                assert!(before.is_none_or(|before| before == declare.auto_delete), "406");
                self.reply(number, say::exchange_declare_ok());
            }
            exchange::AMQPMethod::Delete(delete) => {
                self.model.delete_exchange(delete.exchange.as_str());
                self.reply(number, say::exchange_delete_ok());
            }
            exchange::AMQPMethod::Bind(bind) => {
                self.assert_exchange(bind.source.as_str());
                self.assert_exchange(bind.destination.as_str());
                let destination = Destination::Exchange(bind.destination.to_string());
                self.model.bind(bind.source.as_str(), destination);
                self.reply(number, say::exchange_bind_ok());
            }
            exchange::AMQPMethod::Unbind(unbind) => {
                let destination = Destination::Exchange(unbind.destination.to_string());
                self.model.unbind(unbind.source.as_str(), destination);
                self.reply(number, say::exchange_unbind_ok());
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_queue(&mut self, number: u16, method: queue::AMQPMethod) {
        match method {
            queue::AMQPMethod::Declare(declare) => {
                let mut name = declare.queue.to_string();
                if name.is_empty() {
                    self.names += 1;
                    name = format!("amq.gen-{}", self.names);
                }
                let queue =
                    Queue { exclusive: declare.exclusive, auto_delete: declare.auto_delete };
                let before = self.model.queues.insert(name.clone(), queue);
                assert!(before.is_none_or(|before| before == queue), "406");
                self.reply(number, say::queue_declare_ok(&name, 0, 0));
            }
            queue::AMQPMethod::Delete(delete) => {
                for (channel, tag) in self.model.delete_queue(delete.queue.as_str()) {
                    self.reply_late(channel, say::cancel(&tag, true));
                }
                self.reply(number, say::queue_delete_ok(0));
            }
            queue::AMQPMethod::Bind(bind) => {
                self.assert_exchange(bind.exchange.as_str());
                self.assert_queue(bind.queue.as_str());
                let destination = Destination::Queue(bind.queue.to_string());
                self.model.bind(bind.exchange.as_str(), destination);
                self.reply(number, say::queue_bind_ok());
            }
            queue::AMQPMethod::Unbind(unbind) => {
                let destination = Destination::Queue(unbind.queue.to_string());
                self.model.unbind(unbind.exchange.as_str(), destination);
                self.reply(number, say::queue_unbind_ok());
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_basic(&mut self, number: u16, asked: basic::AMQPMethod) {
        match asked {
            basic::AMQPMethod::Qos(qos) => {
                self.channel(number).prefetch = Some(qos.prefetch_count);
                self.reply(number, say::qos_ok());
            }
            basic::AMQPMethod::Consume(consume) => {
                self.assert_queue(consume.queue.as_str());
                let consumer = (number, consume.consumer_tag.to_string());
                let before = self.model.consumers.insert(consumer, consume.queue.to_string());
                assert_eq!(before, None, "530: the tag is in use");
                self.reply_late(number, say::consume_ok(consume.consumer_tag.as_str()));
            }
            basic::AMQPMethod::Cancel(cancel) => {
                let tag = cancel.consumer_tag.as_str();
                self.model.cancel(number, tag);
                self.reply_late(number, say::cancel_ok(tag));
            }
            basic::AMQPMethod::Publish(_) => {
                let channel = self.channel(number);
                assert!(channel.confirms && channel.body.is_none());
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_body(&mut self, number: u16, piece: &[u8]) {
        let channel = self.channel(number);
        let (body, length) = channel.body.as_mut().expect("a header");
        body.extend_from_slice(piece);
        if body.len() as u64 == *length {
            let (body, _) = channel.body.take().unwrap();
            channel.published += 1;
            if self.seen.insert(body.clone()) {
                self.arrived.push(body);
            }
        }
    }

    /// Whether this message has come.
    pub fn has(&self, body: &[u8]) -> bool {
        self.seen.contains(body)
    }

    fn assert_exchange(&self, name: &str) {
        assert!(self.model.exchanges.contains_key(name), "404: no exchange {name}");
    }

    fn assert_queue(&self, name: &str) {
        assert!(self.model.queues.contains_key(name), "404: no queue {name}");
    }
}
