//! What a new connection is told, so that it has what the last one had.
//!
//! Stage by stage, each begun when the one before is answered on every channel: a broker works on channels side by
//! side, and a queue that is declared on one may be consumed on another.

use crate::{
    channel::Phase as ChannelPhase,
    event::Event,
    request::Request,
    session::{ChannelId, Session},
};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Channels,
    Modes,
    Exchanges,
    Queues,
    Bindings,
    Consumers,
}

impl Stage {
    fn next(self) -> Option<Stage> {
        match self {
            Stage::Channels => Some(Stage::Modes),
            Stage::Modes => Some(Stage::Exchanges),
            Stage::Exchanges => Some(Stage::Queues),
            Stage::Queues => Some(Stage::Bindings),
            Stage::Bindings => Some(Stage::Consumers),
            Stage::Consumers => None,
        }
    }
}

impl Session {
    /// The connection is open again.
    pub(crate) fn begin_recovery(&mut self) {
        self.recovery = Some(Stage::Channels);
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        ids.into_iter().for_each(|id| self.open_on_wire(id));
        self.advance_recovery();
    }

    /// Begins as many stages as have nothing to wait for.
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
            // It was sent once, so it can be written; a queue without a name is one whose declaration failed.
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

    /// The channel, or if it is gone any other: what it has declared outlives it.
    fn open_channel_for(&self, id: ChannelId) -> Option<ChannelId> {
        let is_open = |id: &ChannelId| {
            self.channels.get(id).is_some_and(|channel| channel.phase == ChannelPhase::Open)
        };
        Some(id).filter(is_open).or_else(|| self.channels.keys().copied().find(is_open))
    }
}
