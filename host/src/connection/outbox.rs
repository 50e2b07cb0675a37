//! Bytes that the operating system did not take yet, with the marks that tell a slow peer from a fast one.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Where an outbox is high, low and full, in bytes; `low < high <= max`.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// Above this the peer is slow: the host stops reading from it.
    pub high: usize,
    /// Below this a slow peer has caught up.
    pub low: usize,
    /// More is never queued.
    pub max: usize,
}

/// Memory that an empty outbox may keep for the next burst.
const KEPT_CAPACITY: usize = 16 * 1024;

/// A bounded queue of bytes.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: VecDeque<u8>,
}

impl Outbox {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Queues bytes. The caller has checked the bound.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes = VecDeque::new();
    }

    /// Hands the bytes, at most so many, to `write` until they are gone or it answers `WouldBlock`.
    pub fn flush(
        &mut self,
        mut max: usize,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !self.bytes.is_empty() && 0 < max {
            let (front, back) = self.bytes.as_slices();
            let front = &front[..front.len().min(max)];
            let back = &back[..back.len().min(max - front.len())];
            match write(&[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.bytes.drain(..written);
                    max -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.bytes.is_empty() && KEPT_CAPACITY < self.bytes.capacity() {
            self.bytes = VecDeque::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_over_partial_writes() {
        let mut outbox = Outbox::default();
        let (mut sent, mut expected) = (Vec::<u8>::new(), Vec::<u8>::new());
        for round in 0..100u8 {
            let piece = [round; 37];
            outbox.push(&piece);
            expected.extend(piece);
            let mut room = 23;
            outbox
                .flush(usize::MAX, |pieces| match room {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => {
                        let taken = pieces[0].len().min(room);
                        sent.extend(&pieces[0][..taken]);
                        room -= taken;
                        Ok(taken)
                    }
                })
                .unwrap();
        }
        outbox
            .flush(usize::MAX, |pieces| {
                sent.extend(pieces.iter().flat_map(|piece| piece.iter()));
                Ok(pieces.iter().map(|piece| piece.len()).sum())
            })
            .unwrap();
        assert!(outbox.is_empty());
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_failed_write_keeps_the_rest() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc");
        let result = outbox.flush(usize::MAX, |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(outbox.len(), 3);
    }
}
