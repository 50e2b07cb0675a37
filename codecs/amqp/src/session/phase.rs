//! The phases of a session and of its recovery, and what both sides have agreed on.

/// The phase of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is no connection.
    Idle,
    /// The connection is being opened.
    Handshake(Step),
    Open,
    /// The connection was given up; its end is awaited.
    Lost,
    /// `connection.close` is sent.
    Closing,
    Over,
}

impl Phase {
    /// Whether frames of the broker are still handled.
    pub(crate) fn listens(&self) -> bool {
        !matches!(self, Phase::Idle | Phase::Lost | Phase::Over)
    }
}

/// The next method of the broker in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Tune,
    OpenOk,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuning {
    pub frame_max: u32,
    pub channel_max: u16,
    pub heartbeat: u16,
}

/// The stage of recovery on a new connection.
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
    pub(crate) fn next(self) -> Option<Stage> {
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
