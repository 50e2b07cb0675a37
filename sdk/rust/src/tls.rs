//! TLS on a connection, in either role: from its beginning, or after a word of the protocol (STARTTLS).
//!
//! ```no_run
//! use sandloop::{Connection, Socket, TlsClient, connect};
//!
//! struct Client(Socket);
//!
//! impl Connection for Client {
//!     fn post_init(&mut self) {
//!         self.0.start_tls(TlsClient::new("example.com")).expect("a name");
//!         // It waits for the handshake.
//!         self.0.send_data("hello");
//!     }
//!
//!     fn tls_completed(&mut self) {
//!         sandloop::info!("{:?}", self.0.get_cipher_name());
//!     }
//! }
//!
//! # fn start() -> sandloop::Result {
//! connect("example.com", 443, Client)?;
//! # Ok(())
//! # }
//! ```
//!
//! Keys and authorities are the operator's: `[plugins.NAME.tls.PROFILE]` of `plugins.toml` is a profile, which a plugin names.

use crate::{
    bindings::sandloop::plugin::tls as host, host::calls, sockets::Socket, types::ErrorCode,
};

#[doc(inline)]
pub use host::{
    FailureKind, HandshakeFailure, ProtocolVersion, StreamEnd, TlsSession, Verification,
};

/// The client side: the requested name and the accepted certificates.
#[derive(Clone, Debug)]
pub struct TlsClient(host::Client);

/// The side that shows a certificate and waits for the other to begin.
#[derive(Clone, Debug)]
pub struct TlsServer(host::Server);

/// Either side.
#[derive(Clone, Debug)]
pub struct TlsRole(host::Role);

impl TlsClient {
    /// A client of the server with this name or IP address, which its certificate must be for. The host verifies it by the
    /// system's authorities, unless more is said here.
    pub fn new(server_name: impl Into<String>) -> Self {
        TlsClient(host::Client {
            server_name: server_name.into(),
            profile: None,
            alpn: Vec::new(),
            verification: Verification::Host,
        })
    }

    /// The name or address that was given.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.0.server_name
    }

    /// The operator's profile with the authorities, and with a certificate to show.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.0.profile = Some(profile.into());
        self
    }

    /// The protocols to choose from (ALPN), the best first.
    #[must_use]
    pub fn alpn<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.alpn = names.into_iter().map(Into::into).collect();
        self
    }

    /// Who decides about the server's certificate.
    #[must_use]
    pub fn verification(mut self, verification: Verification) -> Self {
        self.0.verification = verification;
        self
    }
}

impl TlsServer {
    /// A server with the certificates of the operator's profile, and with what that asks of clients.
    pub fn new(profile: impl Into<String>) -> Self {
        TlsServer(host::Server {
            profile: profile.into(),
            alpn: Vec::new(),
            verification: Verification::Host,
        })
    }

    /// The protocols that are spoken (ALPN), the best first.
    #[must_use]
    pub fn alpn<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.alpn = names.into_iter().map(Into::into).collect();
        self
    }

    /// Who decides about the client's certificate, where it shows one.
    #[must_use]
    pub fn verification(mut self, verification: Verification) -> Self {
        self.0.verification = verification;
        self
    }
}

impl From<TlsClient> for TlsRole {
    fn from(client: TlsClient) -> Self {
        TlsRole(host::Role::Client(client.0))
    }
}

impl From<TlsServer> for TlsRole {
    fn from(server: TlsServer) -> Self {
        TlsRole(host::Role::Server(server.0))
    }
}

impl Socket {
    /// Has the connection go on with TLS, once what was sent before has gone out in plain. Called in any callback, also in the
    /// `post_init` of an outgoing connection. What is sent from here on waits for the handshake.
    ///
    /// Forget what came in plain behind the word that asked for it, and answer nothing of that: it came from whoever could
    /// write into the connection.
    ///
    /// # Errors
    /// `closed`, `closing`, `unsupported` (it has TLS already; it is a peer of UDP), `denied` (there is no such profile, it has no
    /// certificate, or the plugin may not decide alone: the log names the line), `invalid-argument` (the name; the
    /// protocols), `limit`.
    pub fn start_tls(&self, role: impl Into<TlsRole>) -> Result<(), ErrorCode> {
        calls::start_tls(&self.host(), &role.into().0)
    }

    /// The negotiated session, once the handshake is complete.
    #[must_use]
    pub fn tls_session(&self) -> Option<TlsSession> {
        calls::session(&self.host())
    }

    /// Why the handshake failed, in `unbind`.
    #[must_use]
    pub fn tls_failure(&self) -> Option<HandshakeFailure> {
        calls::failure(&self.host())
    }

    /// The peer's certificate, then those that lead to its authority, each as DER.
    #[must_use]
    pub fn peer_certificates(&self) -> Vec<Vec<u8>> {
        calls::peer_certificates(&self.host())
    }

    /// The peer's certificate, as DER where EventMachine has PEM.
    #[must_use]
    pub fn get_peer_cert(&self) -> Option<Vec<u8>> {
        self.peer_certificates().into_iter().next()
    }

    /// The suite that was agreed on: `TLS_AES_128_GCM_SHA256`.
    #[must_use]
    pub fn get_cipher_name(&self) -> Option<String> {
        self.tls_session().map(|session| session.cipher)
    }

    /// Bits of its key.
    #[must_use]
    pub fn get_cipher_bits(&self) -> Option<u32> {
        self.tls_session().map(|session| session.cipher_bits)
    }

    /// The version that was agreed on, as OpenSSL writes it: `TLSv1.3`.
    #[must_use]
    pub fn get_cipher_protocol(&self) -> Option<&'static str> {
        self.tls_session().map(|session| match session.version {
            ProtocolVersion::Tls12 => "TLSv1.2",
            ProtocolVersion::Tls13 => "TLSv1.3",
        })
    }

    /// The name that the client has asked for.
    #[must_use]
    pub fn get_sni_hostname(&self) -> Option<String> {
        self.tls_session()?.server_name
    }

    /// The protocol that was chosen, if one was.
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<String> {
        self.tls_session()?.alpn
    }

    /// How the peer's stream has ended: whether it said so.
    #[must_use]
    pub fn end_of_stream(&self) -> StreamEnd {
        calls::end_of_stream(&self.host())
    }
}
