//! One connection: its socket, its outbox and the phase of its life.
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
//! sends on it directly from the guest's memory. A guest's request only changes this state and marks the
//! connection as dirty; the reactor acts on it when the guest has returned.

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

use crate::base::lock::{Mutex, MutexGuard};
use crate::base::prefetch;
use crate::clock::Moment;
use crate::contract::bindings::StreamEnd;
use crate::log::text::GuestText;
use crate::quota::budget::ByteBudget;
use crate::quota::token_bucket::TokenBucket;

/// The phase of a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Outgoing: its name is being resolved. Sent bytes are queued.
    Resolving,
    /// Outgoing: the operating system is connecting. Sent bytes are queued.
    Connecting,
    /// Connected: a PROXY protocol header is being read, or the TLS handshake is in progress. Sent bytes are queued.
    Handshaking,
    /// Established.
    Open,
    /// Closes with this reason as soon as the outbox is empty.
    Finishing(CloseReason),
    /// Over: nothing is read or sent any more; `unbind` is due or delivered.
    Ended(CloseReason),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer ended its side, and the queued bytes were sent.
    PeerClosed,
    /// The plugin closed it.
    Closed,
    /// The host is stopping.
    Stopped,
    /// No address has a listener.
    Refused,
    /// It did not connect in time.
    ConnectTimeout,
    /// The name has no address.
    NameNotFound,
    /// No route to any of the addresses.
    Unreachable,
    /// No byte was read or written for `comm_inactivity_timeout`.
    InactivityTimeout,
    /// The peer reset it.
    Reset,
    /// The peer did not read the rest of the outbox within the close deadline.
    Limit,
    /// The socket failed in some other way.
    Failed,
    /// Its instance trapped. This reason is never delivered to a guest.
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
    /// The outboxes of its tenant would exceed their common bound.
    OutboxesFull,
    /// The bytes do not fit into one datagram.
    TooLong,
    /// The system's send buffer is full, or the tenant's bytes per second are used up: the datagram is not sent.
    NotNow,
    /// No datagram has come yet that could be answered.
    NoPeer,
    /// The plugin may not send to this address, and the bytes with which its last sender may be answered are used up.
    NotGranted,
}

/// The state of the write side: a half-close ends it while reading continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// Is shut down when the outbox is empty.
    Ending,
    Ended,
}

/// One connection. The module's diagram shows its phases.
#[derive(Debug)]
pub struct Connection {
    /// Identifies it in the log.
    pub number: u32,
    /// For the log: the name of its handler, or the target of an outgoing connection.
    pub handler: GuestText,
    phase: Phase,
    stream: Option<Stream>,
    /// Reads the PROXY protocol header, until that is complete.
    header: Option<Box<HeaderReader>>,
    /// The addresses that the header named.
    proxied: Option<Box<Proxied>>,
    outbox: Outbox,
    /// Files that are queued in the outbox.
    files: OutFiles,
    marks: Marks,
    /// The tenant's write rate; none if it is not bounded.
    writing: Option<Arc<TokenBucket>>,
    /// Whether the outbox waits for the write rate.
    is_rate_limited: bool,
    /// Bytes that the system has accepted since [`Connection::take_sent`] was last called.
    sent: u64,
    write_side: WriteSide,
    /// Queued bytes that are sent unencrypted before TLS begins.
    plain_left: usize,
    /// The state of its TLS, if it has or will have TLS.
    tls: Option<Box<TlsRecord>>,
    /// A close after writing that was requested before the connection was established.
    finish_when_open: Option<CloseReason>,
    /// True once the peer has ended its side.
    peer_finished: bool,
    /// Whether the plugin wants to send after the peer has ended its side.
    pub keep_half_open: bool,
    /// Whether the plugin has paused reading.
    pub paused: bool,
    /// Whether the outbox was above its high mark and has not been below the low one since.
    above_high_mark: bool,
    /// Closed after this time without a byte in either direction; zero means never.
    pub comm_inactivity_timeout: Duration,
    /// Socket options that its plugin has set.
    options: SocketOptions,
    /// How long connecting may take.
    pub pending_connect_timeout: Duration,
    /// When a byte was last read or written.
    last_activity: Moment,
    /// Whether the reactor has to reconcile it.
    touched: bool,
    proxying: Proxying,
}

/// A connection that its reactor and its sandbox share.
#[derive(Debug, Clone)]
pub struct SharedConnection(Arc<Mutex<Connection>>);

impl SharedConnection {
    pub fn new(connection: Connection) -> SharedConnection {
        SharedConnection(Arc::new(Mutex::new(connection)))
    }

    /// Locks the connection. Both sides hold the lock for one non-blocking step at a time.
    pub fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock()
    }

    /// Has the processor fetch the connection.
    pub(crate) fn prefetch(&self) {
        prefetch::value(&*self.0);
    }

    /// Sends the bytes, and queues those that the operating system does not accept: all of them or, with an error, none,
    /// unless the connection ends meanwhile. Returns the connection locked.
    ///
    /// The lock is released after every [`BYTES_AT_ONCE`] for other threads that wait for it.
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

/// Bytes that are written and queued while the lock is held: about fifty microseconds.
const BYTES_AT_ONCE: usize = 256 * 1024;

/// How long connecting may take unless the plugin sets another time; EventMachine's value.
const PENDING_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

impl Connection {
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

    /// Charges what it writes to `writing` and what it queues to `outboxes`; both belong to its tenant.
    pub fn count_for(&mut self, writing: Option<Arc<TokenBucket>>, outboxes: &ByteBudget) {
        self.writing = writing;
        self.outbox.count_in(outboxes);
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Its socket, while it has one.
    pub fn stream(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }

    /// The number of bytes in the outbox.
    pub fn outbound(&self) -> usize {
        self.outbox.len()
    }

    /// True once the peer has ended its side.
    pub fn peer_finished(&self) -> bool {
        self.peer_finished
    }

    /// When a byte was last read or written.
    pub fn last_activity(&self) -> Moment {
        self.last_activity
    }

    /// Marks it as dirty: the reactor has to reconcile it. True if it was clean.
    pub fn mark_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.touched, true)
    }

    /// The reactor reconciles it now.
    pub fn mark_clean(&mut self) {
        self.touched = false;
    }

    /// Whether the reactor should watch it for readability.
    pub fn wants_read(&self) -> bool {
        let alive = matches!(self.phase, Phase::Open | Phase::Finishing(_));
        // A proxied connection fills the outbox of its target, not its own.
        let is_held_back = self.above_high_mark && !self.is_proxied();
        alive && !self.peer_finished && !self.paused && !is_held_back
    }

    /// Whether the reactor should watch it for writability.
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

    /// Whether its TLS session holds encrypted bytes that the socket has not accepted.
    fn holds_output(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::holds_output)
    }

    /// Whether any sent bytes have not reached the system yet.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty() || self.has_files() || self.holds_output()
    }

    /// Ends the connection; every end goes through here. The first reason is kept.
    pub fn end(&mut self, reason: CloseReason) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.keep_reason(reason);
            self.phase = Phase::Ended(reason);
        }
    }

    /// Ends it with `reason` when the outbox is empty.
    pub fn finish(&mut self, reason: CloseReason) {
        match self.phase {
            Phase::Resolving | Phase::Connecting | Phase::Handshaking => {
                self.finish_when_open = Some(reason);
            }
            Phase::Open if !self.has_output() && !self.has_tls() => self.end(reason),
            // A close by the plugin or by the host's stop replaces the peer's end as the reason, and is not replaced itself.
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

    /// The name is resolved; the operating system is connecting.
    pub fn connecting(&mut self) {
        if self.phase == Phase::Resolving {
            self.phase = Phase::Connecting;
        }
    }

    /// `stream` is connected: queued bytes can be flushed.
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

    /// Takes the socket out; dropping it closes it.
    pub fn take_stream(&mut self) -> Option<Stream> {
        self.outbox.clear();
        self.stream.take()
    }

    /// Reads available bytes. `Ok(0)` means that the peer has ended its side.
    pub fn read(&mut self, buffer: &mut [u8], now: Moment) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let read = stream.read(buffer)?;
        self.last_activity = now;
        Ok(read)
    }

    /// Sends the bytes, and queues those that the operating system does not accept.
    fn send(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        if self.has_datagrams() {
            return self.send_datagram(bytes, now);
        }
        self.check_room(bytes.len())?;
        self.put(bytes, now)
    }

    /// Checks whether `bytes` more bytes may be sent or queued.
    fn check_room(&mut self, bytes: usize) -> Result<(), SendError> {
        self.check_sendable()?;
        if self.marks.max < self.outbox.len().saturating_add(bytes) {
            // So that `drained` is delivered when a retry can succeed.
            self.above_high_mark |= !self.outbox.is_empty();
            return Err(SendError::OutboxFull);
        }
        // A peer that reads still gets up to its low mark when the peers that do not read have used up the tenant's bound.
        let is_little = self.outbox.is_empty() && bytes <= self.marks.low;
        if !is_little && !self.outbox.has_room(bytes) {
            self.above_high_mark |= !self.outbox.is_empty();
            return Err(SendError::OutboxesFull);
        }
        Ok(())
    }

    /// Sends bytes for which [`Connection::check_room`] found room, and queues those that the operating system does not accept.
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

    /// Writes as many bytes as the socket accepts without blocking; 0 while it is not connected.
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

    /// Writes up to `at_most` queued bytes without blocking; true if the socket might accept more. A failure ends the
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
        // The socket accepted all that the rate allowed, so the connection waits for the rate and not for the socket.
        self.is_rate_limited = has_more && written == rate;
        let goes_on = has_more && written == at_most && !self.is_rate_limited;
        self.has_written(written, now);
        match result {
            // More may be queued behind a complete file.
            Ok(is_file_complete) => goes_on || is_file_complete && has_more,
            Err(error) => {
                self.end(reason_of(&error));
                false
            }
        }
    }

    /// True once after a slow peer has caught up: `drained` is due and reading continues.
    pub fn take_drained(&mut self) -> bool {
        let drained = self.above_high_mark && self.outbox.len() < self.marks.low.max(1);
        self.above_high_mark &= !drained;
        drained && self.phase == Phase::Open
    }

    /// Takes the steps that wait for an empty outbox: ends the write side, or the connection.
    pub fn reconcile(&mut self) {
        if self.has_output() {
            return;
        }
        let is_ending = self.write_side == WriteSide::Ending;
        let ends =
            matches!(self.phase, Phase::Finishing(_)) || self.phase == Phase::Open && is_ending;
        if ends && !self.send_close_notify() {
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
        // Both sides have ended, so a kept half-open connection has no use any more.
        if self.phase == Phase::Open && self.peer_finished && self.write_side == WriteSide::Ended {
            self.end(CloseReason::PeerClosed);
        }
    }
}

/// The close reason that a plugin is told for a socket error.
pub(crate) fn reason_of(error: &io::Error) -> CloseReason {
    tracing::debug!(%error, "a socket failed");
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => CloseReason::Refused,
        // TLS: the peer closed the socket without `close_notify`.
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
