//! What a plugin asks of a session.

use super::{Session, cost, phase::Phase};
use crate::{
    channel::{Channel, Item, Settle},
    error::{Close, Failure, Refusal},
    ids::{ChannelId, Ticket},
    message::{DeliveryTag, Publish},
    request::Request,
    table::short,
    wire,
};

impl Session {
    /// A new channel; what is asked for on it waits until it is open.
    ///
    /// # Errors
    /// [`Refusal::Channels`]: there are as many as the broker, or the settings, allow. [`Failure::Closed`].
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

    /// Whether the channel is there, open or about to be.
    #[must_use]
    pub fn has_channel(&self, channel: ChannelId) -> bool {
        self.channels.contains_key(&channel)
    }

    /// A name for a consumer that nobody else has on this session.
    pub fn consumer_tag(&mut self) -> String {
        self.last_ticket += 1;
        format!("sandloop-{}", self.last_ticket)
    }

    /// Asks for something; it is done after everything that was asked for before on this channel.
    ///
    /// # Errors
    /// [`Refusal::Full`]: nothing was taken; [`Event::Writable`](crate::Event::Writable) says when to try again. Other
    /// refusals, [`Failure::Closed`]. Everything else is answered later.
    pub fn request(&mut self, channel: ChannelId, request: Request) -> Result<Ticket, Failure> {
        let is_full = self.settings.requests <= self.requests;
        let unnamed = request.needs().is_some_and(|queue| queue.get().is_none());
        // Names and arguments are measured now, but for a name that is not known yet.
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

    /// Publishes a message. On a channel with confirms it is answered when the broker has it, else when it is sent.
    ///
    /// # Errors
    /// [`Refusal::Full`]: nothing was taken; [`Event::Writable`](crate::Event::Writable) says when to try again. Other
    /// refusals, [`Failure::Closed`].
    pub fn publish(&mut self, channel: ChannelId, publish: Publish) -> Result<Ticket, Failure> {
        short(&publish.exchange, "the exchange's name")?;
        short(&publish.routing_key, "the routing key")?;
        publish.properties.to_wire()?;
        let cost = cost(&publish);
        // One message always fits, however large it is.
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

    /// The delivery is taken; with `multiple` every one up to it on its channel.
    pub fn ack(&mut self, tag: DeliveryTag, multiple: bool) {
        self.settle(tag, Settle::Ack { multiple });
    }

    /// The delivery is not taken; with `multiple` every one up to it that was not settled. With `requeue` it is
    /// delivered again, else it is dropped or goes to the queue's dead letters.
    pub fn nack(&mut self, tag: DeliveryTag, multiple: bool, requeue: bool) {
        self.settle(tag, Settle::Nack { multiple, requeue });
    }

    /// The delivery is not taken.
    pub fn reject(&mut self, tag: DeliveryTag, requeue: bool) {
        self.settle(tag, Settle::Reject { requeue });
    }

    /// Ends the session in order: what was asked for is done first, then the broker is told. Nothing new is taken.
    /// Without a connection, or with the end of this one, it is over at once.
    pub fn close(&mut self) {
        self.leaving = true;
        match self.phase {
            Phase::Idle => self.end(None),
            Phase::Handshake(_) if self.is_done() => self.end(None),
            _ => self.leave_if_done(),
        }
    }

    /// Ends it now: what is not done fails. The broker is told.
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

    /// Ends it now with a failure of the caller's: a connection will never be made.
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
        // Even when the plugin is leaving: it is the end of what it has begun.
        if let Some(channel) = self.channels.get_mut(&tag.channel) {
            // The broker delivers that message again. But a transaction that it was to be part of is not whole.
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
