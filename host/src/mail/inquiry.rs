//! What somebody who watches the host asks a reactor, and what it answers: a bounded part at a time.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::log::text::GuestText;

/// A question to one reactor.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// What is asked.
    pub question: LoopQuestion,
    /// Where the answer goes. Whoever asks waits for one at a time.
    pub answer: UnboundedSender<LoopAnswer>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum LoopQuestion {
    /// Whether it still turns.
    Turning,
    /// Its connections from this slot on, at most so many.
    Connections {
        /// The slot.
        from: u32,
        /// How many.
        most: usize,
    },
    /// Its instances from this slot on, at most so many.
    Instances {
        /// The slot.
        from: u32,
        /// How many.
        most: usize,
    },
}

/// What a reactor answers.
#[derive(Debug)]
pub enum LoopAnswer {
    /// It turns.
    Turning,
    /// Connections, and the slot to go on from, if there may be more.
    Connections(Vec<ConnectionRow>, Option<u32>),
    /// The same of instances.
    Instances(Vec<InstanceRow>, Option<u32>),
}

/// A connection at one moment.
#[derive(Debug)]
pub struct ConnectionRow {
    /// Its number, as the log has it.
    pub number: u32,
    /// The plugin's name.
    pub plugin: String,
    /// The name of its handler.
    pub handler: GuestText,
    /// Whether its plugin has begun it.
    pub outgoing: bool,
    /// Where it is in its life.
    pub phase: &'static str,
    /// The other end, if it is known.
    pub peer: Option<String>,
    /// Bytes that its socket has not taken yet.
    pub outbox: u64,
    /// Whether what it reads goes to another connection.
    pub is_proxied: bool,
    /// How long no byte has gone either way.
    pub silent: Duration,
}

/// An instance at one moment.
#[derive(Debug)]
pub struct InstanceRow {
    /// The plugin's name.
    pub plugin: String,
    /// What it does.
    pub state: &'static str,
    /// Its connections.
    pub connections: usize,
    /// Events that wait for it.
    pub queued: usize,
    /// Timers that it has set.
    pub timers: usize,
    /// Whether it is a process.
    pub is_process: bool,
}
