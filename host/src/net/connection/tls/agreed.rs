//! The negotiated parameters of a session, as the contract names them.

use rustls::{Connection as Session, HandshakeKind, ProtocolVersion as Version};

use crate::contract::bindings::{ProtocolVersion, TlsSession};

/// The parameters of a session whose handshake is complete; `asked_for` is the server name of a client.
pub(crate) fn agreed(session: &Session, asked_for: Option<&str>) -> Option<TlsSession> {
    let version = match session.protocol_version()? {
        Version::TLSv1_2 => ProtocolVersion::Tls12,
        Version::TLSv1_3 => ProtocolVersion::Tls13,
        _ => return None,
    };
    let suite = session.negotiated_cipher_suite()?.suite();
    let name = suite.as_str().unwrap_or_default();
    let server_name = match session {
        Session::Server(server) => server.server_name().map(str::to_owned),
        Session::Client(_) => asked_for.map(str::to_owned),
    };
    let alpn = session.alpn_protocol();
    Some(TlsSession {
        version,
        // rustls has a prefix of its own for the suites of TLS 1.3; IANA has not.
        cipher: name.replacen("TLS13_", "TLS_", 1),
        cipher_bits: if name.contains("AES_128") { 128 } else { 256 },
        alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
        server_name,
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    })
}

/// The peer's certificate chain, its own certificate first.
pub(crate) fn peer_certificates(session: &Session) -> Vec<Vec<u8>> {
    let shown = session.peer_certificates().unwrap_or_default();
    shown.iter().map(|certificate| certificate.to_vec()).collect()
}
