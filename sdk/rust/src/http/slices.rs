//! Content in pieces, copied one at a time.

use std::{borrow::Borrow, rc::Rc};

/// Pieces of content that is there as a whole.
pub(super) struct Slices<B> {
    content: B,
    sent: usize,
}

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

impl<B> Slices<B> {
    pub(crate) fn new(content: B) -> Slices<B> {
        Slices { content, sent: 0 }
    }
}

impl<B: AsBytes> Iterator for Slices<B> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let rest = &self.content.bytes()[self.sent..];
        let piece = &rest[..rest.len().min(PIECE)];
        self.sent += piece.len();
        (!piece.is_empty()).then(|| piece.to_vec())
    }
}

/// Owned or shared bytes.
pub(super) trait AsBytes {
    fn bytes(&self) -> &[u8];
}

impl AsBytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl AsBytes for Rc<Vec<u8>> {
    fn bytes(&self) -> &[u8] {
        let content: &Vec<u8> = self.borrow();
        content
    }
}
