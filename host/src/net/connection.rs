//! One connection: its socket, its outbox and where it is in its life.
//!
//! ```text
//!              connect()            address found        established
//! Resolving ───────────► Connecting ──────────────► Open ◄──────────── accept()
//!     │                      │                        │ close after writing, peer's end, stop
//!     │                      │                        ▼
//!     │                      │                    Finishing
//!     │                      │                        │ outbox empty, or its deadline
//!     └──────── end(reason) ─┴────────────────────────┴──► Ended ── unbind ──► gone
//! ```
//!
//! A connection is shared by its reactor, which reads and flushes it, and by the sandbox that owns it, which
//! sends on it straight from the guest's memory. What a guest asks for only changes this state and marks the
//! connection as touched; the reactor acts on it when the guest has returned.

mod closing;
mod datagrams;
mod file_sending;
pub(crate) mod files;
mod options;
pub(crate) mod outbox;
mod proxied;
pub(crate) mod proxy_header;
pub(crate) mod proxy_links;
mod rates;
mod secured;
pub(crate) mod start_tls;
pub(crate) mod stream;
pub(crate) mod tcp_options;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub(crate) mod tls_record;

use crate::net::connection::files::OutFiles;
use crate::net::connection::outbox::{Marks, Outbox};
use crate::net::connection::proxy_header::{HeaderReader, Proxied};
use crate::net::connection::proxy_links::Proxying;
use crate::net::connection::stream::Stream;
use crate::net::connection::tcp_options::SocketOptions;
use crate::net::connection::tls_record::TlsRecord;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::clock::Moment;
use crate::contract::bindings::StreamEnd;
use crate::log::text::GuestText;
use crate::quota::budget::ByteBudget;
use crate::quota::token_bucket::TokenBucket;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Outgoing: its name is being looked up. What is sent is queued.
    Resolving,
    /// Outgoing: the operating system is connecting. What is sent is queued.
    Connecting,
    /// Connected: the header of its proxy, or the TLS handshake, is under way. What is sent is queued.
    Handshaking,
    /// Established.
    Open,
    /// Ends with this reason as soon as the outbox is empty.
    Finishing(CloseReason),
    /// Over: nothing is read or sent any more, `unbind` is due or delivered.
    Ended(CloseReason),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer ended its side, and what was queued is sent.
    PeerClosed,
    /// Its plugin closed it.
    Closed,
    /// The host stops.
    Stopped,
    /// Nobody listens at any of the addresses.
    Refused,
    /// Not connected in time.
    ConnectTimeout,
    /// The name has no address.
    NameNotFound,
    /// No route to any of the addresses.
    Unreachable,
    /// Nothing was read or written for too long.
    InactivityTimeout,
    /// The peer reset it.
    Reset,
    /// The peer did not read what was left within the close deadline.
    Limit,
    /// The socket failed in some other way.
    Failed,
    /// Its instance trapped. No guest is ever told.
    Trapped,
}

/// Why `send` took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The connection is over.
    Closed,
    /// Its write side is ending.
    Closing,
    /// The bytes would not fit below the outbox's hard bound.
    OutboxFull,
    /// They would not fit with those that wait for its tenant's other peers.
    OutboxesFull,
    /// They do not fit into one datagram.
    TooLong,
    /// The system, or the tenant's bytes a second, have no room for a datagram now.
    NotNow,
    /// Nobody has sent a datagram that could be answered.
    NoPeer,
    /// Its plugin may not send there, and the answers that its sender gets are used up.
    NotGranted,
}

/// The write side on its own: half-close ends it while reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// To be shut down when the outbox is empty.
    Ending,
    Ended,
}

/// One connection. See the module's picture.
#[derive(Debug)]
pub struct Connection {
    /// Names it in the log.
    pub number: u32,
    /// For the log: its handler, or the target of an outgoing one.
    pub handler: GuestText,
    phase: Phase,
    stream: Option<Stream>,
    /// The header that its proxy begins with, until it is whole.
    header: Option<Box<HeaderReader>>,
    /// The ends that such a header has named.
    proxied: Option<Box<Proxied>>,
    outbox: Outbox,
    /// Files that stand in it.
    files: OutFiles,
    marks: Marks,
    /// What its tenant may write; none where that has no bound.
    writing: Option<Arc<TokenBucket>>,
    /// Whether what is queued waits for that.
    is_rate_limited: bool,
    /// Bytes that the system has taken and nobody has counted yet.
    sent: u64,
    write_side: WriteSide,
    /// Of what is queued the bytes that go out in plain, before TLS begins.
    plain_left: usize,
    /// What is kept of its TLS, if it has or is to have any.
    tls: Option<Box<TlsRecord>>,
    /// A close after writing that was asked for before the connection was made.
    finish_when_open: Option<CloseReason>,
    /// True once the peer has ended its side.
    peer_finished: bool,
    /// Whether the plugin wants to go on sending after that.
    pub keep_half_open: bool,
    /// Whether the plugin asked not to be sent more.
    pub paused: bool,
    /// Whether the outbox was above its high mark and has not been below the low one since.
    above_high_mark: bool,
    /// Closed after this long without a byte either way; zero is never.
    pub comm_inactivity_timeout: Duration,
    /// What its plugin wants of its socket.
    options: SocketOptions,
    /// How long connecting may take.
    pub pending_connect_timeout: Duration,
    /// When a byte last went either way.
    last_activity: Moment,
    /// Whether the reactor has to look at it again.
    touched: bool,
    proxying: Proxying,
}

/// A connection as its reactor and its sandbox share it.
#[derive(Debug, Clone)]
pub struct SharedConnection(Arc<Mutex<Connection>>);

impl SharedConnection {
    /// Makes a connection shareable.
    pub fn new(connection: Connection) -> SharedConnection {
        SharedConnection(Arc::new(Mutex::new(connection)))
    }

    /// The connection. Both sides hold it for one non-blocking step at a time.
    pub fn lock(&self) -> MutexGuard<'_, Connection> {
        // No step leaves the state half changed, so a panic elsewhere does not spoil it.
        self.0.lock()
    }

    /// Sends, or queues what the operating system does not take: all of it or, with an error, nothing, unless the connection
    /// ends meanwhile. The connection comes back locked.
    ///
    /// However long it is, whoever waits for the connection has it after every [`BYTES_AT_ONCE`].
    pub fn send(
        &self,
        bytes: &[u8],
        now: Moment,
    ) -> (Result<(), SendError>, MutexGuard<'_, Connection>) {
        let mut connection = self.lock();
        if connection.has_datagrams() {
            return (connection.send_datagram(bytes, now), connection);
        }
        let mut result = connection.check_room(bytes.len());
        let mut pieces = bytes.chunks(BYTES_AT_ONCE).peekable();
        while let Some(piece) = pieces.next().filter(|_| result.is_ok()) {
            result = connection.put(piece, now);
            if pieces.peek().is_some() {
                MutexGuard::bump(&mut connection);
            }
        }
        (result, connection)
    }
}

/// Bytes that are written and queued at once, in some fifty microseconds.
const BYTES_AT_ONCE: usize = 256 * 1024;

/// How long connecting may take unless the plugin says otherwise; EventMachine's value.
const PENDING_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

impl Connection {
    /// An accepted connection.
    pub fn accepted(number: u32, stream: Stream, marks: Marks, now: Moment) -> Connection {
        let phase = match stream {
            Stream::Tls(_) => Phase::Handshaking,
            Stream::Tcp(_)
            | Stream::Unix(_)
            | Stream::Datagram(_)
            | Stream::Port(_)
            | Stream::StandIn(_) => Phase::Open,
        };
        Connection::new(number, phase, Some(stream), marks, now)
    }

    /// An outgoing connection that has no socket yet.
    pub fn outgoing(number: u32, marks: Marks, now: Moment) -> Connection {
        Connection::new(number, Phase::Resolving, None, marks, now)
    }

    fn new(
        number: u32,
        phase: Phase,
        stream: Option<Stream>,
        marks: Marks,
        now: Moment,
    ) -> Connection {
        Connection {
            number,
            handler: GuestText::default(),
            phase,
            stream,
            header: None,
            proxied: None,
            outbox: Outbox::default(),
            files: OutFiles::default(),
            marks,
            writing: None,
            is_rate_limited: false,
            sent: 0,
            write_side: WriteSide::Open,
            plain_left: 0,
            tls: None,
            finish_when_open: None,
            peer_finished: false,
            keep_half_open: false,
            paused: false,
            above_high_mark: false,
            comm_inactivity_timeout: Duration::ZERO,
            options: SocketOptions::default(),
            pending_connect_timeout: PENDING_CONNECT_TIMEOUT,
            last_activity: now,
            touched: false,
            proxying: Proxying::default(),
        }
    }

    /// What it writes counts in this bucket, and what it queues in this sum: both are its tenant's.
    pub fn count_for(&mut self, writing: Option<Arc<TokenBucket>>, outboxes: &ByteBudget) {
        self.writing = writing;
        self.outbox.count_in(outboxes);
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Its socket, while it has one.
    pub fn stream(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }

    /// Bytes in the outbox.
    pub fn outbound(&self) -> usize {
        self.outbox.len()
    }

    /// True once the peer has ended its side.
    pub fn peer_finished(&self) -> bool {
        self.peer_finished
    }

    /// When a byte last went either way.
    pub fn last_activity(&self) -> Moment {
        self.last_activity
    }

    /// Marks it for the reactor; true if it was not marked yet.
    pub fn mark_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.touched, true)
    }

    /// The reactor looks now.
    pub fn mark_clean(&mut self) {
        self.touched = false;
    }

    /// Whether the reactor should read from it.
    pub fn wants_read(&self) -> bool {
        let alive = matches!(self.phase, Phase::Open | Phase::Finishing(_));
        // What is proxied fills another outbox than its own.
        let is_held_back = self.above_high_mark && !self.is_proxied();
        alive && !self.peer_finished && !self.paused && !is_held_back
    }

    /// Whether the reactor should tell it when it can be written.
    pub fn wants_write(&self) -> bool {
        match self.phase {
            Phase::Connecting => true,
            Phase::Handshaking if self.has_plain_left() => !self.is_rate_limited,
            Phase::Handshaking => self.holds_output(),
            Phase::Open | Phase::Finishing(_) => {
                self.has_something_to_write() && !self.is_rate_limited || self.holds_output()
            }
            Phase::Resolving | Phase::Ended(_) => false,
        }
    }

    /// Whether its socket has taken bytes that it has not written.
    fn holds_output(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::holds_output)
    }

    /// Whether something of what was sent has not gone out.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty() || self.has_files() || self.holds_output()
    }

    /// The one way out. The first reason stays.
    pub fn end(&mut self, reason: CloseReason) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.keep_reason(reason);
            self.phase = Phase::Ended(reason);
        }
    }

    /// Ends it with `reason` as soon as what is queued has been sent.
    pub fn finish(&mut self, reason: CloseReason) {
        match self.phase {
            Phase::Resolving | Phase::Connecting | Phase::Handshaking => {
                self.finish_when_open = Some(reason);
            }
            Phase::Open if !self.has_output() && !self.has_tls() => self.end(reason),
            // The plugin's pending action and the host's stop replace the peer's end; nothing replaces theirs.
            Phase::Open | Phase::Finishing(CloseReason::PeerClosed) => {
                self.phase = Phase::Finishing(reason);
            }
            Phase::Finishing(_) | Phase::Ended(_) => {}
        }
    }

    /// The peer has ended its side.
    pub fn peer_ended(&mut self) {
        self.peer_finished = true;
        self.keep_end(StreamEnd::Said);
        if self.phase == Phase::Open && !self.keep_half_open && !self.is_proxied_both_ways() {
            self.finish(CloseReason::PeerClosed);
        }
    }

    /// The operating system is connecting.
    pub fn connecting(&mut self) {
        if self.phase == Phase::Resolving {
            self.phase = Phase::Connecting;
        }
    }

    /// This socket is connected: what was queued can be flushed.
    pub fn established(&mut self, stream: Stream, now: Moment) {
        if self.phase != Phase::Connecting {
            return;
        }
        self.options.set_on(&stream);
        self.stream = Some(stream);
        self.phase = Phase::Open;
        self.last_activity = now;
        if self.begin_tls() {
            return;
        }
        if let Some(reason) = self.finish_when_open.take() {
            self.finish(reason);
        }
    }

    /// Gives the socket up for good; dropping it closes it.
    pub fn take_stream(&mut self) -> Option<Stream> {
        self.outbox.clear();
        self.stream.take()
    }

    /// Reads what is there. `Ok(0)` is the peer's end.
    pub fn read(&mut self, buffer: &mut [u8], now: Moment) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let read = stream.read(buffer)?;
        self.last_activity = now;
        Ok(read)
    }

    /// Sends, or queues what the operating system does not take.
    fn send(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        if self.has_datagrams() {
            return self.send_datagram(bytes, now);
        }
        self.check_room(bytes.len())?;
        self.put(bytes, now)
    }

    /// Whether `bytes` more bytes can be sent.
    fn check_room(&mut self, bytes: usize) -> Result<(), SendError> {
        self.check_sendable()?;
        if self.marks.max < self.outbox.len().saturating_add(bytes) {
            // So that `drained` tells when it is worth trying again.
            self.above_high_mark |= !self.outbox.is_empty();
            return Err(SendError::OutboxFull);
        }
        // A little goes to a peer that reads, however full those are of the peers that do not.
        let is_little = self.outbox.is_empty() && bytes <= self.marks.low;
        if !is_little && !self.outbox.has_room(bytes) {
            self.above_high_mark |= !self.outbox.is_empty();
            return Err(SendError::OutboxesFull);
        }
        Ok(())
    }

    /// Sends what there is room for, or queues what the operating system does not take.
    fn put(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        self.check_sendable()?;
        let is_connected = !matches!(self.phase, Phase::Resolving | Phase::Handshaking);
        let written = if self.outbox.is_empty() && !self.has_files() && is_connected {
            self.write_now(bytes, now)?
        } else {
            0
        };
        self.outbox.push(&bytes[written..]);
        self.above_high_mark |= self.marks.high < self.outbox.len();
        Ok(())
    }

    fn check_sendable(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Ended(_) => Err(SendError::Closed),
            Phase::Finishing(CloseReason::PeerClosed) | Phase::Open
                if self.write_side == WriteSide::Open =>
            {
                Ok(())
            }
            Phase::Resolving | Phase::Connecting | Phase::Handshaking
                if self.write_side == WriteSide::Open && self.finish_when_open.is_none() =>
            {
                Ok(())
            }
            _ => Err(SendError::Closing),
        }
    }

    /// Writes as much as the socket takes at once; 0 while it is not connected.
    fn write_now(&mut self, bytes: &[u8], now: Moment) -> Result<usize, SendError> {
        let may = self.writable(now).min(bytes.len());
        let (Some(stream), false) = (&mut self.stream, self.phase == Phase::Connecting) else {
            return Ok(0);
        };
        self.is_rate_limited = may < bytes.len();
        let mut written = 0;
        while written < may {
            match stream.write(&bytes[written..may]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_rate_limited = false;
                    break;
                }
                Err(error) => {
                    self.end(reason_of(&error));
                    return Err(SendError::Closed);
                }
            }
        }
        self.has_written(written, now);
        Ok(written)
    }

    /// Sends what is queued, as far as it goes and up to `at_most` bytes; true if more might go at once. A failure ends the
    /// connection.
    pub fn flush(&mut self, now: Moment, at_most: usize) -> bool {
        if self.has_plain_left() {
            return self.flush_plain(now, at_most);
        }
        let rate = self.writable(now);
        let may = rate.min(at_most);
        if self.holds_output() && !self.push_out() {
            return false;
        }
        if self.stream.is_none() || !self.has_something_to_write() {
            return false;
        }
        let (written, result) = self.write_out(may);
        let has_more = self.has_something_to_write();
        // What the socket took was all that it might take: it is not the socket that is waited for.
        self.is_rate_limited = has_more && written == rate;
        let goes_on = has_more && written == at_most && !self.is_rate_limited;
        self.has_written(written, now);
        match result {
            // Behind a file that is complete there may be more.
            Ok(is_file_complete) => goes_on || is_file_complete && has_more,
            Err(error) => {
                self.end(reason_of(&error));
                false
            }
        }
    }

    /// True once when a slow peer has caught up: `drained` is due and reading goes on.
    pub fn take_drained(&mut self) -> bool {
        let drained = self.above_high_mark && self.outbox.len() < self.marks.low.max(1);
        self.above_high_mark &= !drained;
        drained && self.phase == Phase::Open
    }

    /// Takes the steps that an empty outbox allows: the end of the write side, and of the connection.
    pub fn reconcile(&mut self) {
        if self.has_output() {
            return;
        }
        let is_ending = self.write_side == WriteSide::Ending;
        let ends =
            matches!(self.phase, Phase::Finishing(_)) || self.phase == Phase::Open && is_ending;
        if ends && !self.say_end() {
            return;
        }
        match self.phase {
            Phase::Finishing(reason) => self.end(reason),
            Phase::Open if is_ending => {
                self.write_side = WriteSide::Ended;
                let failed = self.stream.as_ref().is_some_and(|s| s.shutdown_write().is_err());
                if failed {
                    self.end(CloseReason::Reset);
                }
            }
            _ => {}
        }
        // Both sides have ended: nothing more can happen, whatever the plugin wanted to keep.
        if self.phase == Phase::Open && self.peer_finished && self.write_side == WriteSide::Ended {
            self.end(CloseReason::PeerClosed);
        }
    }
}

/// What an error of the socket means to a plugin.
pub fn reason_of(error: &io::Error) -> CloseReason {
    tracing::debug!(%error, "a socket failed");
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => CloseReason::Refused,
        // Of TLS: an end that was not said.
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => CloseReason::Reset,
        io::ErrorKind::TimedOut => CloseReason::ConnectTimeout,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => CloseReason::Unreachable,
        _ => CloseReason::Failed,
    }
}
