//! `tls`: TLS on a plugin's connections, and queries about their sessions.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use wasmtime::component::Resource;

use crate::config::tls::{ALPN_BYTES_MAX, wire_names};
use crate::contract::bindings::{
    ErrorCode, HandshakeFailure, Role, StreamEnd, TlsSession, Verification, tls,
};
use crate::contract::export::Export;
use crate::contract::socket::SocketHandle;
use crate::host_api::command::Command;
use crate::host_api::state::HostState;
use crate::net::connection::start_tls::StartTlsError;
use crate::net::connection::tls::PeerVerification;
use crate::net::connection::tls_record::{TlsSide, TlsStart};
use crate::quota::host_memory::TLS_BYTES;

/// The most ALPN protocols that one side may offer.
const ALPN_NAMES_MAX: usize = 16;

impl HostState {
    /// The requested side of a session, and the server name of a client.
    fn tls_side(&self, role: Role) -> Result<(TlsSide, Option<String>), ErrorCode> {
        match role {
            Role::Client(client) => {
                let alpn = protocols(&client.alpn)?;
                let name = ServerName::try_from(client.server_name.clone());
                let name = name.map_err(|_| ErrorCode::InvalidArgument)?;
                let decides = client.verification == Verification::Plugin;
                let profile = client.profile.as_deref();
                let mut config = self
                    .plugin
                    .profiles
                    .client(profile, decides)
                    .map_err(|refusal| self.deny_profile(profile.unwrap_or(""), refusal))?;
                if !alpn.is_empty() {
                    Arc::make_mut(&mut config).alpn_protocols = alpn;
                }
                Ok((TlsSide::Client(config, name), Some(client.server_name)))
            }
            Role::Server(server) => {
                let alpn = protocols(&server.alpn)?;
                let decides = server.verification == Verification::Plugin;
                let mut config = self
                    .plugin
                    .profiles
                    .server(&server.profile, decides)
                    .map_err(|refusal| self.deny_profile(&server.profile, refusal))?;
                if !alpn.is_empty() {
                    Arc::make_mut(&mut config).alpn_protocols = alpn;
                }
                Ok((TlsSide::Server(config), None))
            }
        }
    }
}

/// ALPN protocol names as bytes.
fn protocols(alpn: &[String]) -> Result<Vec<Vec<u8>>, ErrorCode> {
    let is_good = |name: &String| (1..=ALPN_BYTES_MAX).contains(&name.len());
    if ALPN_NAMES_MAX < alpn.len() || !alpn.iter().all(is_good) {
        return Err(ErrorCode::InvalidArgument);
    }
    Ok(wire_names(alpn))
}

impl tls::Host for HostState {
    fn start_tls(&mut self, socket: Resource<SocketHandle>, role: Role) -> Result<(), ErrorCode> {
        let found = self.sockets.get(socket.rep());
        let (id, connection) = found.ok_or(ErrorCode::Closed)?;
        let (id, connection) = (*id, connection.clone());
        // Checked before the profile: on a closed connection a missing profile is no denial.
        connection.lock().may_start_tls()?;
        let verification = match &role {
            Role::Client(client) => client.verification,
            Role::Server(server) => server.verification,
        };
        let asks = verification != Verification::Host;
        if asks {
            self.needs("tls.start-tls", &[Export::Secured, Export::VerifyPeer])?;
        }
        let (side, asked_for) = self.tls_side(role)?;
        let kept = self.plugin.tenant.host_memory.reserve(TLS_BYTES);
        let kept = kept.ok_or_else(|| self.no_host_memory())?;
        let verification = if asks { PeerVerification::Wanted } else { PeerVerification::Done };
        let start = TlsStart { side, asked_for, verification, kept };
        let mut connection = connection.lock();
        connection.start_tls(start)?;
        let is_touched = connection.mark_dirty();
        drop(connection);
        if is_touched {
            self.commands.push(Command::Reconcile { id });
        }
        Ok(())
    }

    fn session(&mut self, socket: Resource<SocketHandle>) -> Option<TlsSession> {
        self.look(&socket, |connection| connection.session())?
    }

    fn peer_certificates(&mut self, socket: Resource<SocketHandle>) -> Vec<Vec<u8>> {
        self.look(&socket, |connection| connection.peer_certificates()).unwrap_or_default()
    }

    fn end_of_stream(&mut self, socket: Resource<SocketHandle>) -> StreamEnd {
        self.look(&socket, |connection| connection.end_of_stream()).unwrap_or(StreamEnd::None)
    }

    fn failure(&mut self, socket: Resource<SocketHandle>) -> Option<HandshakeFailure> {
        self.look(&socket, |connection| connection.handshake_failure())?
    }
}

impl From<StartTlsError> for ErrorCode {
    fn from(error: StartTlsError) -> ErrorCode {
        match error {
            StartTlsError::NotSendable(error) => error.into(),
            StartTlsError::Unsupported => ErrorCode::Unsupported,
        }
    }
}
