//! Messages that came.

use std::{borrow::Cow, fmt, ops::Deref, rc::Rc};

use super::link::Link;

/// A message from a queue: what [`codec::Delivery`](super::codec::Delivery) has, and what becomes of it.
///
/// One that came without `no_ack` is to be acknowledged, rejected or given back; until then the broker keeps it, and
/// delivers no more than [`prefetch`](super::Channel::prefetch) allows. Doing so after the connection was lost is
/// harmless: the broker delivers it again.
#[derive(Clone)]
pub struct Delivery {
    link: Rc<Link>,
    delivery: Rc<sandloop_amqp::Delivery>,
}

impl Delivery {
    pub(super) fn new(link: Rc<Link>, delivery: sandloop_amqp::Delivery) -> Delivery {
        Delivery { link, delivery: Rc::new(delivery) }
    }

    /// The body as a text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.delivery.body)
    }

    /// It is done with.
    pub fn ack(&self) {
        self.link.with(|session| session.ack(self.delivery.tag, false));
    }

    /// It is done with, and so is everything before it on its channel.
    pub fn ack_all(&self) {
        self.link.with(|session| session.ack(self.delivery.tag, true));
    }

    /// It is not done with. With `requeue` the broker delivers it again, to anybody; else it is dropped, or goes to
    /// the queue's dead letters.
    pub fn reject(&self, requeue: bool) {
        self.link.with(|session| session.reject(self.delivery.tag, requeue));
    }

    /// As [`reject`](Self::reject), by RabbitMQ's own word for it.
    pub fn nack(&self, requeue: bool) {
        self.link.with(|session| session.nack(self.delivery.tag, false, requeue));
    }

    /// Gives back everything up to this one on its channel that is not settled yet.
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
