//! Delivered messages.

use std::{borrow::Cow, fmt, ops::Deref, rc::Rc};

use super::link::Link;

/// A message from a queue: a [`codec::Delivery`](super::codec::Delivery) that can be acknowledged.
///
/// Without `no_ack`, acknowledge, reject or requeue it. Until then the broker keeps it, and delivers no more unsettled
/// messages than [`prefetch`](super::Channel::prefetch) allows. After the connection was lost, this does nothing: the
/// broker delivers the message again.
#[derive(Clone)]
pub struct Delivery {
    link: Rc<Link>,
    delivery: Rc<sandloop_amqp::Delivery>,
}

impl Delivery {
    pub(super) fn new(link: Rc<Link>, delivery: sandloop_amqp::Delivery) -> Delivery {
        Delivery { link, delivery: Rc::new(delivery) }
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.delivery.body)
    }

    /// Acknowledges it.
    pub fn ack(&self) {
        self.link.with(|session| session.ack(self.delivery.tag, false));
    }

    /// Acknowledges it and everything before it on its channel.
    pub fn ack_all(&self) {
        self.link.with(|session| session.ack(self.delivery.tag, true));
    }

    /// Rejects it. With `requeue` the broker delivers it again, to any consumer; else it is dropped or dead-lettered.
    pub fn reject(&self, requeue: bool) {
        self.link.with(|session| session.reject(self.delivery.tag, requeue));
    }

    /// As [`reject`](Self::reject), with RabbitMQ's `basic.nack`.
    pub fn nack(&self, requeue: bool) {
        self.link.with(|session| session.nack(self.delivery.tag, false, requeue));
    }

    /// Rejects everything up to this one on its channel that is not settled.
    pub fn nack_all(&self, requeue: bool) {
        self.link.with(|session| session.nack(self.delivery.tag, true, requeue));
    }
}

impl Deref for Delivery {
    type Target = sandloop_amqp::Delivery;

    fn deref(&self) -> &Self::Target {
        &self.delivery
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.delivery.fmt(f)
    }
}
