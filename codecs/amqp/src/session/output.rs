//! Sends what waits, in order, while there is room and the broker accepts it.

use amq_protocol::protocol::{
    AMQPClass,
    basic::{self, AMQPMethod as B},
    channel::{self, AMQPMethod as C},
};

use super::Session;
use crate::{
    channel::{Channel, Item, Phase as ChannelPhase, Sent, Settle, Transaction},
    confirms::Confirms,
    error::{Failure, Refusal},
    ids::{ChannelId, Ticket},
    message::{DeliveryTag, Publish},
    request::{Answer, Request},
    settings::Unconfirmed,
    table::short,
    wire::{self, OutgoingMessage},
};

/// Above these bytes of output, messages stay in their queues, where they are counted.
const ENOUGH: usize = 64 * 1024;

impl Session {
    /// The bytes to send. Report those that were sent with [`consume`](Self::consume); then there may be more.
    pub fn output(&mut self) -> &[u8] {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
            self.pump_all();
        }
        &self.out[self.sent..]
    }

    /// Call it when `count` bytes of the output were sent.
    ///
    /// # Panics
    /// If the output is shorter.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.out.len() - self.sent, "more than there is");
        self.sent += count;
        // The output may never become empty if the peer reads slowly, so the sent part is freed before that.
        if ENOUGH <= self.sent && self.out.len() <= 2 * self.sent {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        if 0 < count {
            self.pulse.say();
        }
    }

    pub(crate) fn pump_all(&mut self) {
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        ids.into_iter().for_each(|id| self.pump(id));
        self.leave_if_done();
    }

    /// Sends what a channel may send.
    pub(crate) fn pump(&mut self, id: ChannelId) {
        if !self.is_open() {
            return;
        }
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.phase == ChannelPhase::Wanted
        {
            self.open_on_wire(id);
        }
        while let Some(item) = self.next_item(id) {
            match item {
                Item::Request(ticket, request) => self.send_request(id, ticket, request),
                Item::Publish(ticket, publish) => self.send_publish(id, ticket, publish),
                Item::Settle(tag, settle) => self.send_settle(id, tag, settle),
            }
        }
    }

    pub(crate) fn open_on_wire(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let number = channel.number;
        if self.tuning.channel_max < number {
            let refusal = Refusal::Channels(self.tuning.channel_max);
            return self.remove_channel(id, &refusal.into());
        }
        channel.phase = ChannelPhase::Opening;
        wire::method(&mut self.out, number, AMQPClass::Channel(C::Open(channel::Open {})));
    }

    /// Takes the next item of a channel, if it may be sent now.
    fn next_item(&mut self, id: ChannelId) -> Option<Item> {
        let has_room = self.out.len() - self.sent < ENOUGH && !self.blocked;
        let unconfirmed_max = self.settings.unconfirmed_max;
        let channel = self.channels.get_mut(&id)?;
        if channel.phase != ChannelPhase::Open {
            return None;
        }
        let unconfirmed = channel.confirms.as_ref().map_or(0, Confirms::len);
        let may_go = match channel.waiting.front()? {
            Item::Publish(..) => has_room && channel.flow && unconfirmed < unconfirmed_max,
            // After a close of a channel the broker no longer answers earlier requests.
            Item::Request(_, Request::Close) => channel.in_flight.is_empty() && unconfirmed == 0,
            // The queue's name comes with an answer that is still awaited.
            Item::Request(_, request) => {
                let unnamed = request.needs().is_some_and(|queue| queue.get().is_none());
                !unnamed || channel.in_flight.is_empty()
            }
            Item::Settle(..) => true,
        };
        if may_go { channel.waiting.pop_front() } else { None }
    }

    fn send_request(&mut self, id: ChannelId, ticket: Ticket, request: Request) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if request == Request::Commit && channel.transaction == Transaction::Lost {
            let reason = "what the transaction had was lost with an earlier connection".to_owned();
            self.finish_request(ticket, Err(Failure::Lost(reason)));
            // The rest of the lost transaction must not join the next one. A rollback always fits into a frame.
            let _ = self.write_request(id, None, Request::Rollback);
            return;
        }
        if let Err(refusal) = self.write_request(id, Some(ticket), request) {
            self.finish_request(ticket, Err(refusal.into()));
        }
    }

    /// Writes a request and keeps it until it is answered.
    pub(crate) fn write_request(
        &mut self,
        id: ChannelId,
        ticket: Option<Ticket>,
        request: Request,
    ) -> Result<(), Refusal> {
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(()) };
        let method = request.to_method()?;
        wire::sized_method(&mut self.out, channel.number, method, self.tuning.frame_max)?;
        match request {
            Request::Confirm if channel.confirms.is_none() => {
                channel.confirms = Some(Confirms::default());
            }
            Request::SelectTx => channel.modes.transactions = true,
            Request::Commit | Request::Rollback => channel.transaction = Transaction::Clean,
            Request::Close => channel.phase = ChannelPhase::Closing,
            _ => {}
        }
        channel.in_flight.push_back(Sent { ticket, request, is_answered: false });
        Ok(())
    }

    fn send_publish(&mut self, id: ChannelId, ticket: Ticket, publish: Box<Publish>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if let Err(refusal) = write_publish(&mut self.out, channel, &publish, self.tuning.frame_max)
        {
            return self.finish_publish(ticket, Some(&publish), Err(refusal.into()));
        }
        channel.begin_transaction();
        match &mut channel.confirms {
            Some(confirms) if self.settings.unconfirmed == Unconfirmed::Resend => {
                confirms.sent(ticket, Some(publish));
            }
            Some(confirms) => {
                confirms.sent(ticket, None);
                self.release(&publish);
            }
            None => self.finish_publish(ticket, Some(&publish), Ok(Answer::Done)),
        }
    }

    fn send_settle(&mut self, id: ChannelId, tag: DeliveryTag, settle: Settle) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if tag.generation != self.generation {
            // It belongs to a transaction of a lost connection.
            if channel.modes.transactions {
                channel.transaction = Transaction::Lost;
            }
            return;
        }
        let delivery_tag = tag.tag;
        let method = match settle {
            Settle::Ack { multiple } => B::Ack(basic::Ack { delivery_tag, multiple }),
            Settle::Nack { multiple, requeue } => {
                B::Nack(basic::Nack { delivery_tag, multiple, requeue })
            }
            Settle::Reject { requeue } => B::Reject(basic::Reject { delivery_tag, requeue }),
        };
        wire::method(&mut self.out, channel.number, AMQPClass::Basic(method));
        channel.begin_transaction();
    }
}

impl Channel {
    fn begin_transaction(&mut self) {
        if self.modes.transactions && self.transaction == Transaction::Clean {
            self.transaction = Transaction::Begun;
        }
    }
}

fn write_publish(
    out: &mut Vec<u8>,
    channel: &Channel,
    publish: &Publish,
    frame_max: u32,
) -> Result<(), Refusal> {
    let method = basic::Publish {
        exchange: short(&publish.exchange, "the exchange's name")?,
        routing_key: short(&publish.routing_key, "the routing key")?,
        mandatory: publish.mandatory,
        immediate: false,
    };
    let properties = publish.properties.to_wire()?;
    let message = OutgoingMessage { method, properties, body: &publish.body };
    wire::publish(out, channel.number, message, frame_max)
}
