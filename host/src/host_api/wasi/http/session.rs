//! One connection of the server: what of requests has come, and how it ends.

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

/// From a head's first byte to its last.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// From one byte of a body to the next.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long there may be no request, and no byte of an answer read.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a peer has after the last answer to end its side. A close before that would be a reset, which takes along what it
/// has not read.
const LINGER: Duration = Duration::from_secs(2);
/// The same for one that goes on sending.
const LINGER_MAX: Duration = Duration::from_secs(10);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection of the server.
pub(super) struct Session {
    pub(super) connection: SharedConnection,
    /// Its number among the sockets of its instance.
    pub(super) socket: u32,
    /// Bytes of a body that it takes.
    body_max: u64,
    decoder: RequestDecoder,
    /// What has come behind the request that is answered.
    left: Vec<u8>,
    /// Counts it.
    left_kept: Option<Reservation>,
    /// A request whose body has not come whole.
    incoming: Option<Incoming>,
    /// When the request that has not come whole began.
    begun: Option<Moment>,
    /// Requests that have begun.
    requests: u64,
    /// A request is being answered.
    is_answering: bool,
    /// It is to end after the answer.
    is_draining: bool,
    /// Since when nothing is answered any more.
    over: Option<Moment>,
}

struct Incoming {
    head: RequestHead,
    body: Vec<u8>,
    kept: Reservation,
}

/// A request that has come whole.
pub(super) struct Whole {
    pub(super) head: RequestHead,
    pub(super) body: IncomingBody,
    pub(super) exchange: Exchange,
    pub(super) is_secure: bool,
}

impl Session {
    /// Of a connection that was accepted.
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

    /// Takes bytes until a request is whole; what comes behind it is kept.
    pub(super) fn receive(
        &mut self,
        data: &[u8],
        now: Moment,
        memory: &ByteBudget,
    ) -> Option<Whole> {
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

    fn decode(&mut self, input: &mut &[u8], now: Moment, memory: &ByteBudget) -> Option<Whole> {
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
            // A peer that is gone needs no leave.
            let _ = self.connection.send(CONTINUE, now).0;
        }
    }

    fn complete(&mut self, trailers: Headers) -> Option<Whole> {
        let Incoming { head, body, kept } = self.incoming.take()?;
        self.begun = None;
        self.is_answering = true;
        let mut connection = self.connection.lock();
        let is_secure = connection.has_tls();
        // Its end must not come before the answer.
        connection.keep_half_open = true;
        drop(connection);
        let mut exchange = head.exchange();
        exchange.keep_alive &= !self.is_draining;
        let body = IncomingBody::new(body, kept, trailers);
        Some(Whole { head, body, exchange, is_secure })
    }

    /// Keeps what has come behind a request. It is no more than one read brings.
    fn keep(&mut self, rest: &[u8], memory: &ByteBudget, now: Moment) {
        if rest.is_empty() {
            return;
        }
        self.left_kept = memory.reserve(bytes(rest.len()));
        if self.left_kept.is_none() {
            // The request that is whole is answered; those behind it come on another connection.
            self.is_draining = true;
            return;
        }
        self.left = rest.to_vec();
        self.begun = Some(now);
        self.connection.lock().paused = true;
    }

    /// The answer was sent, and the connection stays or does not. Whether there is more to read already.
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

    /// An answer was begun and does not come to its end: whoever asked sees that it is cut.
    pub(super) fn cut(&mut self, now: Moment) {
        self.is_answering = false;
        self.over = Some(now);
        let mut connection = self.connection.lock();
        connection.paused = false;
        connection.finish(CloseReason::Closed);
    }

    /// It is to come to its end. Whether it has to be waited for.
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

    /// Answers in the guest's place, and nothing after that.
    pub(super) fn refuse(&mut self, status: StatusCode, why: &str, now: Moment) {
        let is_head = self.decoder.is_head();
        self.incoming = None;
        self.is_answering = false;
        // A peer that is gone is told nothing.
        let _ = self.connection.send(&plain_answer(status, why, is_head), now).0;
        self.close(now);
    }

    /// Ends this side, and reads and forgets what comes until the peer has ended too.
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

    /// How long the peer may be silent, by what is awaited of it.
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

/// An answer of the server's own, after which the connection ends.
pub(super) fn plain_answer(status: StatusCode, why: &str, is_head: bool) -> Vec<u8> {
    let text = format!("{} {}\n{why}\n", status.as_u16(), reason(status));
    let mut headers = Headers::new();
    // It cannot fail: both are plain text.
    let _ = headers.append("Content-Type", "text/plain");
    let method = if is_head { Method::HEAD } else { Method::GET };
    let mut exchange = Exchange::answering(&method, Version::HTTP_11, false);
    let date = date::format(clock::calendar());
    let body = Outgoing::Known(bytes(text.len()));
    let response = OutgoingResponse { status, headers: &headers, body, date: Some(&date) };
    let mut out = Vec::new();
    // Neither fails: no field is reserved, and the text is as long as was said.
    let writer = write_response(&mut out, &mut exchange, &response);
    let _ = writer.map(|mut writer| writer.write(text.as_bytes(), &mut out));
    out
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
