//! Where a session is in its life, and what both sides have agreed on.

/// Where the session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is no connection.
    Idle,
    /// The connection is being opened.
    Handshake(Step),
    Open,
    /// The connection is of no use; its end is awaited.
    Lost,
    /// `connection.close` is sent.
    Closing,
    Over,
}

impl Phase {
    /// Whether what the broker sends still matters.
    pub fn listens(&self) -> bool {
        !matches!(self, Phase::Idle | Phase::Lost | Phase::Over)
    }
}

/// What the broker is to say next.
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

/// How far the recovery of a connection is.
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
    pub fn next(self) -> Option<Stage> {
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
