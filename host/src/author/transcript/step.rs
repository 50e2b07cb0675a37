//! A line of a transcript that is read: what is done, or what is expected.

use std::fmt;
use std::time::Duration;

/// A connection by its name; the one without a name is empty.
pub(crate) type ConnectionName = String;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptStep {
    /// Its number, from 1.
    pub line: usize,
    /// What it says.
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Something is done, and the loop comes to rest.
    Do(ScriptAction),
    /// Something has happened since.
    Expect(Expectation),
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScriptAction {
    /// A peer connects to the listener whose handler, plugin or address this is; to the only one where nothing is named.
    Connect(ConnectionName, Option<String>),
    /// A peer sends.
    Send(ConnectionName, Vec<u8>),
    /// The clock moves.
    Advance(Duration),
    /// A peer ends its side.
    End(ConnectionName),
    /// A peer closes.
    Close(ConnectionName),
    /// A peer resets.
    Reset(ConnectionName),
    /// Who was dialled is there.
    Accept(ConnectionName),
    /// Who was dialled is not.
    Refuse(ConnectionName),
    /// The host is asked to stop, as by SIGTERM.
    Stop,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// These bytes have come next.
    Receive(ConnectionName, Vec<u8>),
    /// A connection is so.
    Is(ConnectionName, PeerState),
    /// A plugin connects, to this if it is named; the connection has this name from now on.
    Dialled(ConnectionName, Option<String>),
    /// A line of the log.
    Log(&'static str, String),
    /// The loop has ended.
    Stopped,
}

/// How the plugin's side of a connection is, as its peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// Open.
    Open,
    /// The plugin sends no more.
    Ended,
    /// Closed.
    Closed,
    /// Closed by a reset.
    Reset,
}

impl PeerState {
    /// Every one, by its word.
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

/// The connection of a step, if it is about one.
impl ScriptStep {
    /// Whether it is something that is done.
    pub(crate) fn is_action(&self) -> bool {
        matches!(self.what, What::Do(_))
    }
}
