//! A connection to NATS: the host's, which tenants share, or a tenant's own.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, ClientError, ConnectOptions, Event, ServerAddr, ServerError};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::base::lock::Mutex;
use crate::cluster::counters::{ClusterCount, LineCounters};
use crate::cluster::outgoing::OutgoingQueue;
use crate::cluster::pack::{Push, PushSender};
use crate::cluster::sealed::Sealed;
use crate::config::cluster::{ClusterConfig, NatsLogin};
use crate::mail::message::KEPT_BYTES;
use crate::mail::relay::NoRelay;
use crate::quota::budget::{ByteBudget, Reservation};

/// The most commands in the queue of the client. In the queue before it tenants take turns.
const COMMANDS_MAX: usize = 64;
/// The bytes of one read. The client reads at most 128 times before other tasks on this thread run, which is the budget of tokio.
const READ_BYTES: u16 = 16 << 10;
/// The most messages of one subscription that wait for its task: more than 128 reads contain, since each message has sixty bytes
/// at least.
const INCOMING_MAX: usize = 1 << 16;
/// The pause between attempts to make the client.
const MADE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The most bytes of the header of a message, which NATS counts as part of it.
const HEADER_BYTES_MAX: usize = 256;
/// The largest message, until a server has announced its own limit.
const PAYLOAD_MAX: usize = 1 << 20;

/// A connection. It exists as long as it is used, and is made again whenever it is lost.
pub struct Line {
    /// The tenant, if it is the only one.
    pub tenant: Option<String>,
    /// Its counters.
    pub counters: LineCounters,
    options: ConnectOptions,
    servers: Vec<ServerAddr>,
    pub(super) outgoing: Arc<OutgoingQueue>,
    client: watch::Sender<Option<Client>>,
    connected: watch::Sender<bool>,
    payload_max: AtomicUsize,
    /// The round trip to the server in nanoseconds; 0 if it was not measured.
    round_trip: AtomicU64,
    /// Whether it was logged that no server is connected.
    is_told: AtomicBool,
    /// The last error.
    fault: Mutex<Option<String>>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// The prefix of the subjects of a tenant, or of the host itself; a login needs no others.
pub(super) fn stem(config: &ClusterConfig, tenant: Option<&str>) -> String {
    let prefix = &config.prefix;
    tenant.map_or_else(|| prefix.clone(), |tenant| format!("{prefix}.{tenant}"))
}

/// The options of a client.
pub(super) fn options(
    config: &ClusterConfig,
    login: &NatsLogin,
    tenant: Option<&str>,
) -> ConnectOptions {
    let options = ConnectOptions::new()
        .name(format!("sandloop {}", config.name))
        .connection_timeout(config.limits.connect_deadline)
        .ping_interval(config.limits.ping)
        .client_capacity(COMMANDS_MAX)
        .read_buffer_capacity(READ_BYTES)
        .subscription_capacity(INCOMING_MAX);
    let options = options.custom_inbox_prefix(format!("{}.=inbox", stem(config, tenant)));
    let options = match login {
        NatsLogin::Nobody => options,
        NatsLogin::User(user, password) => {
            options.user_and_password(user.clone(), password.clone())
        }
        NatsLogin::Token(token) => options.token(token.clone()),
        // The configuration has checked the credentials.
        NatsLogin::Credentials(text) => options.clone().credentials(text).unwrap_or(options),
    };
    let options = match &config.authorities {
        None => options,
        Some(file) => options.add_root_certificates(file.clone()).require_tls(true),
    };
    match &config.identity {
        None => options,
        Some((certificate, key)) => {
            options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true)
        }
    }
}

impl Line {
    /// A connection of a tenant or of the host, before it begins.
    pub(super) fn new(
        config: &ClusterConfig,
        login: &NatsLogin,
        tenant: Option<&str>,
    ) -> Arc<Line> {
        Arc::new_cyclic(|line: &Weak<Line>| {
            let line = line.clone();
            let heard = move |event| {
                line.upgrade().iter().for_each(|line| line.heard(&event));
                std::future::ready(())
            };
            let options = options(config, login, tenant);
            let options = options.no_echo().retry_on_initial_connect().event_callback(heard);
            Line {
                tenant: tenant.map(str::to_owned),
                counters: LineCounters::default(),
                options,
                servers: config.servers.clone(),
                outgoing: Arc::new(OutgoingQueue::new()),
                client: watch::Sender::new(None),
                connected: watch::Sender::new(false),
                payload_max: AtomicUsize::new(PAYLOAD_MAX),
                round_trip: AtomicU64::new(0),
                is_told: AtomicBool::new(false),
                fault: Mutex::new(None),
            }
        })
    }

    /// Begins to connect and to send. Called on the thread of the cluster.
    pub(super) fn begin(self: &Arc<Self>) {
        tokio::spawn(send(Arc::downgrade(self)));
    }

    /// Its client, as soon as it exists; it may not be connected yet, and queues commands until it is. None if the line is gone.
    pub(super) async fn client(&self) -> Option<Client> {
        let mut made = self.client.subscribe();
        let client = made.wait_for(Option::is_some).await;
        client.ok().and_then(|client| client.clone())
    }

    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Whether it is connected, and each change of that. What is published while it is not never comes.
    pub(super) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// The largest message of its server.
    pub fn payload_max(&self) -> usize {
        self.payload_max.load(Ordering::Relaxed)
    }

    /// The longest message that its server takes, with room for the header.
    fn message_max(&self) -> usize {
        self.payload_max().saturating_sub(HEADER_BYTES_MAX)
    }

    /// Sends a push of a link to a channel.
    pub(super) fn push(&self, link: usize, sender: &Arc<PushSender>, channel: &str, push: Push) {
        self.outgoing.push(link, sender, channel, push, self.message_max());
    }

    /// Reserves room in an outbox for a message of this length. One that no server takes, or for which there is no room, is counted.
    pub(super) fn room(
        &self,
        outbox: &ByteBudget,
        length: usize,
        too_large: &ClusterCount,
        refused: &ClusterCount,
    ) -> Result<Reservation, NoRelay> {
        let longest = self.message_max();
        if longest < length {
            too_large.add(1);
            return Err(NoRelay::TooLarge(longest));
        }
        let bytes = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(KEPT_BYTES);
        outbox.reserve(bytes).ok_or_else(|| {
            refused.add(1);
            NoRelay::Full
        })
    }

    /// The round trip to the server, if it was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        let nanoseconds = self.round_trip.load(Ordering::Relaxed);
        (nanoseconds != 0).then(|| Duration::from_nanos(nanoseconds))
    }

    /// Sets the measured round trip.
    pub(super) fn set_round_trip(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.round_trip.store(nanoseconds, Ordering::Relaxed);
    }

    /// The last error, if it persists.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().clone()
    }

    /// Sends what waits, if possible, and closes.
    pub(super) async fn finish(&self) {
        let Some(client) = self.client.borrow().clone() else { return };
        while !self.outgoing.is_empty() && self.is_connected() {
            tokio::task::yield_now().await;
        }
        self.outgoing.close();
        if self.is_connected() {
            // Fails if the server is gone.
            let _ = client.flush().await;
        }
    }

    /// Handles an event of the client.
    fn heard(&self, event: &Event) {
        match event {
            Event::Connected => self.has_connected(),
            Event::Disconnected => {
                self.connected.send_replace(false);
                self.counters.lost.add(1);
                self.set_fault(Some("the connection was lost".to_owned()));
                let tenant = self.tenant.as_deref();
                tracing::warn!(tenant, "the connection to NATS is lost: what is pushed waits");
            }
            Event::SlowConsumer(_) => self.counters.overrun.add(1),
            Event::LameDuckMode => tracing::info!("a NATS server is about to leave"),
            Event::ServerError(ServerError::SlowConsumer(_)) => self.counters.overrun.add(1),
            Event::ServerError(error) => self.refused(&error.to_string()),
            Event::ClientError(error) => self.is_not_reached(error),
            Event::Draining | Event::Closed => {}
        }
    }

    fn has_connected(&self) {
        self.connected.send_replace(true);
        self.is_told.store(false, Ordering::Relaxed);
        self.counters.connected.add(1);
        self.set_fault(None);
        let tenant = self.tenant.as_deref();
        let client = self.client.borrow().clone();
        client.iter().for_each(|it| self.payload_max.store(it.max_payload(), Ordering::Relaxed));
        let info = client.as_ref().and_then(Client::try_server_info);
        let server = info.as_ref().map(|info| info.server_name.as_str());
        tracing::info!(tenant, server, "connected to NATS");
    }

    /// Handles a failed attempt to connect.
    fn is_not_reached(&self, error: &ClientError) {
        let cause = match error {
            ClientError::Other(cause) => cause.clone(),
            error => error.to_string(),
        };
        self.set_fault(Some(cause.clone()));
        if !self.is_told.swap(true, Ordering::Relaxed) {
            let servers: Vec<&str> = self.servers.iter().map(ServerAddr::as_url_str).collect();
            let (tenant, servers) = (self.tenant.as_deref(), servers.join(", "));
            tracing::error!(tenant, servers, cause, "NATS is not reached: tried again and again");
        }
    }

    /// Handles a message that the server refuses. There may be many, so that one is logged.
    fn refused(&self, cause: &str) {
        self.counters.errors.add(1);
        if self.set_fault(Some(cause.to_owned())) {
            tracing::error!(tenant = self.tenant.as_deref(), cause, "NATS refuses");
        }
    }

    /// Sets the error; returns whether it is a new one.
    fn set_fault(&self, fault: Option<String>) -> bool {
        let mut known = self.fault.lock();
        let is_new = *known != fault;
        *known = fault;
        is_new
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.outgoing.close();
    }
}

/// Makes the client, and passes waiting messages to it in order.
async fn send(line: Weak<Line>) {
    let Some(client) = make_client(&line).await else { return };
    let Some(begun) = line.upgrade() else { return };
    begun.client.send_replace(Some(client.clone()));
    let outgoing = begun.outgoing.clone();
    drop(begun);
    while let Some(message) = outgoing.next().await {
        let Sealed { subject, headers, payload, count, counters } = message;
        match client.publish_with_headers(subject, headers, payload).await {
            Ok(()) => counters.published.add(count),
            Err(error) => line.upgrade().iter().for_each(|line| line.refused(&error.to_string())),
        }
    }
}

/// Makes the client, which then connects again by itself. An error is one of its options, such as a file that cannot be read, and may
/// be mended. None if the line is gone.
async fn make_client(line: &Weak<Line>) -> Option<Client> {
    let (options, servers) =
        line.upgrade().map(|begun| (begun.options.clone(), begun.servers.clone()))?;
    loop {
        let error = match options.clone().connect(servers.as_slice()).await {
            Ok(client) => return Some(client),
            Err(error) => error,
        };
        line.upgrade()?.is_not_reached(&ClientError::Other(error.to_string()));
        sleep(MADE_AGAIN_AFTER).await;
    }
}
