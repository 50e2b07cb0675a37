//! Blocks of a known length, assembled from the pieces in which they are received.

use std::collections::TryReserveError;

/// An incomplete block.
#[derive(Debug)]
pub(crate) struct Block {
    size: usize,
    bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn new(size: usize) -> Block {
        Block { size, bytes: Vec::new() }
    }

    /// Takes bytes of the block from `input`; returns the block once it is complete. Memory is allocated as bytes arrive, and a
    /// failed allocation is an error, because a sandbox has little memory.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, TryReserveError> {
        let (taken, rest) = input.split_at(input.len().min(self.size - self.bytes.len()));
        self.bytes.try_reserve(taken.len())?;
        self.bytes.extend_from_slice(taken);
        *input = rest;
        Ok((self.bytes.len() == self.size).then(|| std::mem::take(&mut self.bytes)))
    }

    /// The bytes that were received.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
