//! TLS: the echo and whole handshakes, beside the same natively over rustls and nginx in front of a native echo.

mod wire;

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore, ServerConfig, client::Resumption};
use sandloop_tests::certificates::Authority;
use serde::Serialize;

use self::wire::Secured;
use crate::{
    contest::{Contestant, Files, GENERATOR_CORE, Options, Running, SERVER_CORE, Work},
    listening::Listening,
    load::{self, Load, SMALL_BYTES, small::Small},
    native,
    report::exit_code,
    sys,
};

/// Connections that are held in ping-pong.
const CONNECTIONS: usize = 50;
/// Threads that shake hands.
const HANDS: usize = 4;

/// TLS: the sandboxed echo beside a native one and nginx, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "tls")]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options<Kind>,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// The native server alone, until it is killed.
    Serve {
        /// Where to listen.
        address: SocketAddr,
        /// The certificate; without one it speaks plain.
        certificate: Option<std::path::PathBuf>,
        /// Its key.
        key: Option<std::path::PathBuf>,
    },
}

/// One of the servers, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// mio and rustls, no sandbox.
    Native,
    /// The sandbox host, one instance for all connections.
    Plugin,
    /// The sandbox host, one instance for each connection.
    Connection,
    /// nginx's `stream`, one worker, in front of the native server without TLS on the other core.
    Nginx,
}

impl Contestant for Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Native => "native",
            Kind::Plugin => "plugin",
            Kind::Connection => "connection",
            Kind::Nginx => "nginx",
        }
    }

    fn missing(self) -> Option<&'static str> {
        match self {
            Kind::Nginx => crate::nginx::missing(),
            _ => None,
        }
    }
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    exit_code(match mode {
        Some(Mode::Serve { address, certificate: Some(certificate), key: Some(key) }) => {
            serve(address, &certificate, &key)
        }
        Some(Mode::Serve { address, .. }) => native::serve(address, || native::Echo),
        None => run(&options),
    })
}

fn serve(address: SocketAddr, certificate: &Path, key: &Path) -> Result<()> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    let config = Arc::new(config);
    native::serve_over(
        address,
        || native::Echo,
        move |stream| Secured::accept(stream, Arc::clone(&config)),
    )
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn run(options: &Options<Kind>) -> Result<()> {
    let mut contest = options.begin()?;
    sys::stay_here_on_core(GENERATOR_CORE)?;
    let dir = tempfile::tempdir().context("a scratch folder")?;
    let client = certificates(dir.path())?;
    let echo =
        Work { title: "TLS 1.3, 64 B x 50 connections, ping-pong", unit: "msg", bases: BASES };
    contest.run(echo, |kind, files| Pinging::start(kind, files, dir.path(), &client))?;
    let shake =
        Work { title: "connect, handshake, 64 B, reply, close", unit: "conn", bases: BASES };
    contest.run(shake, |kind, files| Shaking::start(kind, files, dir.path(), &client))
}

const BASES: &[Kind] = &[Kind::Native, Kind::Nginx];

/// Writes those of the servers; what a client trusts.
fn certificates(dir: &Path) -> Result<Arc<ClientConfig>> {
    let authority = Authority::new("Authority of a bench");
    authority.certify(dir, "server", &["localhost"]);
    let trusted = authority.write(dir, "ca");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted)?)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A server, and what stands behind it.
struct Servers {
    measured: Listening,
    behind: Option<Listening>,
}

impl Servers {
    fn start(kind: Kind, files: &Files, dir: &Path) -> Result<Servers> {
        let (certificate, key) = (dir.join("server.pem"), dir.join("server.key"));
        let behind = match kind {
            Kind::Nginx => {
                Some(Listening::start(GENERATOR_CORE, |_, address| Ok(files.native(address)))?)
            }
            _ => None,
        };
        let measured = Listening::start(SERVER_CORE, |dir, address| match kind {
            Kind::Native => {
                let mut command = files.native(address);
                command.args([&certificate, &key]);
                Ok(command)
            }
            Kind::Plugin | Kind::Connection => {
                let plugin = format!("isolation = \"{}\"", kind.name());
                let listen = format!(
                    "address = \"tls://{address}\"\ncertificate = {certificate:?}\nkey = {key:?}"
                );
                files.sandboxed(dir, "echo", &plugin, &listen)
            }
            Kind::Nginx => {
                let behind = behind.as_ref().context("a server behind nginx")?.address;
                crate::nginx::stream(
                    dir,
                    &format!(
                        "server {{ listen {address} ssl; proxy_pass {behind};\n\
                         ssl_certificate {}; ssl_certificate_key {};\n\
                         ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache none; }}",
                        certificate.display(),
                        key.display()
                    ),
                )
            }
        })?;
        Ok(Servers { measured, behind })
    }
}

/// Connections that stay.
struct Pinging {
    servers: Servers,
    load: Small<Secured<rustls::ClientConnection>>,
}

impl Pinging {
    fn start(kind: Kind, files: &Files, dir: &Path, client: &Arc<ClientConfig>) -> Result<Pinging> {
        let servers = Servers::start(kind, files, dir)?;
        let address = servers.measured.address;
        let load = Small::over(CONNECTIONS, |index| Secured::connect(address, index, client))?;
        Ok(Pinging { servers, load })
    }
}

impl Running for Pinging {
    fn servers(&self) -> Vec<&Listening> {
        vec![&self.servers.measured]
    }

    fn behind(&self) -> Vec<&Listening> {
        self.servers.behind.iter().collect()
    }

    fn work(&mut self, time: Duration) -> Result<f64> {
        Ok(self.load.run(time, true)?.messages as f64)
    }
}

/// Connections that come and go.
struct Shaking {
    servers: Servers,
    client: Arc<ClientConfig>,
}

impl Shaking {
    fn start(kind: Kind, files: &Files, dir: &Path, client: &Arc<ClientConfig>) -> Result<Shaking> {
        Ok(Shaking { servers: Servers::start(kind, files, dir)?, client: Arc::clone(client) })
    }
}

impl Running for Shaking {
    fn servers(&self) -> Vec<&Listening> {
        vec![&self.servers.measured]
    }

    fn behind(&self) -> Vec<&Listening> {
        self.servers.behind.iter().collect()
    }

    fn work(&mut self, time: Duration) -> Result<f64> {
        let (address, client) = (self.servers.measured.address, &self.client);
        let shaken = std::thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS)
                .map(|hand| scope.spawn(move || shake(address, client, hand, time)))
                .collect();
            let joined = hands.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|done| done.unwrap_or_else(|_| anyhow::bail!("a client has panicked"))).sum()
        });
        let shaken: Result<u64> = shaken;
        Ok(shaken? as f64)
    }
}

/// One connection after the other, for so long.
fn shake(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
    hand: usize,
    time: Duration,
) -> Result<u64> {
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        let index = hand + HANDS * usize::try_from(count)?;
        let stream: TcpStream = load::connect(address, index)?;
        let name = ServerName::try_from("localhost")?;
        let session = rustls::ClientConnection::new(Arc::clone(client), name)?;
        wire::echo_once(session, stream, &[0xa5; SMALL_BYTES])?;
        count += 1;
    }
    Ok(count)
}
