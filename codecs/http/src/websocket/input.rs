//! Bytes of the peer.

use std::mem;

/// Received bytes that were not decoded yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    read: usize,
}

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..mem::take(&mut self.read));
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    /// These have been read.
    pub(super) fn skip(&mut self, size: usize) {
        self.read += size;
    }

    /// Up to `size` bytes, which are read with it.
    pub(super) fn take(&mut self, size: usize) -> &mut [u8] {
        let from = self.read;
        self.read = self.bytes.len().min(from.saturating_add(size));
        &mut self.bytes[from..self.read]
    }

    /// An open WebSocket on which nothing comes holds nothing.
    pub(super) fn release(&mut self) {
        if self.rest().is_empty() {
            *self = Input::default();
        }
    }
}
