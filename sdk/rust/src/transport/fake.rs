//! A socket for unit tests: it records calls, and has the state that the test sets.

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

use super::Transport;
#[cfg(feature = "http")]
use super::{FileSent, FileToSend};
#[cfg(feature = "http")]
use crate::files::FileError;
use crate::{
    tls::{HandshakeFailure, TlsClient},
    types::{Address, ErrorCode},
};

/// What a socket would have done.
#[derive(Default)]
pub(crate) struct Wire {
    pub sent: Vec<u8>,
    /// How often something was sent.
    pub sends: usize,
    pub ended: Option<&'static str>,
    pub half_closed: bool,
    pub paused: bool,
    pub keeps_half_open: bool,
    pub inactivity_timeout: Duration,
    // Actions of the peer, called by the test.
    pub peer_finished: bool,
    pub idle: Duration,
    pub outbound: usize,
    /// The peer does not read: sent bytes stay in the outbox.
    pub fills: bool,
    /// Bytes of one send that the outbox refuses.
    pub outbox_max: usize,
    /// Files being sent: their lengths, and their callbacks.
    #[cfg(feature = "http")]
    pub files: Vec<(u64, FileSent)>,
    /// The start of TLS: the bytes sent before it, and the server name.
    pub tls: Option<(usize, String)>,
    pub tls_failure: Option<HandshakeFailure>,
}

pub(crate) struct FakeSocket(pub Rc<RefCell<Wire>>);

impl FakeSocket {
    fn wire(&self) -> RefMut<'_, Wire> {
        self.0.borrow_mut()
    }
}

impl Transport for FakeSocket {
    fn send(&self, data: &[u8]) -> Result<(), ErrorCode> {
        let mut wire = self.wire();
        if wire.ended.is_some() || wire.half_closed {
            return Err(ErrorCode::Closing);
        }
        if wire.outbox_max < data.len() {
            return Err(ErrorCode::OutboxFull);
        }
        assert!(!data.is_empty());
        wire.sent.extend_from_slice(data);
        wire.sends += 1;
        if wire.fills {
            wire.outbound += data.len();
        }
        Ok(())
    }

    fn close(&self) {
        self.wire().ended.get_or_insert("closed");
    }

    fn close_after_writing(&self) {
        self.wire().ended.get_or_insert("closed after writing");
    }

    fn half_close(&self) {
        self.wire().half_closed = true;
    }

    fn pause(&self) {
        self.wire().paused = true;
    }

    fn resume(&self) {
        self.wire().paused = false;
    }

    fn keep_half_open(&self, keep: bool) {
        self.wire().keeps_half_open = keep;
    }

    fn peer_finished(&self) -> bool {
        self.wire().peer_finished
    }

    fn set_inactivity_timeout(&self, timeout: Duration) {
        self.wire().inactivity_timeout = timeout;
    }

    fn idle_time(&self) -> Duration {
        self.wire().idle
    }

    fn outbound(&self) -> usize {
        self.wire().outbound
    }

    fn peer_address(&self) -> Option<Address> {
        Some(Address::tcp("192.0.2.1", 1234))
    }

    fn id(&self) -> u32 {
        7
    }

    #[cfg(feature = "http")]
    fn send_file(&self, file: FileToSend, then: FileSent) -> Result<(), FileError> {
        let FileToSend { path, part, .. } = file;
        let mut wire = self.wire();
        if wire.ended.is_some() || wire.half_closed {
            return Err(FileError::Closing);
        }
        let length = part.end - part.start;
        wire.sent.extend_from_slice(format!("<{path} {part:?}>").as_bytes());
        wire.files.push((length, then));
        Ok(())
    }

    fn start_tls(&self, client: TlsClient) -> Result<(), ErrorCode> {
        let mut wire = self.wire();
        if wire.tls.is_some() {
            return Err(ErrorCode::Unsupported);
        }
        wire.tls = Some((wire.sent.len(), client.server_name().to_owned()));
        Ok(())
    }

    fn tls_failure(&self) -> Option<HandshakeFailure> {
        self.wire().tls_failure.clone()
    }
}
