//! Queues, in which messages wait.

use std::{fmt, rc::Rc};

use sandloop_amqp::{
    Answer, Failure, QueueName, Request, Table,
    request::{self, QueueBinding},
};

use super::{
    consumer::{ConsumeOptions, Consumer},
    delivery::Delivery,
    exchange::Exchange,
    handle::ChannelHandle,
    operation::{Operation, ask},
};
use crate::deferrable::{DefaultDeferrable, Deferrable};

/// How a queue is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueOptions {
    /// Only checks that it exists.
    pub passive: bool,
    /// It survives a restart of the broker, with its persistent messages.
    pub durable: bool,
    /// It belongs to this connection, and is deleted with it.
    pub exclusive: bool,
    /// It is deleted with its last consumer.
    pub auto_delete: bool,
    /// Such as `x-max-length`.
    pub arguments: Table,
}

impl QueueOptions {
    /// A queue that survives a restart of the broker.
    #[must_use]
    pub fn durable() -> QueueOptions {
        QueueOptions { durable: true, ..QueueOptions::default() }
    }

    /// A queue of this connection only.
    #[must_use]
    pub fn exclusive() -> QueueOptions {
        QueueOptions { exclusive: true, ..QueueOptions::default() }
    }
}

/// The state of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// The number of messages ready for delivery.
    pub messages: u32,
    /// The number of consumers.
    pub consumers: u32,
}

impl QueueInfo {
    fn read(answer: Answer) -> QueueInfo {
        match answer {
            Answer::Queue { name, messages, consumers } => QueueInfo { name, messages, consumers },
            _ => QueueInfo { name: String::new(), messages: 0, consumers: 0 },
        }
    }
}

/// A queue on a channel. It succeeds once it is declared. Clones are the same one.
#[derive(Clone)]
pub struct Queue(Rc<State>);

struct State {
    channel: ChannelHandle,
    name: QueueName,
    declared: Operation<QueueInfo>,
}

impl Queue {
    pub(super) fn declare(channel: &ChannelHandle, name: &str, options: QueueOptions) -> Queue {
        let name = QueueName::new(name);
        let declared = declare(channel, &name, options);
        Queue(Rc::new(State { channel: channel.clone(), name, declared }))
    }

    /// Its name; none until the broker has named it. The broker gives it a new name on each connection.
    #[must_use]
    pub fn name(&self) -> Option<Rc<str>> {
        self.0.name.get()
    }

    /// Binds it to `exchange` with the empty key, which a fanout exchange ignores.
    pub fn bind(&self, exchange: &Exchange) -> Operation {
        self.bind_with(exchange, "", Table::new())
    }

    /// Binds it to `exchange` with this key; for a topic exchange the key is a pattern.
    pub fn bind_key(&self, exchange: &Exchange, routing_key: &str) -> Operation {
        self.bind_with(exchange, routing_key, Table::new())
    }

    /// As [`bind_key`](Self::bind_key), with the arguments that a headers exchange matches.
    pub fn bind_with(&self, exchange: &Exchange, routing_key: &str, arguments: Table) -> Operation {
        let binding = self.binding(exchange, routing_key, arguments);
        ask(&self.0.channel, Request::BindQueue(binding), drop)
    }

    /// Removes the binding with this exchange and key.
    pub fn unbind(&self, exchange: &Exchange, routing_key: &str) -> Operation {
        self.unbind_with(exchange, routing_key, Table::new())
    }

    /// As [`unbind`](Self::unbind), for a binding with arguments.
    pub fn unbind_with(
        &self,
        exchange: &Exchange,
        routing_key: &str,
        arguments: Table,
    ) -> Operation {
        let binding = self.binding(exchange, routing_key, arguments);
        ask(&self.0.channel, Request::UnbindQueue(binding), drop)
    }

    /// Calls `handler` with each message, which counts as acknowledged when it is sent: the deck's `q.subscribe`.
    pub fn subscribe(&self, handler: impl FnMut(Delivery) + 'static) -> Consumer {
        self.consume(ConsumeOptions { no_ack: true, ..ConsumeOptions::default() }, handler)
    }

    /// Calls `handler` with each message; with the default options each is to be [acknowledged](Delivery::ack).
    pub fn consume(
        &self,
        options: ConsumeOptions,
        handler: impl FnMut(Delivery) + 'static,
    ) -> Consumer {
        Consumer::begin(&self.0.channel, &self.0.name, options, Box::new(handler))
    }

    /// Gets one message, if there is one. With `no_ack` it counts as acknowledged when it is sent.
    pub fn get(&self, no_ack: bool) -> Operation<Option<Delivery>> {
        let link = self.0.channel.link.clone();
        let request = Request::Get { queue: self.0.name.clone(), no_ack };
        ask(&self.0.channel, request, move |answer| match answer {
            Answer::Message(Some((delivery, _))) => Some(Delivery::new(link, *delivery)),
            _ => None,
        })
    }

    /// Deletes its ready messages. The operation has their number.
    pub fn purge(&self) -> Operation<u32> {
        ask(&self.0.channel, Request::PurgeQueue(self.0.name.clone()), |answer| count(&answer))
    }

    /// Deletes it. The operation has the number of its messages.
    pub fn delete(&self) -> Operation<u32> {
        self.delete_if(false, false)
    }

    /// Deletes it, with `unused` only if it has no consumers, with `empty` only if it has no messages.
    pub fn delete_if(&self, unused: bool, empty: bool) -> Operation<u32> {
        let queue = self.0.name.clone();
        let request = Request::DeleteQueue { queue, if_unused: unused, if_empty: empty };
        ask(&self.0.channel, request, |answer| count(&answer))
    }

    /// Its present numbers of messages and consumers.
    pub fn status(&self) -> Operation<QueueInfo> {
        let options = QueueOptions { passive: true, ..QueueOptions::default() };
        declare(&self.0.channel, &self.0.name, options)
    }

    fn binding(&self, exchange: &Exchange, routing_key: &str, arguments: Table) -> QueueBinding {
        QueueBinding {
            queue: self.0.name.clone(),
            exchange: exchange.name().to_owned(),
            routing_key: routing_key.to_owned(),
            arguments,
        }
    }
}

impl Deferrable for Queue {
    type Value = QueueInfo;
    type Error = Failure;

    fn deferrable(&self) -> &DefaultDeferrable<QueueInfo, Failure> {
        &self.0.declared
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.0.name).finish()
    }
}

fn declare(
    channel: &ChannelHandle,
    name: &QueueName,
    options: QueueOptions,
) -> Operation<QueueInfo> {
    let QueueOptions { passive, durable, exclusive, auto_delete, arguments } = options;
    let request = Request::DeclareQueue(request::Queue {
        name: name.clone(),
        passive,
        durable,
        exclusive,
        auto_delete,
        arguments,
    });
    ask(channel, request, QueueInfo::read)
}

fn count(answer: &Answer) -> u32 {
    match answer {
        Answer::Count(count) => *count,
        _ => 0,
    }
}
