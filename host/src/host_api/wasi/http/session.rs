//! One connection of the server: reading requests, and closing.

use std::time::Duration;

use sandloop_http::status::reason;
use sandloop_http::writer::{Exchange, Outgoing, OutgoingResponse, write_response};
use sandloop_http::{
    Headers, Length, Limits, Method, RequestDecoder, RequestError, RequestEvent, RequestHead,
    StatusCode, Version, date,
};

use super::resources::IncomingBody;
use crate::clock::{self, Moment};
use crate::net::connection::{CloseReason, SharedConnection};
use crate::quota::budget::{ByteBudget, Reservation};

/// The longest time from a head's first byte to its last.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest time between two bytes of a body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest time without a request, and without a byte of a response being read.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a peer has to end its side after the last response. Closing earlier with unread input would send a reset, which
/// discards what the peer has not read.
const LINGER: Duration = Duration::from_secs(2);
/// The same for a peer that keeps sending.
const LINGER_MAX: Duration = Duration::from_secs(10);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection of the server.
pub(super) struct Session {
    pub(super) connection: SharedConnection,
    /// Its number among the sockets of its instance.
    pub(super) socket: u32,
    /// The longest body that is accepted, in bytes.
    body_max: u64,
    decoder: RequestDecoder,
    /// Bytes that were received behind the current request.
    left: Vec<u8>,
    /// The host memory of `left`.
    left_kept: Option<Reservation>,
    /// A request whose body is incomplete.
    incoming: Option<Incoming>,
    /// The time at which the incomplete request began.
    begun: Option<Moment>,
    /// The number of requests that have begun.
    requests: u64,
    /// Whether a request is being answered.
    is_answering: bool,
    /// Whether it closes after the current response.
    is_draining: bool,
    /// The time of the last response, after which nothing is answered.
    over: Option<Moment>,
}

struct Incoming {
    head: RequestHead,
    body: Vec<u8>,
    kept: Reservation,
}

/// A complete request.
pub(super) struct CompleteRequest {
    pub(super) head: RequestHead,
    pub(super) body: IncomingBody,
    pub(super) exchange: Exchange,
    pub(super) is_secure: bool,
}

impl Session {
    /// For an accepted connection.
    pub(super) fn new(connection: SharedConnection, socket: u32, body_max: u64) -> Session {
        connection.lock().comm_inactivity_timeout = IDLE_TIME;
        let limits = Limits { body: body_max, ..Limits::SERVER };
        Session {
            connection,
            socket,
            body_max,
            decoder: RequestDecoder::new(limits),
            left: Vec::new(),
            left_kept: None,
            incoming: None,
            begun: None,
            requests: 0,
            is_answering: false,
            is_draining: false,
            over: None,
        }
    }

    /// Reads bytes until a request is complete; bytes behind it are kept.
    pub(super) fn receive(
        &mut self,
        data: &[u8],
        now: Moment,
        memory: &ByteBudget,
    ) -> Option<CompleteRequest> {
        if let Some(since) = self.over {
            if LINGER_MAX < now.since(since) {
                self.connection.lock().end(CloseReason::Closed);
            }
            return None;
        }
        let mut kept = std::mem::take(&mut self.left);
        self.left_kept = None;
        let mut input = if kept.is_empty() {
            data
        } else {
            kept.extend_from_slice(data);
            &kept
        };
        if !input.is_empty() && self.begun.is_none() {
            self.begun = Some(now);
        }
        let whole = self.decode(&mut input, now, memory);
        if whole.is_some() {
            self.keep(input, memory, now);
        }
        self.set_times(now);
        whole
    }

    fn decode(
        &mut self,
        input: &mut &[u8],
        now: Moment,
        memory: &ByteBudget,
    ) -> Option<CompleteRequest> {
        while self.over.is_none() {
            match self.decoder.decode(input) {
                Ok(None) => return None,
                Ok(Some(RequestEvent::Head(head))) => self.begin(head, now, memory),
                Ok(Some(RequestEvent::Data(data))) => {
                    let Some(Incoming { body, kept, .. }) = &mut self.incoming else { continue };
                    if kept.grow(bytes(data.len())) {
                        body.extend_from_slice(data);
                    } else {
                        self.refuse(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, now);
                    }
                }
                Ok(Some(RequestEvent::End(trailers))) => return self.complete(trailers),
                Err(error) => self.refuse_request(error, now),
            }
        }
        None
    }

    fn begin(&mut self, head: RequestHead, now: Moment, memory: &ByteBudget) {
        self.requests += 1;
        if head.method == Method::CONNECT {
            // Only proxies have tunnels.
            return self.refuse(StatusCode::NOT_IMPLEMENTED, "this server is no proxy", now);
        }
        let awaits =
            head.expects_continue && !matches!(head.length, Length::None | Length::Known(0));
        let Some(kept) = memory.reserve(0) else {
            return self.refuse(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, now);
        };
        self.incoming = Some(Incoming { head, body: Vec::new(), kept });
        if let Err(error) = self.decoder.begin_body(self.body_max) {
            return self.refuse_request(error, now);
        }
        if awaits {
            // A peer that has gone needs no 100 (Continue).
            let _ = self.connection.send(CONTINUE, now).0;
        }
    }

    fn complete(&mut self, trailers: Headers) -> Option<CompleteRequest> {
        let Incoming { head, body, kept } = self.incoming.take()?;
        self.begun = None;
        self.is_answering = true;
        let mut connection = self.connection.lock();
        let is_secure = connection.has_tls();
        // The peer's end must not close the connection before the response is sent.
        connection.keep_half_open = true;
        drop(connection);
        let mut exchange = head.exchange();
        exchange.keep_alive &= !self.is_draining;
        let body = IncomingBody::new(body, kept, trailers);
        Some(CompleteRequest { head, body, exchange, is_secure })
    }

    /// Keeps the bytes behind a request, at most those of one read.
    fn keep(&mut self, rest: &[u8], memory: &ByteBudget, now: Moment) {
        if rest.is_empty() {
            return;
        }
        self.left_kept = memory.reserve(bytes(rest.len()));
        if self.left_kept.is_none() {
            // The complete request is answered; the client repeats those behind it on another connection.
            self.is_draining = true;
            return;
        }
        self.left = rest.to_vec();
        self.begun = Some(now);
        self.connection.lock().paused = true;
    }

    /// The response was sent; `keep_alive` says whether the connection stays open. True if more bytes are there already.
    pub(super) fn answered(&mut self, keep_alive: bool, now: Moment) -> bool {
        self.is_answering = false;
        let has_more = !self.left.is_empty();
        let mut connection = self.connection.lock();
        connection.paused = false;
        let stays = keep_alive && !self.is_draining && (has_more || !connection.peer_finished());
        connection.keep_half_open = stays && has_more;
        drop(connection);
        if !stays {
            self.close(now);
        }
        self.set_times(now);
        stays && has_more
    }

    /// The response is incomplete: cuts the connection, so that the peer sees that.
    pub(super) fn cut(&mut self, now: Moment) {
        self.is_answering = false;
        self.over = Some(now);
        let mut connection = self.connection.lock();
        connection.paused = false;
        connection.finish(CloseReason::Closed);
    }

    /// Begins to drain it; true if it has to be waited for.
    pub(super) fn drain(&mut self) -> bool {
        self.is_draining = true;
        let has_begun = self.decoder.is_in_head() || self.incoming.is_some();
        self.over.is_none() && (has_begun || self.is_answering || !self.left.is_empty())
    }

    fn refuse_request(&mut self, error: RequestError, now: Moment) {
        match error.status() {
            Some(status) => self.refuse(status, &error.to_string(), now),
            None => self.connection.lock().end(CloseReason::Closed),
        }
    }

    /// Responds in the guest's place; nothing more is answered.
    pub(super) fn refuse(&mut self, status: StatusCode, why: &str, now: Moment) {
        let is_head = self.decoder.is_head();
        self.incoming = None;
        self.is_answering = false;
        // A peer that has gone gets no response.
        let _ = self.connection.send(&plain_answer(status, why, is_head), now).0;
        self.close(now);
    }

    /// Shuts down the write side, and discards input until the peer has ended too (lingering close).
    fn close(&mut self, now: Moment) {
        self.over = Some(now);
        self.left = Vec::new();
        self.left_kept = None;
        let mut connection = self.connection.lock();
        connection.paused = false;
        connection.keep_half_open = false;
        if connection.peer_finished() || connection.half_close().is_err() {
            connection.finish(CloseReason::Closed);
        }
    }

    /// Sets the inactivity time-out by what the peer has to send next.
    fn set_times(&mut self, now: Moment) {
        let is_in_head = self.decoder.is_in_head();
        let is_late = self.begun.is_some_and(|begun| HEAD_TIME < now.since(begun));
        if self.over.is_none() && !self.is_answering && is_in_head && is_late {
            self.refuse_request(RequestError::Timeout, now);
        }
        let time = match () {
            () if self.over.is_some() => LINGER,
            () if self.is_answering => IDLE_TIME,
            () if self.incoming.is_some() => BODY_TIME,
            () if is_in_head => HEAD_TIME,
            () => {
                self.begun = None;
                IDLE_TIME
            }
        };
        self.connection.lock().comm_inactivity_timeout = time;
    }
}

const NO_ROOM: &str = "there is no room for this request now";

/// A response of the server itself, after which the connection closes.
pub(super) fn plain_answer(status: StatusCode, why: &str, is_head: bool) -> Vec<u8> {
    let text = format!("{} {}\n{why}\n", status.as_u16(), reason(status));
    let mut headers = Headers::new();
    // Cannot fail: both are valid.
    let _ = headers.append("Content-Type", "text/plain");
    let method = if is_head { Method::HEAD } else { Method::GET };
    let mut exchange = Exchange::answering(&method, Version::HTTP_11, false);
    let date = date::format(clock::calendar());
    let body = Outgoing::Known(bytes(text.len()));
    let response = OutgoingResponse { status, headers: &headers, body, date: Some(&date) };
    let mut out = Vec::new();
    // Neither can fail: no field is reserved, and the text has the declared length.
    let writer = write_response(&mut out, &mut exchange, &response);
    let _ = writer.map(|mut writer| writer.write(text.as_bytes(), &mut out));
    out
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
