//! All that the protocols of this crate know of a socket, so that a unit test can stand in its place.

#[cfg(test)]
pub(crate) mod fake;
#[cfg(feature = "http")]
pub(crate) mod outlet;
#[cfg(any(feature = "amqp", feature = "http"))]
pub(crate) mod room;

#[cfg(feature = "http")]
use std::ops::Range;
use std::time::Duration;

#[cfg(feature = "http")]
use crate::files::{FileError, FileVersion};
use crate::{
    sockets::Socket,
    tls::{HandshakeFailure, TlsClient},
    types::{Address, ErrorCode},
};

/// A socket, or what a unit test has instead. The methods are [`Socket`]'s.
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only HTTP needs all of it"))]
pub(crate) trait Transport {
    fn send(&self, data: &[u8]) -> Result<(), ErrorCode>;
    fn close(&self);
    fn close_after_writing(&self);
    fn half_close(&self);
    fn pause(&self);
    fn resume(&self);
    fn keep_half_open(&self, keep: bool);
    fn peer_finished(&self) -> bool;
    fn set_inactivity_timeout(&self, timeout: Duration);
    fn idle_time(&self) -> Duration;
    fn outbound(&self) -> usize;
    fn peer_address(&self) -> Option<Address>;
    fn id(&self) -> u32;
    /// Sends a part of a file; `then` gets the result.
    #[cfg(feature = "http")]
    fn send_file(&self, file: FileToSend, then: FileSent) -> Result<(), FileError>;
    fn start_tls(&self, client: TlsClient) -> Result<(), ErrorCode>;
    fn tls_failure(&self) -> Option<HandshakeFailure>;
}

/// A part of a file, of any version or of one.
#[cfg(feature = "http")]
pub(crate) struct FileToSend {
    pub path: String,
    pub part: Range<u64>,
    pub version: Option<FileVersion>,
}

/// The callback with the result of a file.
#[cfg(feature = "http")]
pub(crate) type FileSent = Box<dyn FnOnce(Result<u64, FileError>)>;

impl Transport for Socket {
    fn send(&self, data: &[u8]) -> Result<(), ErrorCode> {
        self.try_send_data(data)
    }

    fn close(&self) {
        self.close_connection();
    }

    fn close_after_writing(&self) {
        self.close_connection_after_writing();
    }

    fn half_close(&self) {
        // It fails only where the write side is closed already.
        let _ = Socket::half_close(self);
    }

    fn pause(&self) {
        Socket::pause(self);
    }

    fn resume(&self) {
        Socket::resume(self);
    }

    fn keep_half_open(&self, keep: bool) {
        Socket::keep_half_open(self, keep);
    }

    fn peer_finished(&self) -> bool {
        Socket::peer_finished(self)
    }

    fn set_inactivity_timeout(&self, timeout: Duration) {
        self.set_comm_inactivity_timeout(timeout);
    }

    fn idle_time(&self) -> Duration {
        Socket::idle_time(self)
    }

    fn outbound(&self) -> usize {
        self.outbound_data_size() as usize
    }

    fn peer_address(&self) -> Option<Address> {
        Socket::peer_address(self)
    }

    fn id(&self) -> u32 {
        Socket::id(self)
    }

    #[cfg(feature = "http")]
    fn send_file(&self, file: FileToSend, then: FileSent) -> Result<(), FileError> {
        let FileToSend { path, part, version } = file;
        match version {
            None => Socket::send_file(self, &path, part, then),
            Some(version) => self.send_file_version(&path, part, version, then),
        }
    }

    fn start_tls(&self, client: TlsClient) -> Result<(), ErrorCode> {
        Socket::start_tls(self, client)
    }

    fn tls_failure(&self) -> Option<HandshakeFailure> {
        Socket::tls_failure(self)
    }
}
