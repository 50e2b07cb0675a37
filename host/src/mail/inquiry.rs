//! Inquiries of the admin thread to a reactor, and their answers, a page at a time.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::log::text::GuestText;

/// An inquiry to one reactor.
#[derive(Debug, Clone)]
pub struct Inquiry {
    pub question: LoopQuestion,
    /// The channel of the answer. The sender waits for one answer at a time.
    pub answer: UnboundedSender<LoopAnswer>,
}

/// The question of an inquiry.
#[derive(Debug, Clone, Copy)]
pub enum LoopQuestion {
    /// Whether it is still turning.
    Turning,
    /// A page of its connections.
    Connections {
        /// The first slot of the page.
        from: u32,
        /// The most rows.
        most: usize,
    },
    /// A page of its instances.
    Instances {
        /// The first slot of the page.
        from: u32,
        /// The most rows.
        most: usize,
    },
}

/// The answer of a reactor.
#[derive(Debug)]
pub enum LoopAnswer {
    /// It is turning.
    Turning,
    /// Connections, and the first slot of the next page, if there may be more.
    Connections(Vec<ConnectionRow>, Option<u32>),
    /// Instances, likewise.
    Instances(Vec<InstanceRow>, Option<u32>),
}

/// A snapshot of a connection.
#[derive(Debug)]
pub struct ConnectionRow {
    /// Its number in the log.
    pub number: u32,
    /// The plugin's name.
    pub plugin: String,
    /// The name of its handler.
    pub handler: GuestText,
    /// Whether its plugin has opened it.
    pub outgoing: bool,
    /// The name of its phase.
    pub phase: &'static str,
    /// The peer's address, if it is known.
    pub peer: Option<String>,
    /// Bytes that its socket has not taken yet.
    pub outbox: u64,
    /// Whether it has a proxy target.
    pub is_proxied: bool,
    /// The time since a byte was last read or written.
    pub silent: Duration,
}

/// A snapshot of an instance.
#[derive(Debug)]
pub struct InstanceRow {
    /// The plugin's name.
    pub plugin: String,
    pub state: &'static str,
    /// The number of its connections.
    pub connections: usize,
    /// The number of events that wait for it.
    pub queued: usize,
    /// The number of timers that are set.
    pub timers: usize,
    /// Whether it is a process.
    pub is_process: bool,
}
