//! The outbox: bytes that the operating system has not accepted yet, with high and low marks for backpressure.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;

use crate::config::limits::Limits;
use crate::quota::budget::{ByteBudget, Reservation};

/// The marks of an outbox, in bytes; `low < high <= max`.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// Above this mark the peer is slow, and the host stops reading from it.
    pub high: usize,
    /// Below this mark a slow peer has caught up.
    pub low: usize,
    /// The most bytes that are queued.
    pub max: usize,
}

impl Marks {
    /// The marks of a plugin's connections.
    pub fn of(limits: &Limits) -> Marks {
        Marks {
            high: limits.outbox_high as usize,
            low: limits.outbox_low as usize,
            max: limits.outbox_max as usize,
        }
    }
}

/// Capacity that an empty outbox keeps for the next burst.
const KEPT_CAPACITY: usize = 16 * 1024;

/// A bounded queue of bytes.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: VecDeque<u8>,
    /// The total of bytes that were ever queued.
    total: u64,
    /// Bytes of a file in memory, which count in the reservation too.
    beside: usize,
    /// The bytes in memory, reserved of the tenant's budget; none in tests.
    reservation: Option<Reservation>,
}

impl Outbox {
    /// Reserves the queued bytes of this budget.
    pub fn count_in(&mut self, sum: &ByteBudget) {
        self.reservation = sum.reserve(0);
        self.count();
    }

    /// Whether `bytes` more bytes fit into the tenant's budget. Connections that check at the same moment may each exceed it
    /// by the bytes that they send.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.reservation.as_ref().is_none_or(|reservation| reservation.has_room(whole(bytes)))
    }

    fn count(&mut self) {
        let length = whole(self.bytes.len() + self.beside);
        if let Some(reservation) = &mut self.reservation {
            reservation.set(length);
        }
    }

    /// The number of queued bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The total of bytes that were ever queued.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts `bytes` of a file in memory with the queued bytes.
    pub fn hold_beside(&mut self, bytes: usize) {
        if self.beside != bytes {
            self.beside = bytes;
            self.count();
        }
    }

    /// Appends bytes. The caller has checked the bound.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.total += whole(bytes.len());
        self.count();
    }

    /// Drops all queued bytes.
    pub fn clear(&mut self) {
        self.bytes = VecDeque::new();
        self.count();
    }

    /// Passes at most `max` bytes to `write`, until they are written or it returns `WouldBlock`.
    pub fn flush(
        &mut self,
        max: usize,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let flushed = self.write_out(max, write);
        self.count();
        flushed
    }

    fn write_out(
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

fn whole(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_counts_until_it_is_written_or_dropped() {
        let sum = ByteBudget::new(100);
        let mut outbox = Outbox::default();
        outbox.count_in(&sum);
        outbox.push(&[0; 60]);
        assert!(outbox.has_room(40) && !outbox.has_room(41) && !sum.has_room(41));
        outbox.flush(20, |pieces| Ok(pieces[0].len())).unwrap();
        assert!(outbox.has_room(60) && !outbox.has_room(61));
        outbox.clear();
        assert!(sum.has_room(100));
        outbox.push(&[0; 100]);
        drop(outbox);
        assert!(sum.has_room(100));
    }

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
