//! A parsed line of a transcript: an action or an expectation.

use std::fmt;
use std::time::Duration;

/// The name of a connection; empty for the one without a name.
pub(crate) type ConnectionName = String;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptStep {
    /// Its number, from 1.
    pub line: usize,
    pub what: What,
}

/// The kind of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// An action, after which the loop turns until it is idle.
    Do(ScriptAction),
    /// An expectation about the time since the last action.
    Expect(Expectation),
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScriptAction {
    /// A peer connects to the listener with this handler, plugin or address; to the only listener if nothing is named.
    Connect(ConnectionName, Option<String>),
    /// A peer sends these bytes.
    Send(ConnectionName, Vec<u8>),
    /// The clock advances.
    Advance(Duration),
    /// A peer ends its side.
    End(ConnectionName),
    /// A peer closes.
    Close(ConnectionName),
    /// A peer resets.
    Reset(ConnectionName),
    /// The peer that a plugin dials accepts.
    Accept(ConnectionName),
    /// The peer that a plugin dials refuses.
    Refuse(ConnectionName),
    /// The host is stopped, as by SIGTERM.
    Stop,
}

/// An expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// These are the next received bytes.
    Receive(ConnectionName, Vec<u8>),
    /// A connection has this state.
    Is(ConnectionName, PeerState),
    /// A plugin connects, to this address if it is named; the connection gets this name.
    Dialled(ConnectionName, Option<String>),
    /// The log has a line of this level with this text.
    Log(&'static str, String),
    /// The loop has ended.
    Stopped,
}

/// The state of the plugin's side of a connection, as its peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerState {
    Open,
    /// The plugin has ended its side.
    Ended,
    Closed,
    /// Closed by a reset.
    Reset,
}

impl PeerState {
    /// All states, with their words.
    pub(crate) const ALL: [(&str, PeerState); 4] = [
        ("closed", PeerState::Closed),
        ("ended", PeerState::Ended),
        ("reset", PeerState::Reset),
        ("open", PeerState::Open),
    ];
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = PeerState::ALL.iter().find(|(_, state)| state == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

/// The connection of a step, if it has one.
impl ScriptStep {
    pub(crate) fn is_action(&self) -> bool {
        matches!(self.what, What::Do(_))
    }
}
