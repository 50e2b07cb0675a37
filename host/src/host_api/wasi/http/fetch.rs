//! An outgoing request on its way. Each has a connection of its own, which is closed behind the response.
//!
//! All of it happens on the thread of the guest while that waits for it, and nothing in the loop: sockets that do not
//! block are looked at again and again, seldom once nothing has come for a while. Names are looked up by the file threads,
//! since the resolver of the system may block for long.

use std::collections::VecDeque;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use sandloop_http::{Headers, Method};
use wasmtime_wasi::p2::Pollable;

use super::answer::{Body, RequestBody};
use super::bindings::wasi::http::types::{DnsErrorPayload, ErrorCode};
use super::exchange::FetchExchange;
use super::resources::{Answering, Fields, IncomingResponse, RequestOptions};
use crate::clock::{Clock, Moment};
use crate::host_api::alarm::Alarm;
use crate::log::text::GuestText;
use crate::net::connection::stream::Stream;
use crate::net::connection::tls::{Handshake, PeerVerification, TlsStream};
use crate::net::connection::{CloseReason, reason_of};
use crate::net::outbound::access::AccessRefusal;
use crate::net::outbound::attempts::{Attempts, NEXT_AFTER, Progress};
use crate::net::outbound::{Attempt, Target};
use crate::plugin::Plugin;
use crate::plugin::denial::{Denial, Grant, objection_text};
use crate::plugin::file_calls::FileAnswer;
use crate::plugin::shared::HostShared;
use crate::quota::host_memory::Admission;
use crate::quota::semaphore::Permit;

/// How long a guest that waits sleeps before it looks again: at first, and when nothing has come for long.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_micros(250), Duration::from_millis(5));
/// How long a connection may take, handshake included, unless the request says it.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// The head of a request, as the codec writes it.
#[derive(Debug)]
pub(super) struct FetchHead {
    pub(super) method: Method,
    pub(super) path: sandloop_http::Target,
    pub(super) authority: String,
    pub(super) headers: Headers,
    /// The declared length of the body.
    pub(super) length: Option<u64>,
}

/// What a request has of its host.
pub(super) struct FetchHost {
    pub(super) plugin: Arc<Plugin>,
    pub(super) shared: Arc<HostShared>,
    pub(super) clock: Clock,
    pub(super) alarm: Alarm,
}

impl fmt::Debug for FetchHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchHost").field("plugin", &self.plugin.name()).finish_non_exhaustive()
    }
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) host: FetchHost,
    pub(super) target: Target,
    /// With TLS: how, and whom the certificate has to name.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) head: FetchHead,
    /// What counts the fields of the head.
    pub(super) _fields: Fields,
    /// None if the guest has not asked for one.
    pub(super) body: Option<Body>,
    pub(super) times: RequestOptions,
    /// The permit of a look-up, until it is done.
    pub(super) lookup: Option<Permit>,
    pub(super) _admission: Admission,
    pub(super) stage: FetchStage,
    /// How long to sleep before the next look.
    pub(super) pause: Duration,
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum FetchStage {
    /// The guest has not written its body to the end.
    Body,
    /// Its name is being looked up.
    LookUp { answer: FileAnswer<VecDeque<Attempt>>, out: Vec<u8> },
    /// Addresses are being tried; the next one at the latest at that time.
    Connect { attempts: Attempts, next: Option<Moment>, since: Moment, out: Vec<u8> },
    /// TLS begins.
    Handshake { tls: Box<TlsStream>, since: Moment, out: Vec<u8> },
    /// The request is sent, and its response is read.
    Exchange(Box<FetchExchange>),
    /// It has its response, or failed; none once the guest has taken that.
    Over(Option<Result<IncomingResponse, ErrorCode>>),
}

/// What a step has come to.
pub(super) enum FetchStep {
    /// The next one is possible at once.
    GoesOn(FetchStage),
    /// It waits for somebody.
    Waits(FetchStage),
}

impl Fetch {
    /// Does what is possible without waiting. True if it is over.
    pub(super) fn step(&mut self) -> bool {
        loop {
            if matches!(self.stage, FetchStage::Over(_)) {
                return true;
            }
            let stage = std::mem::replace(&mut self.stage, FetchStage::Over(None));
            match self.advance(stage, self.host.clock.now()) {
                Ok(FetchStep::GoesOn(stage)) => {
                    self.stage = stage;
                    self.pause = Duration::ZERO;
                }
                Ok(FetchStep::Waits(stage)) => {
                    self.stage = stage;
                    return false;
                }
                Err(error) => self.stage = FetchStage::Over(Some(Err(error))),
            }
        }
    }

    fn advance(&mut self, stage: FetchStage, now: Moment) -> Result<FetchStep, ErrorCode> {
        match stage {
            FetchStage::Body => self.take_body(),
            FetchStage::LookUp { answer, out } => self.resolve(answer, out, now),
            FetchStage::Connect { attempts, next, since, out } => {
                self.connect(attempts, next, since, out)
            }
            FetchStage::Handshake { tls, since, out } => self.shake_hands(tls, since, out),
            FetchStage::Exchange(exchange) => exchange.advance(self, now),
            FetchStage::Over(result) => Ok(FetchStep::GoesOn(FetchStage::Over(result))),
        }
    }

    /// The request as bytes, once its body is whole; then whom to ask is looked up.
    fn take_body(&mut self) -> Result<FetchStep, ErrorCode> {
        let (bytes, trailers) = match self.body.as_ref().map(Body::take_request) {
            None => (Vec::new(), Headers::new()),
            Some(RequestBody::Unfinished) => return Ok(FetchStep::Waits(FetchStage::Body)),
            Some(RequestBody::Abandoned) => {
                let words = "the body of the request was dropped before outgoing-body.finish";
                return Err(ErrorCode::InternalError(Some(words.to_owned())));
            }
            Some(RequestBody::Whole(bytes, trailers)) => (bytes, trailers),
        };
        let out = self.head.written_with(&bytes, &trailers)?;
        let Target::Tcp { host, port } = &self.target else {
            return Err(ErrorCode::HttpRequestUriInvalid);
        };
        if let Some(attempt) = self.target.immediate() {
            return Ok(FetchStep::GoesOn(self.begin_with([attempt].into(), out)));
        }
        let place = (host.clone(), *port);
        let (tenant, permit) = (self.host.plugin.tenant.index, self.lookup.take());
        let answer = self.host.shared.file_calls.add(tenant, move || {
            let addresses = place.to_socket_addrs();
            drop(permit);
            addresses.into_iter().flatten().map(Attempt::Tcp).collect()
        });
        Ok(FetchStep::GoesOn(FetchStage::LookUp { answer, out }))
    }

    fn begin_with(&self, addresses: VecDeque<Attempt>, out: Vec<u8>) -> FetchStage {
        let now = self.host.clock.now();
        FetchStage::Connect { attempts: Attempts::new(addresses), next: Some(now), since: now, out }
    }

    /// The addresses of the name are known: those that are granted are tried.
    fn resolve(
        &self,
        mut answer: FileAnswer<VecDeque<Attempt>>,
        out: Vec<u8>,
        now: Moment,
    ) -> Result<FetchStep, ErrorCode> {
        let unknown = || ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None });
        let Some(addresses) = answer.try_take() else {
            return Ok(FetchStep::Waits(FetchStage::LookUp { answer, out }));
        };
        let addresses = addresses.ok().filter(|them| !them.is_empty()).ok_or_else(unknown)?;
        let FetchHost { plugin, shared, .. } = &self.host;
        let check = |attempt: &Attempt| {
            self.target.check_attempt(attempt, &plugin.config.allow, &shared.own_listeners)
        };
        let refusal = addresses.iter().find_map(|attempt| check(attempt).err());
        let granted = match refusal {
            None => addresses,
            Some(refusal) if deny(plugin, now, &self.target, &refusal) => addresses,
            Some(_) => addresses.into_iter().filter(|attempt| check(attempt).is_ok()).collect(),
        };
        if granted.is_empty() {
            return Err(ErrorCode::HttpRequestDenied);
        }
        Ok(FetchStep::GoesOn(self.begin_with(granted, out)))
    }

    fn connect(
        &self,
        mut attempts: Attempts,
        mut next: Option<Moment>,
        since: Moment,
        out: Vec<u8>,
    ) -> Result<FetchStep, ErrorCode> {
        let now = self.host.clock.now();
        let has_failed = match attempts.progress() {
            Progress::Connected(stream) => {
                return Ok(FetchStep::GoesOn(self.begun(stream, since, out)?));
            }
            Progress::Failed => true,
            Progress::Waiting => false,
        };
        if has_failed || next.is_some_and(|at| at <= now) {
            attempts.begin_next(&self.host.shared.network, |_| Ok(())).map_err(error_of)?;
            next = attempts.has_more().then(|| now + NEXT_AFTER);
        }
        self.is_in_time(since, now)?;
        Ok(FetchStep::Waits(FetchStage::Connect { attempts, next, since, out }))
    }

    fn is_in_time(&self, since: Moment, now: Moment) -> Result<(), ErrorCode> {
        let within = self.times.connect.unwrap_or(CONNECT_WITHIN);
        if since + within <= now { Err(ErrorCode::ConnectionTimeout) } else { Ok(()) }
    }

    fn begun(&self, stream: Stream, since: Moment, out: Vec<u8>) -> Result<FetchStage, ErrorCode> {
        let Some((config, name)) = &self.tls else { return self.exchange(stream, out) };
        let session = ClientConnection::new(config.clone(), name.clone());
        let session = session.map_err(|_| ErrorCode::TlsProtocolError)?;
        let tls = TlsStream::begin(stream, session.into(), PeerVerification::Done);
        Ok(FetchStage::Handshake { tls: Box::new(tls), since, out })
    }

    fn shake_hands(
        &self,
        mut tls: Box<TlsStream>,
        since: Moment,
        out: Vec<u8>,
    ) -> Result<FetchStep, ErrorCode> {
        match tls.continue_handshake() {
            Ok(Handshake::Done) => Ok(FetchStep::GoesOn(self.exchange(Stream::Tls(tls), out)?)),
            Ok(Handshake::Waits | Handshake::GoesOn | Handshake::Asks) => {
                self.is_in_time(since, self.host.clock.now())?;
                Ok(FetchStep::Waits(FetchStage::Handshake { tls, since, out }))
            }
            Err(error) => Err(tls_error(&error)),
        }
    }

    fn exchange(&self, stream: Stream, out: Vec<u8>) -> Result<FetchStage, ErrorCode> {
        let exchange = FetchExchange::new(&self.host.plugin, stream, out, self.host.clock.now());
        Ok(FetchStage::Exchange(Box::new(exchange?)))
    }
}

#[async_trait::async_trait]
impl Pollable for Fetch {
    async fn ready(&mut self) {
        while !self.step() {
            let pause = self.pause.clamp(LOOK_AGAIN.0, LOOK_AGAIN.1);
            self.pause = pause * 2;
            let at = self.host.clock.now() + pause;
            self.host.alarm.sleep_until(Some(at)).await;
        }
    }
}

impl Answering for Fetch {
    fn take(&mut self) -> Option<Option<Result<IncomingResponse, ErrorCode>>> {
        if !self.step() {
            return None;
        }
        let FetchStage::Over(result) = &mut self.stage else { return None };
        Some(result.take())
    }
}

/// Counts and logs that a target is not granted. True if the policy only audits.
pub(super) fn deny(plugin: &Plugin, now: Moment, target: &Target, refusal: &AccessRefusal) -> bool {
    let denial = Denial {
        call: "wasi:http.outgoing-handler",
        target: Some(GuestText::name(target)),
        cause: objection_text(refusal.objection),
        grant: Grant::Connect(refusal.rule.as_deref()),
        subject: None,
    };
    plugin.deny(now, &denial)
}

/// The interface's error for a connection that has failed.
pub(super) fn error_of(reason: CloseReason) -> ErrorCode {
    match reason {
        CloseReason::Refused => ErrorCode::ConnectionRefused,
        CloseReason::ConnectTimeout => ErrorCode::ConnectionTimeout,
        CloseReason::Unreachable => ErrorCode::DestinationUnavailable,
        CloseReason::NameNotFound => {
            ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None })
        }
        _ => ErrorCode::ConnectionTerminated,
    }
}

fn tls_error(error: &io::Error) -> ErrorCode {
    let fault = error.get_ref().and_then(|fault| fault.downcast_ref::<rustls::Error>());
    match fault {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            ErrorCode::TlsCertificateError
        }
        Some(_) => ErrorCode::TlsProtocolError,
        None => error_of(reason_of(error)),
    }
}
