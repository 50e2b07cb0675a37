//! A client's side of AMQP. It outlives connections: a new one continues where the last one was lost.

mod calls;
mod handshake;
mod input;
mod output;
mod phase;
mod recovery;

use std::collections::{BTreeMap, VecDeque};

use self::{
    phase::{Phase, Stage, Step, Tuning},
    recovery::is_about,
};
use crate::{
    channel::{Channel, Phase as ChannelPhase, Sent, Unfinished},
    error::{Close, Failure, Violation},
    event::Event,
    ids::{ChannelId, Ticket},
    message::Publish,
    pulse::{Beat, Pulse},
    request::{Answer, Request},
    settings::{FRAME_MIN, Settings},
    topology::Topology,
    wire,
};

/// A client's side of AMQP. See the [crate] for how it is driven.
///
/// The caller tells it what happens to the connection ([`connected`](Self::connected), [`receive`](Self::receive),
/// [`disconnected`](Self::disconnected)) and the time ([`beat`](Self::beat)), sends its
/// [`output`](Self::output), and looks at [`next_event`](Self::next_event) after each call of any method.
#[derive(Debug)]
pub struct Session {
    pub(crate) settings: Settings,
    pub(crate) phase: Phase,
    /// The parameters negotiated with the broker.
    pub(crate) tuning: Tuning,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) topology: Topology,
    /// The stage of recovery, while the state of the last connection is restored on a new one.
    pub(crate) recovery: Option<Stage>,
    numbers: BTreeMap<u16, ChannelId>,
    /// An incomplete frame.
    rest: Vec<u8>,
    pub(crate) out: Vec<u8>,
    /// The number of bytes of `out` that are sent.
    sent: usize,
    events: VecDeque<Event>,
    pulse: Pulse,
    /// Counts connections, to tell a delivery of an old connection from one of this.
    generation: u32,
    last_ticket: u64,
    last_channel: u32,
    /// Bytes of messages that are not sent, or kept until they are confirmed.
    buffered: usize,
    /// The number of unanswered requests.
    requests: usize,
    /// A publish was refused as [`Full`](crate::Refusal::Full): the plugin is to be told when there is room.
    publish_refused: bool,
    /// A request was refused likewise.
    request_refused: bool,
    /// The broker has paused publishing (`connection.blocked`).
    blocked: bool,
    /// The plugin has closed it; it ends when all requests are done.
    leaving: bool,
    opened_before: bool,
    /// This connection, or the last one, was ended for a fault.
    is_faulty: bool,
}

impl Session {
    /// A session without a connection. Requests wait for one.
    #[must_use]
    pub fn new(mut settings: Settings) -> Session {
        settings.frame_max = settings.frame_max.max(FRAME_MIN);
        if settings.channel_max == 0 {
            settings.channel_max = u16::MAX;
        }
        let Settings { frame_max, channel_max, .. } = settings;
        Session {
            tuning: Tuning { frame_max, channel_max, heartbeat: 0 },
            settings,
            phase: Phase::Idle,
            channels: BTreeMap::new(),
            topology: Topology::default(),
            recovery: None,
            numbers: BTreeMap::new(),
            rest: Vec::new(),
            out: Vec::new(),
            sent: 0,
            events: VecDeque::new(),
            pulse: Pulse::default(),
            generation: 0,
            last_ticket: 0,
            last_channel: 0,
            buffered: 0,
            requests: 0,
            publish_refused: false,
            request_refused: false,
            blocked: false,
            leaving: false,
            opened_before: false,
            is_faulty: false,
        }
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it is connected, and requests and messages are sent at once.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open && self.recovery.is_none()
    }

    /// Whether it has ended for good.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether it has said goodbye and waits for the broker's. Nothing else ends it where there are no heartbeats.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// Whether it waits for a connection.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Whether the last connection was ended for a fault: the broker closed it, or broke the protocol. The next one may
    /// come to the same end, so it is better not made at once.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    /// Whether the broker has paused publishing.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The agreed seconds between heartbeats; 0: none. Call [`beat`](Self::beat) twice as often.
    #[must_use]
    pub fn heartbeat(&self) -> u16 {
        self.tuning.heartbeat
    }

    /// The agreed size of the largest frame, in bytes.
    #[must_use]
    pub fn frame_max(&self) -> u32 {
        self.tuning.frame_max
    }

    /// Bytes of messages that are not sent, or kept until they are confirmed.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Takes the oldest event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Call it when a connection is made. The client speaks first.
    pub fn connected(&mut self) {
        if self.phase != Phase::Idle {
            return;
        }
        self.phase = Phase::Handshake(Step::Start);
        self.is_faulty = false;
        self.generation += 1;
        self.pulse = Pulse::default();
        self.tuning = Tuning {
            frame_max: self.settings.frame_max,
            channel_max: self.settings.channel_max,
            heartbeat: 0,
        };
        self.out.extend(wire::PROTOCOL_HEADER);
    }

    /// Call it when half the heartbeat interval has passed.
    pub fn beat(&mut self) {
        if !self.phase.listens() {
            return;
        }
        match self.pulse.beat() {
            Beat::Nothing => {}
            // Nothing may follow `connection.close`.
            Beat::Speak if self.phase == Phase::Closing => {}
            Beat::Speak => wire::heartbeat(&mut self.out),
            Beat::Lost => self.lose("the broker has said nothing for two heartbeats"),
        }
    }

    /// Call it when the connection has ended or could not be made. Afterwards the session
    /// [waits](Self::is_idle) for another one or is [over](Self::is_over).
    pub fn disconnected(&mut self, reason: &str) {
        if self.phase == Phase::Over {
            return;
        }
        self.forget_connection();
        if self.leaving {
            let failure = (!self.is_done()).then(|| Failure::Lost(reason.to_owned()));
            return self.end(failure);
        }
        if !self.settings.recovery {
            return self.end(Some(Failure::Lost(reason.to_owned())));
        }
        self.phase = Phase::Idle;
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        for id in ids {
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            let loss = channel.disconnected();
            let failure = Failure::Lost(reason.to_owned());
            self.fail_all(loss.failed, &failure);
            for Sent { ticket, request, is_answered } in loss.done {
                let Some(ticket) = ticket else { continue };
                self.topology.record(id, &request);
                if !is_answered {
                    self.finish_request(ticket, Ok(Answer::Done));
                }
                if request == Request::Close {
                    self.remove_channel(id, &Failure::Closed);
                }
            }
        }
    }

    fn forget_connection(&mut self) {
        self.rest.clear();
        self.out.clear();
        self.sent = 0;
        self.recovery = None;
        if std::mem::take(&mut self.blocked) {
            self.events.push_back(Event::Unblocked);
        }
    }

    /// Gives the connection up.
    pub(crate) fn lose(&mut self, reason: &str) {
        self.phase = Phase::Lost;
        self.events.push_back(Event::Disconnect(reason.to_owned()));
    }

    /// Continues after the handshake.
    pub(crate) fn opened(&mut self) {
        self.phase = Phase::Open;
        if self.opened_before {
            return self.begin_recovery();
        }
        self.opened_before = true;
        self.events.push_back(Event::Opened);
        self.pump_all();
    }

    /// Reacts to `connection.close` of the broker.
    pub(crate) fn closed_by_broker(&mut self, close: Close) {
        const CONNECTION_FORCED: u16 = 320;
        const INVALID_PATH: u16 = 402;
        const ACCESS_REFUSED: u16 = 403;
        const NOT_ALLOWED: u16 = 530;
        wire::method(&mut self.out, 0, wire::close_ok());
        if self.phase == Phase::Closing && close.code == CONNECTION_FORCED {
            // Both sides close, and all requests were done.
            return self.end(None);
        }
        let greets = matches!(self.phase, Phase::Handshake(_));
        // The user, or the virtual host, is not there. One that was there before may come again with the broker.
        let is_unknown = greets
            && !self.opened_before
            && matches!(close.code, INVALID_PATH | ACCESS_REFUSED | NOT_ALLOWED);
        if self.comes_again() && !is_unknown && !self.is_asked_for(&close) {
            self.blame(&close);
            return self.lose_by_fault(&close.to_string());
        }
        let refused = greets && close.code == ACCESS_REFUSED;
        self.end(Some(if refused {
            Failure::Authentication(close.text)
        } else {
            Failure::Connection(close)
        }));
    }

    /// Reacts to a violation of the protocol.
    fn violated(&mut self, violation: Violation) {
        let Violation { code, text, is_final } = violation;
        let close = Close { code, text, class: 0, method: 0 };
        // Before its first frame, the other side may not even speak AMQP.
        if self.phase != Phase::Handshake(Step::Start) {
            wire::method(&mut self.out, 0, wire::close(&close));
        }
        let failure = Failure::Protocol(close);
        if self.comes_again() && !is_final {
            return self.lose_by_fault(&failure.to_string());
        }
        self.end(Some(failure));
    }

    /// Whether another connection follows this one.
    pub(crate) fn comes_again(&self) -> bool {
        self.settings.recovery && !self.leaving && self.phase != Phase::Closing
    }

    pub(crate) fn lose_by_fault(&mut self, reason: &str) {
        self.is_faulty = true;
        self.lose(reason);
    }

    /// Whether the plugin has asked for what no broker does, which a broker answers by closing the connection. That is
    /// an error of the plugin, and no other connection mends it.
    fn is_asked_for(&self, close: &Close) -> bool {
        const ERRORS_OF_CLIENTS: [u16; 4] = [502, 503, 530, 540];
        let is_it = |sent: &Sent| {
            !sent.is_answered && sent.ticket.is_some() && is_about(&sent.request, close)
        };
        ERRORS_OF_CLIENTS.contains(&close.code)
            && self.channels.values().any(|channel| channel.in_flight.iter().any(is_it))
    }

    /// Fails the request that the broker closes the connection for: repeated, it would end the next one too.
    fn blame(&mut self, close: &Close) {
        let blamed = self.channels.iter_mut().find_map(|(id, channel)| {
            let is_it = |sent: &Sent| !sent.is_answered && is_about(&sent.request, close);
            let index = channel.in_flight.iter().position(is_it)?;
            Some((*id, channel.in_flight.remove(index)?))
        });
        let Some((id, Sent { ticket, request, .. })) = blamed else { return };
        if let Some(ticket) = ticket {
            return self.finish_request(ticket, Err(Failure::Connection(close.clone())));
        }
        self.topology.forget(&request);
        if let Request::Consume(consumer) = request {
            self.topology.end_consumer(id, &consumer.tag);
            self.events.push_back(Event::Cancelled(id, consumer.tag));
        }
    }

    /// Ends the session. The present output may still be sent.
    pub(crate) fn end(&mut self, failure: Option<Failure>) {
        self.phase = Phase::Over;
        self.recovery = None;
        let reason = failure.clone().unwrap_or(Failure::Closed);
        let channels = std::mem::take(&mut self.channels);
        self.numbers.clear();
        for (_, mut channel) in channels {
            let unfinished = channel.end();
            self.fail_all(unfinished, &reason);
        }
        self.events.push_back(Event::Closed(failure));
    }

    /// Removes a channel and fails its requests.
    pub(crate) fn remove_channel(&mut self, id: ChannelId, failure: &Failure) {
        let Some(mut channel) = self.channels.remove(&id) else { return };
        self.numbers.remove(&channel.number);
        self.topology.end_channel(id);
        let unfinished = channel.end();
        self.fail_all(unfinished, failure);
        self.events.push_back(Event::ChannelClosed(id, failure.clone()));
    }

    fn fail_all(&mut self, unfinished: Vec<Unfinished>, failure: &Failure) {
        for one in unfinished {
            match one {
                Unfinished::Request(ticket) => self.finish_request(ticket, Err(failure.clone())),
                Unfinished::Publish(ticket, counted) => {
                    self.finish_publish(ticket, counted.as_deref(), Err(failure.clone()));
                }
            }
        }
    }

    pub(crate) fn finish_request(&mut self, ticket: Ticket, result: Result<Answer, Failure>) {
        self.requests = self.requests.saturating_sub(1);
        self.events.push_back(Event::Answered(ticket, result));
        if self.request_refused && self.requests <= self.settings.requests / 2 {
            self.request_refused = false;
            self.events.push_back(Event::Writable);
        }
    }

    /// `counted` is the message, if its bytes are still counted as buffered.
    fn finish_publish(
        &mut self,
        ticket: Ticket,
        counted: Option<&Publish>,
        result: Result<Answer, Failure>,
    ) {
        if let Some(publish) = counted {
            self.release(publish);
        }
        self.events.push_back(Event::Answered(ticket, result));
    }

    fn release(&mut self, publish: &Publish) {
        self.buffered = self.buffered.saturating_sub(cost(publish));
        if self.publish_refused && self.buffered <= self.settings.buffer / 2 {
            self.publish_refused = false;
            self.events.push_back(Event::Writable);
        }
    }

    /// Closes the connection if the plugin has closed the session and all requests are done.
    fn leave_if_done(&mut self) {
        if self.leaving && self.is_open() && self.is_done() {
            self.phase = Phase::Closing;
            let close = Close { code: 200, text: "OK".to_owned(), class: 0, method: 0 };
            wire::method(&mut self.out, 0, wire::close(&close));
        }
    }

    /// Whether all requests are done.
    fn is_done(&self) -> bool {
        self.channels.values().all(Channel::is_idle)
    }

    /// Whether no channel waits for an answer.
    pub(crate) fn is_settled(&self) -> bool {
        self.channels
            .values()
            .all(|channel| channel.in_flight.is_empty() && channel.phase != ChannelPhase::Opening)
    }
}

/// The bytes that a message counts as: its body, and an estimate of its frames and its queue entry.
fn cost(publish: &Publish) -> usize {
    const FRAMES: usize = 256;
    publish.body.len() + FRAMES
}
