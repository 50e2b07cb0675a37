//! Consumers of queues.

use std::{cell::RefCell, fmt, rc::Rc};

use sandloop_amqp::{Failure, QueueName, Request, Table, request};

use super::{
    delivery::Delivery,
    handle::ChannelHandle,
    operation::{Operation, ask},
};
use crate::deferrable::{DefaultDeferrable, Deferrable};

/// How a queue is consumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumeOptions {
    /// Messages count as acknowledged when they are sent.
    pub no_ack: bool,
    /// It is the queue's only consumer.
    pub exclusive: bool,
    /// Leaves out what this connection publishes. RabbitMQ does not support it.
    pub no_local: bool,
    /// Its name on the channel; empty: one is made.
    pub tag: String,
    /// Such as `x-priority`.
    pub arguments: Table,
}

/// A consumer. It succeeds once the broker delivers to it. Clones are the same one.
#[derive(Clone)]
pub struct Consumer(Rc<State>);

struct State {
    channel: ChannelHandle,
    queue: QueueName,
    tag: String,
    begun: Operation,
    on_cancel: RefCell<Option<Box<dyn FnOnce()>>>,
    handler: RefCell<Option<Handler>>,
}

/// The callback for each message.
pub(super) type Handler = Box<dyn FnMut(Delivery)>;

impl Consumer {
    pub(super) fn begin(
        channel: &ChannelHandle,
        queue: &QueueName,
        options: ConsumeOptions,
        handler: Handler,
    ) -> Consumer {
        let ConsumeOptions { no_ack, exclusive, no_local, mut tag, arguments } = options;
        if tag.is_empty() {
            tag = channel.link.with(sandloop_amqp::Session::consumer_tag);
        }
        let request = Request::Consume(request::Consumer {
            queue: queue.clone(),
            tag: tag.clone(),
            no_local,
            no_ack,
            exclusive,
            arguments,
        });
        let consumer = Consumer(Rc::new(State {
            channel: channel.clone(),
            queue: queue.clone(),
            tag: tag.clone(),
            begun: ask(channel, request, drop),
            on_cancel: RefCell::new(None),
            handler: RefCell::new(Some(handler)),
        }));
        if let Ok(id) = channel.id() {
            channel.link.add_consumer(id, &consumer);
            let link = channel.link.clone();
            consumer.errback(move |_| drop(link.take_consumer(id, &tag)));
        }
        consumer
    }

    /// Its name on the channel.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.0.tag
    }

    /// Cancels the consumer. Messages in flight are still delivered; then the operation succeeds.
    pub fn cancel(&self) -> Operation {
        let State { channel, tag, .. } = &*self.0;
        let cancelled = ask(channel, Request::Cancel(tag.clone()), drop);
        if let Ok(id) = channel.id() {
            let (link, tag) = (channel.link.clone(), tag.clone());
            cancelled.callback(move |()| drop(link.take_consumer(id, &tag)));
        }
        cancelled
    }

    /// Calls `action` when the broker ends it: because its queue was deleted or its node is gone, or with its channel.
    /// Without it, the log has a line. See [`Connection::keep_channel`](super::Connection::keep_channel) for one that
    /// is begun again.
    pub fn on_cancel(&self, action: impl FnOnce() + 'static) -> &Consumer {
        let replaced = self.0.on_cancel.replace(Some(Box::new(action)));
        drop(replaced);
        self
    }

    /// A message has come.
    pub(super) fn deliver(&self, delivery: Delivery) {
        // Nothing is borrowed while it runs: it may cancel its own consumer.
        let Some(mut handler) = self.0.handler.take() else { return };
        handler(delivery);
        let mut current = self.0.handler.borrow_mut();
        if current.is_none() {
            *current = Some(handler);
        }
    }

    /// The broker has ended it. False if there is no callback for that.
    pub(super) fn cancelled(&self) -> bool {
        let action = self.0.on_cancel.take();
        let is_told = action.is_some();
        if let Some(action) = action {
            action();
        }
        is_told
    }

    /// The words for its end.
    pub(super) fn epitaph(&self) -> String {
        let State { tag, queue, .. } = &*self.0;
        let queue = queue.get().unwrap_or_default();
        format!("the broker has ended the consumer {tag:?} of the queue {queue:?}")
    }
}

impl Deferrable for Consumer {
    type Value = ();
    type Error = Failure;

    fn deferrable(&self) -> &DefaultDeferrable<(), Failure> {
        &self.0.begun
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(&self.0.tag).finish()
    }
}
