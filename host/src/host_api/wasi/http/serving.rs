//! The server for components that export `incoming-handler`: from received bytes to a call of the guest, and on to the next
//! request.

use sandloop_http::StatusCode;

use super::answer::{AnswerPeer, BodyProgress};
use super::connections::{Current, HttpCall};
use super::resources::{AnswerSlot, AnswerState, IncomingRequest, ResponseOutparam};
use super::session::{CompleteRequest, Session, plain_answer};
use crate::base::arena::ConnectionId;
use crate::config::model::{Isolation, OnTrap};
use crate::contract::outcome::Drain;
use crate::host_api::command::Command;
use crate::host_api::kept::KeptKind;
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::net::connection::{CloseReason, SharedConnection};
use crate::quota::host_memory::TICK_BYTES;

impl HostState {
    /// A connection was accepted.
    pub fn http_open(&mut self, id: ConnectionId, connection: SharedConnection) {
        let socket = self.sockets.insert(id, connection.clone());
        // The guest gets no handle for it.
        self.sockets.dropped_by_guest(socket);
        self.subject_handle = Some(socket);
        let session = Session::new(connection, socket, self.plugin.config.limits.http_body);
        self.http.get_or_insert_default().sessions.insert(id, session);
        self.reconcile(id);
    }

    /// Handles received bytes; returns the arguments of the guest's call if a request is complete.
    ///
    /// # Errors
    /// When the tenant has no memory for the request, or the guest's table of resources is full.
    pub fn http_receive(
        &mut self,
        id: ConnectionId,
        data: &[u8],
    ) -> wasmtime::Result<Option<HttpCall>> {
        let now = self.env.clock.now();
        let memory = self.plugin.tenant.host_memory.clone();
        let session = self.http.as_mut().and_then(|http| http.sessions.get_mut(&id));
        let Some(session) = session else { return Ok(None) };
        self.subject_handle = Some(session.socket);
        let Some(whole) = session.receive(data, now, &memory) else {
            self.reconcile(id);
            return Ok(None);
        };
        let connection = session.connection.clone();
        let CompleteRequest { head, body, exchange, is_secure } = whole;
        let (clock, alarm) = (self.env.clock.clone(), self.call.alarm.clone());
        let answer = AnswerSlot::new(AnswerPeer { connection, clock, alarm }, exchange);
        let is_head = exchange.is_head;
        let is_reused = self.plugin.config.isolation == Isolation::Plugin;
        let mut is_first = true;
        if let Some(http) = &mut self.http {
            http.current = Some(Current { id, is_head, answer: answer.clone() });
            is_first = is_reused || !std::mem::replace(&mut http.is_used, true);
        }
        if !is_first {
            // The new instance has no handles yet.
            self.wasi = None;
        }
        let request = IncomingRequest::new(head, is_secure, body, &memory)?;
        let table = self.table();
        let request = table.push(request)?;
        let answer = table.push(ResponseOutparam(answer))?;
        Ok(Some(HttpCall { request, answer, is_first }))
    }

    /// Called when the guest has returned from a request.
    pub fn http_answered(&mut self) {
        let now = self.env.clock.now();
        let Some(http) = &mut self.http else { return };
        let Some(Current { id, answer, .. }) = http.current.take() else {
            return;
        };
        let Some(session) = http.sessions.get_mut(&id) else { return };
        // A guest that keeps the handle longer than the call can no longer answer.
        let answer = answer.lock();
        let (fault, goes_on) = match &*answer {
            AnswerState::Open(..) => {
                (Some("the handler returned and has not set an answer"), false)
            }
            AnswerState::Failed(_) => (Some("the handler has set an error for its answer"), false),
            AnswerState::Set(body) => match body.progress() {
                BodyProgress::Whole { keep_alive } => (None, session.answered(keep_alive, now)),
                BodyProgress::Unsent => (Some(UNFINISHED), false),
                BodyProgress::Begun => {
                    session.cut(now);
                    (Some(UNFINISHED), false)
                }
            },
        };
        let cause = match &*answer {
            AnswerState::Failed(error) => Some(GuestText::cause(format_args!("{error:?}"))),
            _ => None,
        };
        let is_sent =
            matches!(&*answer, AnswerState::Set(body) if body.progress() == BodyProgress::Begun);
        drop(answer);
        if let Some(fault) = fault {
            if !is_sent {
                session.refuse(StatusCode::INTERNAL_SERVER_ERROR, NO_ANSWER, now);
            }
            self.plugin.has_not_answered(now, fault, cause.as_ref(), self.subject_names().as_ref());
        }
        if goes_on {
            self.go_on_later(id);
        }
        self.reconcile(id);
    }

    /// The tick of a connection's next request is due.
    pub fn http_tick(&mut self, tick: u32) -> Option<ConnectionId> {
        self.http.as_mut()?.ticks.remove(&tick)
    }

    /// The guest has trapped: if nothing of the response was sent, the host sends 500 (Internal Server Error).
    pub fn http_trapped(&mut self) {
        // The operator has configured another reaction.
        if !matches!(self.plugin.config.on_trap, OnTrap::Close) {
            return;
        }
        let now = self.env.clock.now();
        let Some(http) = &mut self.http else { return };
        let Some(Current { id, is_head, answer }) = http.current.take() else {
            return;
        };
        let is_unsent = match &*answer.lock() {
            AnswerState::Set(body) => body.progress() == BodyProgress::Unsent,
            AnswerState::Open(..) | AnswerState::Failed(_) => true,
        };
        if let Some(session) = http.sessions.get(&id).filter(|_| is_unsent) {
            let text = plain_answer(StatusCode::INTERNAL_SERVER_ERROR, NO_ANSWER, is_head);
            // Best effort: the connection is closed in any case.
            let _ = session.connection.send(&text, now).0;
        }
    }

    /// Drains a connection.
    pub fn http_drain(&mut self, id: ConnectionId) -> Drain {
        let session = self.http.as_mut().and_then(|http| http.sessions.get_mut(&id));
        match session.map(Session::drain) {
            Some(true) => Drain::UntilClosed,
            Some(false) | None => Drain::WhenIdle,
        }
    }

    /// A connection has ended.
    pub fn http_closed(&mut self, id: ConnectionId) {
        let session = self.http.as_mut().and_then(|http| http.sessions.remove(&id));
        if let Some(session) = session {
            self.sockets.release(session.socket);
        }
    }

    /// Closes a connection, even in the middle of a request.
    pub fn http_close(&mut self, id: ConnectionId) {
        let session = self.http.as_ref().and_then(|http| http.sessions.get(&id));
        if let Some(session) = session {
            session.connection.lock().end(CloseReason::Closed);
        }
        self.reconcile(id);
    }

    /// Schedules a tick for the next request of a connection, so that it gets a budget of its own and others have their turn.
    fn go_on_later(&mut self, id: ConnectionId) {
        if self.keep_one(KeptKind::Tick, TICK_BYTES).is_err() {
            let connection = self.http.as_ref().and_then(|http| http.sessions.get(&id));
            if let Some(session) = connection {
                session.connection.lock().finish(CloseReason::Closed);
            }
            return;
        }
        self.ticks += 1;
        self.next_tick = self.next_tick.wrapping_add(1);
        let tick = self.next_tick;
        self.http.get_or_insert_default().ticks.insert(tick, id);
        self.commands.push(Command::Tick { id: tick });
    }

    /// Has the reactor reconcile a connection.
    fn reconcile(&mut self, id: ConnectionId) {
        let session = self.http.as_ref().and_then(|http| http.sessions.get(&id));
        if session.is_some_and(|session| session.connection.lock().mark_dirty()) {
            self.commands.push(Command::Reconcile { id });
        }
    }
}

const NO_ANSWER: &str = "the handler has not answered";
const UNFINISHED: &str = "the handler returned before it had finished the body of its answer";
