//! Bodies as streams of `wasi:io`.

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::answer::Body;
use crate::quota::budget::Reservation;

/// The body of an incoming request, which is in memory.
#[derive(Debug)]
pub(super) struct WholeBody {
    bytes: Bytes,
    _kept: Reservation,
}

impl WholeBody {
    pub(super) fn new(bytes: Bytes, kept: Reservation) -> WholeBody {
        WholeBody { bytes, _kept: kept }
    }
}

#[async_trait::async_trait]
impl Pollable for WholeBody {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for WholeBody {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        Ok(self.bytes.split_to(size.min(self.bytes.len())))
    }
}

/// The output stream of an outgoing body.
pub(super) struct BodyStream(pub(super) Body);

#[async_trait::async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {
        self.0.wait_for_room().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for BodyStream {
    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.room()
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        // Each write is sent to the peer at once.
        Ok(())
    }
}

/// A pollable that is always ready.
pub(super) struct AlwaysReady;

#[async_trait::async_trait]
impl Pollable for AlwaysReady {
    async fn ready(&mut self) {}
}
