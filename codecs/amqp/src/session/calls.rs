//! The calls of a plugin.

use super::{Session, cost, phase::Phase};
use crate::{
    channel::{Channel, Item, Settle},
    error::{Close, Failure, Refusal},
    ids::{ChannelId, Ticket},
    message::{DeliveryTag, Publish},
    queue_name::QueueName,
    request::Request,
    table::short,
    wire,
};

impl Session {
    /// Opens a channel. Requests on it wait until it is open.
    ///
    /// # Errors
    /// [`Refusal::Channels`]: the limit of the broker or of the settings is reached. [`Failure::Closed`].
    pub fn open_channel(&mut self) -> Result<ChannelId, Failure> {
        if self.leaving || self.is_over() {
            return Err(Failure::Closed);
        }
        let max = self.tuning.channel_max;
        let free = (1..=max).find(|number| !self.numbers.contains_key(number));
        let number = free.ok_or(Refusal::Channels(max))?;
        self.last_channel += 1;
        let id = ChannelId::of(self.last_channel);
        self.channels.insert(id, Channel::new(number));
        self.numbers.insert(number, id);
        self.pump(id);
        Ok(id)
    }

    /// Whether the channel is open, or will be.
    #[must_use]
    pub fn has_channel(&self, channel: ChannelId) -> bool {
        self.channels.contains_key(&channel)
    }

    /// Forgets what was declared, bound and consumed on a channel, so that recovery does not make it again. Returns the
    /// queues to which the broker gave a name: whoever does not use them any more should delete them.
    pub fn forget_channel(&mut self, channel: ChannelId) -> Vec<QueueName> {
        self.topology.forget_channel(channel)
    }

    /// A consumer's name that is unique in this session.
    pub fn consumer_tag(&mut self) -> String {
        self.last_ticket += 1;
        format!("sandloop-{}", self.last_ticket)
    }

    /// Makes a request. It is done after all earlier ones of this channel.
    ///
    /// # Errors
    /// [`Refusal::Full`]: try again after [`Event::Writable`](crate::Event::Writable). Other refusals,
    /// [`Failure::Closed`]. Any other failure comes with the answer.
    pub fn request(&mut self, channel: ChannelId, request: Request) -> Result<Ticket, Failure> {
        let is_full = self.settings.requests <= self.requests;
        let unnamed = request.needs().is_some_and(|queue| queue.get().is_none());
        // Checks the sizes of names and arguments now, unless the queue's name is still unknown.
        if !unnamed {
            request.to_method()?;
        }
        let Some(place) = self.place(channel) else { return Err(Failure::Closed) };
        if is_full {
            self.request_refused = true;
            return Err(Refusal::Full.into());
        }
        place.check(&request)?;
        let ticket = self.next_ticket();
        if let Some(place) = self.place(channel) {
            place.waiting.push_back(Item::Request(ticket, request));
        }
        self.requests += 1;
        self.pump(channel);
        Ok(ticket)
    }

    /// Publishes a message. It is answered when the broker confirms it, or without confirms when it is sent.
    ///
    /// # Errors
    /// [`Refusal::Full`]: try again after [`Event::Writable`](crate::Event::Writable). Other refusals,
    /// [`Failure::Closed`].
    pub fn publish(&mut self, channel: ChannelId, publish: Publish) -> Result<Ticket, Failure> {
        short(&publish.exchange, "the exchange's name")?;
        short(&publish.routing_key, "the routing key")?;
        publish.properties.to_wire()?;
        let cost = cost(&publish);
        // A single message is always accepted, whatever its size.
        let is_full = 0 < self.buffered && self.settings.buffer < self.buffered + cost;
        if self.place(channel).is_none() {
            return Err(Failure::Closed);
        }
        if is_full {
            self.publish_refused = true;
            return Err(Refusal::Full.into());
        }
        let ticket = self.next_ticket();
        self.buffered += cost;
        if let Some(place) = self.place(channel) {
            place.waiting.push_back(Item::Publish(ticket, Box::new(publish)));
        }
        self.pump(channel);
        Ok(ticket)
    }

    /// Acknowledges a delivery; with `multiple`, all of its channel up to it.
    pub fn ack(&mut self, tag: DeliveryTag, multiple: bool) {
        self.settle(tag, Settle::Ack { multiple });
    }

    /// Refuses a delivery; with `multiple`, all up to it that were not settled. With `requeue` it is delivered again,
    /// else it is dropped or dead-lettered.
    pub fn nack(&mut self, tag: DeliveryTag, multiple: bool, requeue: bool) {
        self.settle(tag, Settle::Nack { multiple, requeue });
    }

    /// Refuses a delivery.
    pub fn reject(&mut self, tag: DeliveryTag, requeue: bool) {
        self.settle(tag, Settle::Reject { requeue });
    }

    /// Closes the session: completes the present requests, refuses new ones, then closes the connection. It is over at
    /// once without a connection, or when this one ends.
    pub fn close(&mut self) {
        self.leaving = true;
        match self.phase {
            Phase::Idle => self.end(None),
            Phase::Handshake(_) if self.is_done() => self.end(None),
            _ => self.leave_if_done(),
        }
    }

    /// Closes the session at once: incomplete requests fail. The broker is notified.
    pub fn abort(&mut self) {
        if self.is_over() {
            return;
        }
        if self.phase == Phase::Open {
            let close = Close { code: 200, text: "OK".to_owned(), class: 0, method: 0 };
            wire::method(&mut self.out, 0, wire::close(&close));
        }
        self.end(None);
    }

    /// Ends the session with a failure of the caller, which cannot make a connection.
    pub fn give_up(&mut self, failure: Failure) {
        if !self.is_over() {
            self.end(Some(failure));
        }
    }

    fn settle(&mut self, tag: DeliveryTag, settle: Settle) {
        if matches!(self.phase, Phase::Closing | Phase::Over) {
            return;
        }
        let is_stale = tag.generation != self.generation || self.phase != Phase::Open;
        // Also after `close`, because it completes an earlier delivery.
        if let Some(channel) = self.channels.get_mut(&tag.channel) {
            // The broker delivers that message again. But its transaction is incomplete, and must know that.
            if is_stale && !channel.is_transactional() {
                return;
            }
            channel.waiting.push_back(Item::Settle(tag, settle));
            self.pump(tag.channel);
        }
    }

    fn place(&mut self, channel: ChannelId) -> Option<&mut Channel> {
        if self.leaving || self.is_over() {
            return None;
        }
        self.channels.get_mut(&channel)
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket::of(self.last_ticket)
    }
}
