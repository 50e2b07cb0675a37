//! Sequence numbers by which a host detects missed messages: NATS delivers at most once, and does not report a loss.
//!
//! A sender numbers its messages to each channel, from 0. Several that are sent at once have consecutive numbers. The number of
//! names is bounded: beyond it, the sender restarts all numbers, as another run.

use std::collections::HashMap;

use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::SENDER_BYTES;

/// The header of a message: its sender, its run, its number, and the lengths of all messages if there are several.
pub(super) const HEADER: &str = "Sandloop-Push";
/// The bytes of a length in the header: a space and up to five digits.
pub(super) const LENGTH_BYTES: usize = 6;
/// The most messages that one of NATS contains: as many empty ones as have their lengths in 16 KiB.
pub(super) const PUSHES_MAX: usize = (16 << 10) / LENGTH_BYTES;
/// The most names that a sender numbers, and the most senders that a receiver remembers.
const REMEMBERED_MAX: usize = 4096;

/// The number of a message in its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SequencePlace {
    /// The run of the sender.
    pub(super) run: u64,
    /// The number of messages of the run before it.
    pub(super) number: u64,
}

/// The numbers of a sender.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    run: u64,
    next: HashMap<String, u64>,
}

impl Numbering {
    /// The number of the first one of the next `count` messages for a name.
    pub(super) fn take(&mut self, name: &str, count: u64) -> SequencePlace {
        if let Some(next) = self.next.get_mut(name) {
            let number = *next;
            *next = number.saturating_add(count);
            return SequencePlace { run: self.run, number };
        }
        if REMEMBERED_MAX <= self.next.len() {
            self.run += 1;
            self.next.clear();
        }
        self.next.insert(name.to_owned(), count);
        SequencePlace { run: self.run, number: 0 }
    }
}

/// The numbers of all senders to one channel. They count for the tenant; if there is no room for another sender all are
/// forgotten, and messages that were missed then stay unnoticed.
#[derive(Debug)]
pub(super) struct SenderNumbers {
    /// The number that is expected next, by sender.
    next: HashMap<String, SequencePlace>,
    memory: ByteBudget,
    kept: Vec<Reservation>,
}

/// What the number of a message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one, or the first one of its sender.
    Next,
    /// This many messages before it are missing.
    After(u64),
    /// It was received before.
    Again,
}

impl SenderNumbers {
    /// No numbers yet, with this budget.
    pub(super) fn new(memory: ByteBudget) -> SenderNumbers {
        SenderNumbers { next: HashMap::new(), memory, kept: Vec::new() }
    }

    /// Handles the numbers of messages that come together: that of the first one and their count.
    pub(super) fn hear(&mut self, sender: &str, first: SequencePlace, count: u64) -> Arrival {
        let next = first.number.saturating_add(count);
        let next = SequencePlace { run: first.run, number: next };
        let Some(expected) = self.next.get_mut(sender) else {
            self.remember(sender, next);
            return Arrival::Next;
        };
        let number = if expected.run == first.run { expected.number } else { 0 };
        if first.run < expected.run || first.number < number {
            return Arrival::Again;
        }
        *expected = next;
        match first.number - number {
            0 => Arrival::Next,
            missing => Arrival::After(missing),
        }
    }

    fn remember(&mut self, sender: &str, next: SequencePlace) {
        if REMEMBERED_MAX <= self.next.len() {
            self.forget();
        }
        match self.memory.reserve(SENDER_BYTES) {
            Some(kept) => {
                self.kept.push(kept);
                self.next.insert(sender.to_owned(), next);
            }
            None => self.forget(),
        }
    }

    fn forget(&mut self) {
        self.next.clear();
        self.kept.clear();
    }
}

/// A header: the messages that one message of NATS contains.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent<'a> {
    /// The sender.
    pub(super) sender: &'a str,
    /// The number of the first one.
    pub(super) first: SequencePlace,
    /// Their lengths, which are those of the payload together.
    lengths: Vec<usize>,
}

impl Sent<'_> {
    /// The number of messages.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.lengths.len()).unwrap_or(u64::MAX)
    }

    /// The messages in this payload, in their order.
    pub(super) fn messages<'a>(&self, payload: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = payload;
        self.lengths.iter().map_while(move |length| {
            let (message, after) = rest.split_at_checked(*length)?;
            rest = after;
            Some(message)
        })
    }
}

/// The messages in a payload of `length` bytes by its header; none if it is not the header of such a payload.
pub(super) fn read(header: &str, length: usize) -> Option<Sent<'_>> {
    let mut words = header.split(' ');
    let (sender, run, number) = (words.next()?, words.next()?, words.next()?);
    let first = SequencePlace { run: run.parse().ok()?, number: number.parse().ok()? };
    let lengths: Option<Vec<usize>> =
        words.take(PUSHES_MAX + 1).map(|it| it.parse().ok()).collect();
    let mut lengths = lengths?;
    if lengths.is_empty() {
        lengths.push(length);
    }
    let sum = lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(*length));
    (sum == Some(length) && lengths.len() <= PUSHES_MAX).then_some(Sent { sender, first, lengths })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(run: u64, number: u64) -> SequencePlace {
        SequencePlace { run, number }
    }

    #[test]
    fn each_name_has_numbers_of_its_own() {
        let mut numbering = Numbering::default();
        let taken = ["a", "a", "b", "a", "b"].map(|name| numbering.take(name, 1).number);
        assert_eq!(taken, [0, 1, 0, 2, 1]);
    }

    #[test]
    fn too_many_names_begin_another_run() {
        let mut numbering = Numbering::default();
        for number in 0..REMEMBERED_MAX {
            assert_eq!(numbering.take(&number.to_string(), 1), place(0, 0));
        }
        assert_eq!(numbering.take("0", 1), place(0, 1));
        assert_eq!(numbering.take("one more", 1), place(1, 0));
        assert_eq!(numbering.take("0", 1), place(1, 0));
        assert_eq!(numbering.next.len(), 2);
    }

    #[test]
    fn what_is_missing_is_counted_and_what_comes_again_is_known() {
        let mut heard = SenderNumbers::new(ByteBudget::new(1 << 20));
        let first = heard.hear("a", place(0, 7), 1);
        assert_eq!(first, Arrival::Next, "who begins to listen has missed nothing");
        for (at, count, says) in [
            (place(0, 8), 1, Arrival::Next),
            (place(0, 8), 1, Arrival::Again),
            (place(0, 3), 1, Arrival::Again),
            (place(0, 9), 5, Arrival::Next),
            (place(0, 9), 5, Arrival::Again),
            (place(0, 13), 1, Arrival::Again),
            (place(0, 16), 3, Arrival::After(2)),
            (place(0, 19), 1, Arrival::Next),
            (place(1, 0), 1, Arrival::Next),
            (place(0, 20), 1, Arrival::Again),
            (place(4, 5), 1, Arrival::After(5)),
            (place(4, u64::MAX), u64::MAX, Arrival::After(u64::MAX - 6)),
        ] {
            assert_eq!(heard.hear("a", at, count), says, "{count} from {at:?}");
        }
        assert_eq!(heard.hear("b", place(0, 0), 1), Arrival::Next, "another sender");
    }

    #[test]
    fn senders_count_for_the_tenant_and_are_forgotten_where_there_is_no_room() {
        let memory = ByteBudget::new(3 * SENDER_BYTES);
        let mut heard = SenderNumbers::new(memory.clone());
        for sender in ["a", "b", "c"] {
            heard.hear(sender, place(0, 0), 1);
        }
        assert_eq!(memory.held(), 3 * SENDER_BYTES);
        assert_eq!(heard.hear("d", place(0, 0), 1), Arrival::Next);
        assert_eq!(memory.held(), 0);
        assert_eq!(heard.hear("a", place(0, 9), 1), Arrival::Next, "not known any more");
    }

    #[test]
    fn a_header_is_whole_and_of_its_payload_or_none() {
        let sent = |lengths: &[usize]| {
            Some(Sent { sender: "web.0f", first: place(2, 17), lengths: lengths.to_vec() })
        };
        for (header, length, expected) in [
            ("web.0f 2 17", 0, sent(&[0])),
            ("web.0f 2 17", 9, sent(&[9])),
            ("web.0f 2 17 9", 9, sent(&[9])),
            ("web.0f 2 17 4 0 5", 9, sent(&[4, 0, 5])),
            ("web.0f 2 17 4 5", 8, None),
            ("web.0f 2 17 4 5", 10, None),
            ("web.0f 2 17 9 ", 9, None),
            ("web.0f 2 17 x", 9, None),
            ("web.0f 2 17 -1 10", 9, None),
            ("web.0f 2 17 18446744073709551615 10", 9, None),
        ] {
            assert_eq!(read(header, length), expected, "{header:?} of {length}");
        }
        for wrong in ["", "web", "web 2", "web 2 x", "web -1 3", "web  2 17", "web 2 "] {
            assert_eq!(read(wrong, 9), None, "{wrong:?}");
        }
        for (count, is_read) in [(PUSHES_MAX, true), (PUSHES_MAX + 1, false)] {
            let header = format!("web 2 17{}", " 0".repeat(count));
            assert_eq!(read(&header, 0).is_some(), is_read, "{count} messages");
        }
    }
}
