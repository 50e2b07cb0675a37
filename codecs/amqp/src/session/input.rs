//! Handles the frames of the broker.

use amq_protocol::protocol::{
    AMQPClass,
    basic::{self, AMQPMethod as B},
    channel::{self, AMQPMethod as C},
};

use super::{Session, phase::Phase};
use crate::{
    assembly::{Assembled, Assembly, Purpose},
    channel::{Channel, Phase as ChannelPhase},
    error::{Close, Failure, Violation},
    event::Event,
    frame::{self, Frame},
    ids::ChannelId,
    message::DeliveryTag,
    request::{Answer, Request},
    undecoded::Undecoded,
    wire,
};

impl Session {
    /// Call it with bytes from the broker, cut anywhere.
    pub fn receive(&mut self, data: &[u8]) {
        self.pulse.hear();
        if self.rest.is_empty() {
            let used = self.take_frames(data);
            if self.phase.listens() {
                self.rest.extend_from_slice(&data[used..]);
            }
        } else {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(data);
            let used = self.take_frames(&bytes);
            if self.phase.listens() {
                bytes.drain(..used);
                self.rest = bytes;
            }
        }
    }

    /// Handles all complete frames and returns their length in bytes.
    fn take_frames(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while self.phase.listens() {
            let frame_max = self.tuning.frame_max as usize;
            let taken = match frame::first(&bytes[at..], frame_max) {
                Ok(None) => break,
                Ok(Some((frame, length))) => {
                    at += length;
                    self.on_frame(frame)
                }
                Err(violation) => Err(violation),
            };
            match taken {
                // After each frame, so that nothing depends on which of them came together.
                Ok(()) => self.leave_if_done(),
                Err(violation) => self.violated_unless_closing(violation),
            }
        }
        at
    }

    /// While the session closes, a violation only ends it.
    fn violated_unless_closing(&mut self, violation: Violation) {
        if self.phase == Phase::Closing { self.end(None) } else { self.violated(violation) }
    }

    fn on_frame(&mut self, frame: Frame<'_>) -> Result<(), Violation> {
        match frame {
            Frame::Heartbeat => Ok(()),
            Frame::Method(0, AMQPClass::Connection(method), _) => self.on_connection(method),
            _ if self.phase == Phase::Closing => Ok(()),
            Frame::Method(number, class, undecoded) => {
                let id = self.channel_of(number)?;
                self.on_method(id, class, undecoded)
            }
            Frame::Header(number, header) => {
                let max = self.settings.message_max;
                let id = self.channel_of(number)?;
                self.assembly(id)?.header(*header, max)?;
                self.finish_message(id);
                Ok(())
            }
            Frame::Body(number, piece) => {
                let id = self.channel_of(number)?;
                self.assembly(id)?.body(piece)?;
                self.finish_message(id);
                Ok(())
            }
        }
    }

    fn channel_of(&self, number: u16) -> Result<ChannelId, Violation> {
        let found = self.numbers.get(&number).copied().filter(|_| self.phase == Phase::Open);
        let id =
            found.ok_or_else(|| Violation::channel(format!("channel {number} is not open")))?;
        match self.channels.get(&id) {
            Some(channel) if channel.phase != ChannelPhase::Wanted => Ok(id),
            _ => Err(Violation::channel(format!("channel {number} is not open"))),
        }
    }

    fn channel_mut(&mut self, id: ChannelId) -> Result<&mut Channel, Violation> {
        self.channels.get_mut(&id).ok_or_else(|| Violation::channel("the channel is not open"))
    }

    fn assembly(&mut self, id: ChannelId) -> Result<&mut Assembly, Violation> {
        let channel = self.channel_mut(id)?;
        channel.assembly.as_mut().ok_or_else(|| Violation::unexpected("content without its method"))
    }

    fn on_method(
        &mut self,
        id: ChannelId,
        class: AMQPClass,
        undecoded: Undecoded,
    ) -> Result<(), Violation> {
        let channel = self.channel_mut(id)?;
        if channel.assembly.is_some() && !matches!(class, AMQPClass::Channel(C::Close(_))) {
            return Err(Violation::unexpected(
                "a method where the content of a message must follow",
            ));
        }
        match class {
            AMQPClass::Channel(C::OpenOk(_)) if channel.phase == ChannelPhase::Opening => {
                channel.phase = ChannelPhase::Open;
                self.go_on(id);
            }
            AMQPClass::Channel(C::Close(close)) => self.on_channel_close(id, &close),
            AMQPClass::Channel(C::Flow(flow)) => {
                channel.flow = flow.active;
                let answer = channel::FlowOk { active: flow.active };
                self.say_if_open(id, AMQPClass::Channel(C::FlowOk(answer)));
                self.go_on(id);
            }
            AMQPClass::Basic(B::Deliver(deliver)) => {
                let tag = deliver.consumer_tag.as_str();
                if !channel.consumes(tag) {
                    let text = format!("a message for the consumer {tag}, which is not there");
                    return Err(Violation::command(text));
                }
                channel.assembly = Some(Assembly::new(Purpose::Deliver(deliver), undecoded));
            }
            AMQPClass::Basic(B::Return(returned)) => {
                channel.assembly = Some(Assembly::new(Purpose::Return(returned), undecoded));
            }
            AMQPClass::Basic(B::GetOk(got)) => return self.on_got(id, got, undecoded),
            AMQPClass::Basic(B::Ack(ack)) => {
                return self.on_confirm(id, ack.delivery_tag, ack.multiple, true);
            }
            AMQPClass::Basic(B::Nack(nack)) => {
                return self.on_confirm(id, nack.delivery_tag, nack.multiple, false);
            }
            AMQPClass::Basic(B::Cancel(cancel)) => self.on_cancel(id, &cancel),
            reply => return self.on_reply(id, &reply),
        }
        Ok(())
    }

    fn on_channel_close(&mut self, id: ChannelId, close: &channel::Close) {
        const RESOURCE_LOCKED: u16 = 405;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let number = channel.number;
        wire::method(&mut self.out, number, AMQPClass::Channel(C::CloseOk(channel::CloseOk {})));
        if channel.phase == ChannelPhase::Closing {
            // Both sides close; the answer to our `channel.close` still comes.
            channel.assembly = None;
            return;
        }
        let close = Close {
            code: close.reply_code,
            text: close.reply_text.to_string(),
            class: close.class_id,
            method: close.method_id,
        };
        // The exclusive queue still belongs to the last connection, whose end the broker has not noticed.
        if self.recovery.is_some() && close.code == RESOURCE_LOCKED {
            return self.lose(&close.to_string());
        }
        let again = if self.recovery.is_some() { self.unrecovered(id, &close) } else { Vec::new() };
        self.remove_channel(id, &Failure::Channel(close));
        self.recover_elsewhere(id, again);
        self.advance_recovery();
    }

    fn on_got(
        &mut self,
        id: ChannelId,
        got: basic::GetOk,
        undecoded: Undecoded,
    ) -> Result<(), Violation> {
        let channel = self.channel_mut(id)?;
        // The request stays in flight until the message is complete.
        if channel.position(is_get).is_none() {
            return Err(Violation::command("a message that was not asked for"));
        }
        channel.assembly = Some(Assembly::new(Purpose::Get(got), undecoded));
        Ok(())
    }

    fn on_confirm(
        &mut self,
        id: ChannelId,
        number: u64,
        multiple: bool,
        taken: bool,
    ) -> Result<(), Violation> {
        let channel = self.channel_mut(id)?;
        let Some(confirms) = &mut channel.confirms else {
            return Err(Violation::command("a confirm on a channel without confirms"));
        };
        for unconfirmed in confirms.settle(number, multiple)? {
            let result = if taken { Ok(Answer::Done) } else { Err(Failure::Nacked) };
            self.finish_publish(unconfirmed.ticket, unconfirmed.publish.as_deref(), result);
        }
        self.go_on(id);
        Ok(())
    }

    fn on_cancel(&mut self, id: ChannelId, cancel: &basic::Cancel) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.end_consumer(cancel.consumer_tag.as_str());
        let consumer_tag = cancel.consumer_tag.clone();
        if !cancel.nowait {
            let answer = basic::CancelOk { consumer_tag: consumer_tag.clone() };
            self.say_if_open(id, AMQPClass::Basic(B::CancelOk(answer)));
        }
        self.topology.end_consumer(id, consumer_tag.as_str());
        self.events.push_back(Event::Cancelled(id, consumer_tag.to_string()));
    }

    /// Answers the broker, unless `channel.close` was sent: the broker may have forgotten the channel.
    fn say_if_open(&mut self, id: ChannelId, class: AMQPClass) {
        if let Some(channel) = self.channels.get(&id)
            && channel.phase == ChannelPhase::Open
        {
            wire::method(&mut self.out, channel.number, class);
        }
    }

    /// Any other method must be the answer to a request.
    fn on_reply(&mut self, id: ChannelId, reply: &AMQPClass) -> Result<(), Violation> {
        let channel = self.channel_mut(id)?;
        let Some((ticket, answer)) = channel.answer(reply) else {
            let (class, method) = (reply.get_amqp_class_id(), reply.get_amqp_method_id());
            let text = format!("method {class}.{method} answers nothing that was asked");
            return Err(Violation::command(text));
        };
        self.record_answered(id);
        if let Some(ticket) = ticket {
            self.finish_request(ticket, Ok(answer));
        }
        if matches!(reply, AMQPClass::Channel(C::CloseOk(_))) {
            self.remove_channel(id, &Failure::Closed);
        }
        self.go_on(id);
        Ok(())
    }

    /// Records completed requests in the topology, in the order in which the broker did them.
    fn record_answered(&mut self, id: ChannelId) {
        while let Some(sent) = self.channels.get_mut(&id).and_then(Channel::pop_answered) {
            // The session's own requests repeat what is already recorded.
            if sent.ticket.is_some() {
                self.topology.record(id, &sent.request);
            }
        }
    }

    /// Continues after an answer.
    fn go_on(&mut self, id: ChannelId) {
        if self.recovery.is_some() { self.advance_recovery() } else { self.pump(id) }
    }

    fn finish_message(&mut self, id: ChannelId) {
        let generation = self.generation;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Some(assembly) = channel.assembly.take_if(|assembly| assembly.is_whole()) else {
            return;
        };
        let tag = |tag: u64| DeliveryTag { channel: id, generation, tag };
        match assembly.finish(tag) {
            Assembled::Got(delivery, left) => {
                self.got(id, Ok(Answer::Message(Some((delivery, left)))));
            }
            Assembled::GotUnreadable(what, tag) => {
                let is_get =
                    |request: &Request| matches!(request, Request::Get { no_ack: false, .. });
                if channel.position(is_get).is_some() {
                    // It is redelivered only to a consumer or a get.
                    self.reject(tag, true);
                }
                let close = Close { code: what.code, text: what.reason, class: 0, method: 0 };
                self.got(id, Err(Failure::Protocol(close)));
            }
            Assembled::Unreadable(what, tag) => {
                if let Some(tag) = tag
                    && channel.no_ack(&what.consumer) == Some(false)
                {
                    self.reject(tag, false);
                }
                self.events.push_back(Event::Unreadable(id, what));
            }
            Assembled::Delivery(delivery) => {
                self.events.push_back(Event::Delivered(id, delivery));
            }
            Assembled::Returned(returned) => {
                self.events.push_back(Event::Returned(id, returned));
            }
        }
    }

    /// The message that was asked for has come.
    fn got(&mut self, id: ChannelId, result: Result<Answer, Failure>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let index = channel.position(is_get);
        let sent = index.and_then(|index| channel.in_flight.get_mut(index));
        let ticket = sent.and_then(|sent| {
            sent.is_answered = true;
            sent.ticket
        });
        self.record_answered(id);
        if let Some(ticket) = ticket {
            self.finish_request(ticket, result);
        }
        self.go_on(id);
    }

    pub(crate) fn block(&mut self, reason: &str) {
        self.blocked = true;
        self.events.push_back(Event::Blocked(reason.to_owned()));
    }

    pub(crate) fn unblock(&mut self) {
        if std::mem::take(&mut self.blocked) {
            self.events.push_back(Event::Unblocked);
            self.pump_all();
        }
    }
}

fn is_get(request: &Request) -> bool {
    matches!(request, Request::Get { .. })
}
