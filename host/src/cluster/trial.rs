//! `sandloop check`: tries the logins of the host and of each tenant with one of its own, their subjects, and JetStream if queues or
//! singletons need it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, Event, ServerAddr};
use futures_util::StreamExt;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::base::lock::Mutex;
use crate::cluster::lease;
use crate::cluster::line::{options, stem};
use crate::cluster::queues::jetstream::{JetFault, JetStream};
use crate::cluster::queues::streams::{self, QueueStreams};
use crate::config::cluster::{ClusterConfig, NatsLogin};
use crate::config::error::{ConfigError, Problem};
use crate::config::model::Config;

/// A login to try: the host's or a tenant's.
struct Visitor<'a> {
    cluster: &'a ClusterConfig,
    login: &'a NatsLogin,
    tenant: Option<&'a str>,
    /// Whether it needs access to leases.
    has_singletons: bool,
    /// The tenants whose queues are stored by this login.
    queues: Vec<&'a str>,
}

/// Why a login or its subjects cannot be used.
enum TrialRefusal {
    /// The connection or the login has failed.
    Connection(ConnectErrorKind, String),
    /// The login is valid, but may not use its subjects.
    Subjects(String),
    /// The login has access to its subjects, but not to the leases.
    Leases(String),
    /// The login has access to everything but the streams of queues.
    Streams(JetFault),
}

/// Connects once to each server, and again for each tenant with a login of its own. Servers that cannot be reached while others can
/// become warnings.
///
/// # Errors
/// When a login reaches no server, or not its subjects, or when the system has no descriptors.
pub(crate) fn check(config: &Config) -> Result<Vec<String>, TrialError> {
    let Some(cluster) = &config.cluster else { return Ok(Vec::new()) };
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| TrialError::System(error.to_string()))?;
    let has_singletons = config.plugins.iter().any(|plugin| plugin.singleton);
    let sharing = config.tenants.iter().filter(|tenant| tenant.sharing.queues);
    let of_host = sharing.filter(|tenant| tenant.sharing.login.is_none());
    let queues = of_host.map(|tenant| tenant.name.as_str()).collect();
    let host = Visitor { cluster, login: &cluster.login, tenant: None, has_singletons, queues };
    let own = config.tenants.iter().filter_map(|tenant| {
        let (login, name) = (tenant.sharing.login.as_ref()?, tenant.name.as_str());
        let queues = tenant.sharing.queues.then_some(name).into_iter().collect();
        Some(Visitor { cluster, login, tenant: Some(name), has_singletons: false, queues })
    });
    let mut doubts = Vec::new();
    for visitor in std::iter::once(host).chain(own) {
        let found = runtime.block_on(visitor.visit_all());
        doubts.extend(found.map_err(|error| TrialError::Config(visitor.complaint(config, error)))?);
    }
    Ok(doubts)
}

/// Why a trial has failed.
#[derive(Debug)]
pub(crate) enum TrialError {
    /// An error of the configuration.
    Config(ConfigError),
    /// An error of the system.
    System(String),
}

impl Visitor<'_> {
    /// Tries each server. If one succeeds, the failures of others are returned as warnings.
    async fn visit_all(&self) -> Result<Vec<String>, (String, TrialRefusal)> {
        let (mut failed, mut reached) = (Vec::new(), 0);
        for server in &self.cluster.servers {
            match self.visit(server).await {
                Ok(()) => reached += 1,
                Err(refusal) => failed.push((server.as_url_str().to_owned(), refusal)),
            }
        }
        let is_reached = 0 < reached;
        match failed.pop() {
            Some(last) if !is_reached => Err(last),
            last => {
                let all = failed.into_iter().chain(last);
                Ok(all
                    .map(|(server, why)| format!("NATS is not reached at {server}: {why}"))
                    .collect())
            }
        }
    }

    /// Connects, and sends itself a message on one of its subjects.
    async fn visit(&self, server: &ServerAddr) -> Result<(), TrialRefusal> {
        let complaint = Arc::new(Mutex::new(None));
        let heard = {
            let complaint = complaint.clone();
            move |event| {
                if let Event::ServerError(error) = event {
                    *complaint.lock() = Some(error.to_string());
                }
                std::future::ready(())
            }
        };
        let options = options(self.cluster, self.login, self.tenant).event_callback(heard);
        let client = options.connect(server.clone()).await.map_err(|it| TrialRefusal::of(&it))?;
        let subject =
            format!("{}.=check.{:x}", stem(self.cluster, self.tenant), std::process::id());
        let round_trip = async {
            let mut mail = client
                .subscribe(subject.clone())
                .await
                .map_err(|error| ToString::to_string(&error))?;
            client
                .publish(subject, "check".into())
                .await
                .map_err(|error| ToString::to_string(&error))?;
            mail.next().await.map(drop).ok_or_else(|| "the connection was closed".to_owned())
        };
        let done = timeout(self.patience(), round_trip).await;
        let complained = complaint.lock().take();
        match (complained, done) {
            (Some(cause), _) | (None, Ok(Err(cause))) => Err(TrialRefusal::Subjects(cause)),
            (None, Err(_)) => {
                let cause = "a message to itself has not come back within connect_deadline";
                Err(TrialRefusal::Subjects(cause.to_owned()))
            }
            (None, Ok(Ok(()))) if self.has_singletons => {
                let tried = lease::try_out(&client, &self.cluster.prefix, self.patience()).await;
                let complained = complaint.lock().take();
                tried.map_err(|cause| TrialRefusal::Leases(complained.unwrap_or(cause)))?;
                self.visit_streams(client).await
            }
            (None, Ok(Ok(()))) => self.visit_streams(client).await,
        }
    }

    fn patience(&self) -> Duration {
        self.cluster.limits.connect_deadline
    }

    /// Looks up the streams of the queues, which may not exist yet.
    async fn visit_streams(&self, client: Client) -> Result<(), TrialRefusal> {
        let jet = JetStream::new(client);
        for tenant in &self.queues {
            let found = streams::find(&QueueStreams::new(self.cluster, tenant), &jet).await;
            found.map_err(TrialRefusal::Streams)?;
        }
        Ok(())
    }

    /// The error for the key that causes it.
    fn complaint(&self, config: &Config, (server, refusal): (String, TrialRefusal)) -> ConfigError {
        let section = self.tenant.map(|tenant| format!("tenants.{tenant}.cluster"));
        let of_login = match self.login {
            NatsLogin::Nobody => "nats",
            NatsLogin::User(..) => "user",
            NatsLogin::Token(_) => "token",
            NatsLogin::Credentials(_) => "credentials",
        };
        if let TrialRefusal::Leases(_) = refusal {
            let alone = config.plugins.iter().find(|plugin| plugin.singleton);
            let key =
                alone.map_or("cluster".to_owned(), |it| format!("plugins.{}.singleton", it.name));
            let remedy = lease::remedy(&self.cluster.prefix);
            return config.wrong(&key, Problem::new(format!("{server}: {refusal}"), remedy));
        }
        let key = if refusal.is_for_login() { of_login } else { "nats" };
        let key = section.unwrap_or_else(|| format!("cluster.{key}"));
        let remedy = refusal.remedy(&stem(self.cluster, self.tenant));
        config.wrong(&key, Problem::new(format!("{server}: {refusal}"), remedy))
    }
}

impl TrialRefusal {
    fn of(error: &ConnectError) -> TrialRefusal {
        let mut cause = error.kind().to_string();
        let mut inner = std::error::Error::source(error);
        while let Some(source) = inner {
            let text = source.to_string();
            if !cause.contains(&text) {
                cause = format!("{cause}: {text}");
            }
            inner = source.source();
        }
        TrialRefusal::Connection(error.kind(), cause)
    }

    fn is_for_login(&self) -> bool {
        match self {
            TrialRefusal::Connection(kind, _) => {
                matches!(
                    kind,
                    ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation
                )
            }
            TrialRefusal::Subjects(_) | TrialRefusal::Leases(_) => true,
            TrialRefusal::Streams(_) => false,
        }
    }

    fn remedy(&self, stem: &str) -> String {
        let kind = match self {
            TrialRefusal::Connection(kind, _) => kind,
            TrialRefusal::Subjects(_) | TrialRefusal::Leases(_) => {
                return format!(
                    "let this user publish and subscribe to \"{stem}.>\" in the server's configuration"
                );
            }
            TrialRefusal::Streams(_) => {
                return "enable JetStream in the server's configuration, for this user's account too, and let the user \
                        publish to \"$JS.API.>\" and \"$JS.ACK.>\""
                    .to_owned();
            }
        };
        match kind {
            ConnectErrorKind::Dns => "write the name or the address of a NATS server",
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                "write the credentials, the user with its password, or the token that the server knows"
            }
            ConnectErrorKind::Tls => {
                "name the authority of the server's certificate in server_ca, and a certificate if it asks for one"
            }
            _ => "see that a NATS server listens there and that no firewall is in between",
        }
        .to_owned()
    }
}

impl fmt::Display for TrialRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrialRefusal::Connection(_, cause) | TrialRefusal::Subjects(cause) => {
                f.write_str(cause)
            }
            TrialRefusal::Leases(cause) => write!(f, "there are no leases for it: {cause}"),
            TrialRefusal::Streams(fault) => fault.fmt(f),
        }
    }
}
