//! The outbox: bytes that the operating system has not accepted yet, with high and low marks for backpressure.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;

use crate::base::heap::OWN_MAPPING_FROM;
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
/// The least and the most bytes of a piece, unless more is queued at once. The largest is given back to the kernel when it is freed.
const PIECE_MIN: usize = 4 * 1024;
const PIECE_MAX: usize = OWN_MAPPING_FROM;
/// The most pieces that are written at once.
const WRITTEN_AT_ONCE: usize = 16;

/// A bounded queue of bytes, in pieces: queuing moves no earlier piece, and written pieces are freed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// None of them is empty, except for one that is kept for the next burst.
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that are already written.
    written: usize,
    /// The number of queued bytes.
    length: usize,
    /// The total of bytes that were ever queued.
    total: u64,
    /// Bytes of a file in memory, which count in the reservation too.
    beside: usize,
    /// The bytes in memory, reserved of the tenant's budget; none in tests.
    reservation: Option<Reservation>,
}

impl Outbox {
    /// Reserves the queued bytes of this budget.
    pub(crate) fn count_in(&mut self, sum: &ByteBudget) {
        self.reservation = sum.reserve(0);
        self.count();
    }

    /// Whether `bytes` more bytes fit into the tenant's budget. Connections that check at the same moment may each exceed it
    /// by the bytes that they send.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.reservation.as_ref().is_none_or(|reservation| reservation.has_room(whole(bytes)))
    }

    fn count(&mut self) {
        let length = whole(self.length + self.beside);
        if let Some(reservation) = &mut self.reservation {
            reservation.set(length);
        }
    }

    /// The number of queued bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The total of bytes that were ever queued.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Counts `bytes` of a file in memory with the queued bytes.
    pub(crate) fn hold_beside(&mut self, bytes: usize) {
        if self.beside != bytes {
            self.beside = bytes;
            self.count();
        }
    }

    /// Appends bytes. The caller has checked the bound.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let room = self.pieces.back().map_or(0, |piece| piece.capacity() - piece.len());
            if room == 0 {
                // Doubles the capacity, so that a short queue has few pieces and a long one has large ones.
                let length = self.length.clamp(PIECE_MIN, PIECE_MAX).max(left.len());
                self.pieces.push_back(Vec::with_capacity(length));
                continue;
            }
            let (now, later) = left.split_at(left.len().min(room));
            if let Some(piece) = self.pieces.back_mut() {
                piece.extend_from_slice(now);
            }
            self.length += now.len();
            left = later;
        }
        self.total += whole(bytes.len());
        self.count();
    }

    /// Drops all queued bytes.
    pub(crate) fn clear(&mut self) {
        (self.pieces, self.written, self.length) = (VecDeque::new(), 0, 0);
        self.count();
    }

    /// Passes at most `max` bytes to `write`, until they are written or it returns `WouldBlock`.
    pub(crate) fn flush(
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
        while 0 < self.length && 0 < max {
            let mut slices = [IoSlice::new(&[]); WRITTEN_AT_ONCE];
            let count = self.first_slices(max, &mut slices);
            match write(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.forget(written);
                    max -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fills `slices` with the first bytes of the queue, up to `max`; returns the number of slices that are filled.
    fn first_slices<'a>(&'a self, max: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut skipped, mut left, mut count) = (self.written, max, 0);
        for (piece, slice) in self.pieces.iter().zip(slices) {
            let waiting = &piece[skipped..];
            let taken = &waiting[..waiting.len().min(left)];
            if taken.is_empty() {
                break;
            }
            *slice = IoSlice::new(taken);
            (skipped, left, count) = (0, left - taken.len(), count + 1);
        }
        count
    }

    /// Keeps a piece of an empty queue for the next burst, if it is small.
    fn keep(&mut self, mut piece: Vec<u8>) {
        if piece.capacity() <= KEPT_CAPACITY {
            piece.clear();
            self.pieces.push_back(piece);
        }
    }

    /// Removes this number of bytes, which are written.
    fn forget(&mut self, bytes: usize) {
        self.length -= bytes;
        self.written += bytes;
        while let Some(first) = self.pieces.pop_front() {
            if self.written < first.len() {
                return self.pieces.push_front(first);
            }
            self.written -= first.len();
            if self.pieces.is_empty() {
                return self.keep(first);
            }
        }
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

    /// However many bytes the system accepts at a time, the order is kept, and queuing moves no piece.
    #[test]
    fn pieces_are_bounded_and_in_their_order() {
        let mut outbox = Outbox::default();
        let byte = |place: usize| u8::try_from(place % 251).unwrap();
        let (mut queued, mut sent) = (0, 0);
        for (length, takes) in [(1, 0), (5000, 3), (300_000, 70_000), (1, 1), (2_000_000, 262_144)]
        {
            let piece: Vec<u8> = (queued..queued + length).map(byte).collect();
            queued += length;
            outbox.push(&piece);
            outbox
                .flush(takes, |slices| {
                    let all = slices.iter().flat_map(|slice| slice.iter().copied());
                    let mut count = 0;
                    for found in all.take(takes) {
                        assert_eq!(found, byte(sent + count));
                        count += 1;
                    }
                    sent += count;
                    Ok(count)
                })
                .unwrap();
            assert_eq!(outbox.len(), queued - sent);
        }
        let mut left = Vec::new();
        outbox
            .flush(usize::MAX, |slices| {
                left.extend_from_slice(&slices[0]);
                Ok(slices[0].len())
            })
            .unwrap();
        assert!(left.iter().copied().eq((sent..queued).map(byte)));
        assert!(outbox.is_empty() && outbox.pieces.is_empty());
        outbox.push(&[0; 100]);
        outbox.flush(usize::MAX, |slices| Ok(slices[0].len())).unwrap();
        assert_eq!(outbox.pieces.len(), 1, "a little is kept");
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
