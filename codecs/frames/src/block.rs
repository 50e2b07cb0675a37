//! Blocks of a known length, put together from the pieces in which they come.

use std::collections::TryReserveError;

/// A block that is not complete.
#[derive(Debug)]
pub(crate) struct Block {
    size: usize,
    bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn new(size: usize) -> Block {
        Block { size, bytes: Vec::new() }
    }

    /// Takes what belongs to the block; the whole of it once it is complete. Memory is asked for as bytes come, and where
    /// there is none that is an error, because a sandbox has little.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, TryReserveError> {
        let (taken, rest) = input.split_at(input.len().min(self.size - self.bytes.len()));
        self.bytes.try_reserve(taken.len())?;
        self.bytes.extend_from_slice(taken);
        *input = rest;
        Ok((self.bytes.len() == self.size).then(|| std::mem::take(&mut self.bytes)))
    }

    /// What has come of it.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
