//! What a connection of a test does not have: the call says so, and where to test it.

use super::{LOOP, sockets::Socket};
use crate::{
    bindings::sandloop::plugin::{
        byte_counts::ByteCount,
        file_versions::FileVersion,
        files::{FileError, FilePart},
        proxying::{ProxyError, ProxyOptions},
        tls::{HandshakeFailure, Role, StreamEnd, TlsSession},
    },
    log::Level,
    types::{Endpoint, ErrorCode},
};

fn refuse(what: &str) {
    let text = format!(
        "{what} is not there in sandloop::testing; test it with a transcript: sandloop test"
    );
    LOOP.with_borrow_mut(|all| all.host.logged.push((Level::Warn, text)));
}

pub(crate) fn send_datagram(_: &Socket, _: &[u8], _: &Endpoint) -> Result<(), ErrorCode> {
    refuse("a datagram");
    Err(ErrorCode::Unsupported)
}

pub(crate) fn proxy_incoming_to(_: &Socket, _: &Socket, _: ProxyOptions) -> Result<(), ProxyError> {
    refuse("proxying");
    Err(ProxyError::Unsupported)
}

pub(crate) fn stop_proxying(_: &Socket) {}

pub(crate) fn get_proxied_bytes(_: &Socket) -> ByteCount {
    0.into()
}

pub(crate) fn send_file(_: &Socket, _: &str, _: FilePart) -> Result<u32, FileError> {
    refuse("sending files");
    Err(FileError::Unsupported)
}

pub(crate) fn send_version(
    socket: &Socket,
    path: &str,
    part: FilePart,
    _: FileVersion,
) -> Result<u32, FileError> {
    send_file(socket, path, part)
}

pub(crate) fn start_tls(_: &Socket, _: &Role) -> Result<(), ErrorCode> {
    refuse("TLS");
    Err(ErrorCode::Unsupported)
}

pub(crate) fn session(_: &Socket) -> Option<TlsSession> {
    None
}

pub(crate) fn failure(_: &Socket) -> Option<HandshakeFailure> {
    None
}

pub(crate) fn peer_certificates(_: &Socket) -> Vec<Vec<u8>> {
    Vec::new()
}

pub(crate) fn end_of_stream(_: &Socket) -> StreamEnd {
    StreamEnd::None
}

/// A test has no cluster.
pub(crate) mod cluster_processes {
    use super::{ErrorCode, refuse};
    use crate::bindings::sandloop::plugin::cluster_processes::{ClusterProcess, Placement};

    pub(crate) fn spawn(
        _: Option<&str>,
        _: &str,
        _: &[u8],
        _: &Placement,
    ) -> Result<ClusterProcess, ErrorCode> {
        refuse("a cluster");
        Err(ErrorCode::Unsupported)
    }

    pub(crate) fn notify(_: ClusterProcess, _: &[u8]) -> Result<(), ErrorCode> {
        refuse("a cluster");
        Err(ErrorCode::Unsupported)
    }

    pub(crate) fn kill(_: ClusterProcess) {}

    pub(crate) fn current() -> Option<ClusterProcess> {
        None
    }
}
