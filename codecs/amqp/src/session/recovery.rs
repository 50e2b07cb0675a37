//! Recovery: a new connection is given what the last one had.
//!
//! It goes in stages, and each begins when the one before is answered on every channel: a broker handles channels
//! concurrently, and a queue that is declared on one may be consumed on another.

use super::{Session, phase::Stage};
use crate::{
    channel::Phase as ChannelPhase, error::Close, event::Event, ids::ChannelId, request::Request,
};

impl Session {
    /// Starts recovery, on a new connection.
    pub(crate) fn begin_recovery(&mut self) {
        self.recovery = Some(Stage::Channels);
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        ids.into_iter().for_each(|id| self.open_on_wire(id));
        self.advance_recovery();
    }

    /// Begins the next stages, up to one that waits for answers.
    pub(crate) fn advance_recovery(&mut self) {
        while let Some(stage) = self.recovery
            && self.is_settled()
        {
            self.recovery = stage.next();
            match self.recovery {
                Some(next) => self.begin_stage(next),
                None => {
                    self.push_event(Event::Recovered);
                    self.pump_all();
                }
            }
        }
    }

    fn begin_stage(&mut self, stage: Stage) {
        let requests = match stage {
            Stage::Channels => Vec::new(),
            Stage::Modes => self.modes(),
            Stage::Exchanges => self.topology.exchanges(),
            Stage::Queues => self.topology.queues(),
            Stage::Bindings => self.topology.bindings(),
            Stage::Consumers => self.topology.consumers(),
        };
        for (id, request) in requests {
            let Some(id) = self.open_channel_for(id) else { return };
            // It was written once, so only a queue without a name fails here: its declaration has failed.
            let _ = self.write_request(id, None, request);
        }
    }

    /// The unanswered requests of a channel that the broker closes, which can be repeated on another one. The request
    /// that it was closed for is forgotten, because it would close another channel too.
    pub(crate) fn unrecovered(&mut self, id: ChannelId, close: &Close) -> Vec<Request> {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        let waiting = channel.in_flight.drain(..).filter(|sent| !sent.is_answered);
        let mut requests: Vec<Request> = waiting.map(|sent| sent.request).collect();
        if let Some(index) = requests.iter().position(|request| is_about(request, close)) {
            self.topology.forget(&requests.remove(index));
        }
        // The others concern only the closed channel.
        requests.retain(|request| {
            matches!(
                request,
                Request::DeclareExchange(_)
                    | Request::DeclareQueue(_)
                    | Request::BindExchange(_)
                    | Request::BindQueue(_)
            )
        });
        requests
    }

    /// Repeats requests on another channel, if there is one.
    pub(crate) fn recover_elsewhere(&mut self, gone: ChannelId, requests: Vec<Request>) {
        for request in requests {
            let Some(id) = self.open_channel_for(gone) else { return };
            let _ = self.write_request(id, None, request);
        }
    }

    fn modes(&self) -> Vec<(ChannelId, Request)> {
        let mut requests = Vec::new();
        for (id, channel) in &self.channels {
            let modes = &channel.modes;
            let qos = |prefetch: u16, global: bool| Request::Qos { prefetch, global };
            requests.extend(modes.prefetch.map(|prefetch| (*id, qos(prefetch, false))));
            requests.extend(modes.prefetch_global.map(|prefetch| (*id, qos(prefetch, true))));
            requests.extend(modes.confirms.then_some((*id, Request::Confirm)));
            requests.extend(modes.transactions.then_some((*id, Request::SelectTx)));
        }
        requests
    }

    /// The channel if it is open, else any other one, because what it has declared outlives it.
    fn open_channel_for(&self, id: ChannelId) -> Option<ChannelId> {
        let is_open = |id: &ChannelId| {
            self.channels.get(id).is_some_and(|channel| channel.phase == ChannelPhase::Open)
        };
        Some(id).filter(is_open).or_else(|| self.channels.keys().copied().find(is_open))
    }
}

/// Whether a channel, or the connection, was closed because of this request.
pub(super) fn is_about(request: &Request, close: &Close) -> bool {
    request.to_method().is_ok_and(|method| {
        (method.get_amqp_class_id(), method.get_amqp_method_id()) == (close.class, close.method)
    })
}
