//! Sequence numbers by which a host detects missed messages: NATS delivers at most once, and does not report a loss.
//!
//! A sender numbers its messages to each channel, from 0. The number of names is bounded: beyond it, the sender restarts all
//! numbers, as another run.

use std::collections::HashMap;

use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::SENDER_BYTES;

/// The header of a message, with its sender and its number.
pub(super) const HEADER: &str = "Sandloop-Push";
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
    /// The number of the next message for a name.
    pub(super) fn next(&mut self, name: &str) -> SequencePlace {
        if let Some(next) = self.next.get_mut(name) {
            *next += 1;
            return SequencePlace { run: self.run, number: *next - 1 };
        }
        if REMEMBERED_MAX <= self.next.len() {
            self.run += 1;
            self.next.clear();
        }
        self.next.insert(name.to_owned(), 1);
        SequencePlace { run: self.run, number: 0 }
    }
}

/// The numbers of all senders to one channel. They count for the tenant; if there is no room for another sender all are
/// forgotten, and messages that were missed then stay unnoticed.
#[derive(Debug)]
pub(super) struct SenderNumbers {
    last: HashMap<String, SequencePlace>,
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
        SenderNumbers { last: HashMap::new(), memory, kept: Vec::new() }
    }

    /// Handles the number of a message.
    pub(super) fn hear(&mut self, sender: &str, place: SequencePlace) -> Arrival {
        let Some(last) = self.last.get_mut(sender) else {
            self.remember(sender, place);
            return Arrival::Next;
        };
        let expected = if last.run == place.run { last.number + 1 } else { 0 };
        if place.run < last.run || place.run == last.run && place.number < expected {
            return Arrival::Again;
        }
        *last = place;
        match place.number - expected {
            0 => Arrival::Next,
            missing => Arrival::After(missing),
        }
    }

    fn remember(&mut self, sender: &str, place: SequencePlace) {
        if REMEMBERED_MAX <= self.last.len() {
            self.forget();
        }
        match self.memory.reserve(SENDER_BYTES) {
            Some(kept) => {
                self.kept.push(kept);
                self.last.insert(sender.to_owned(), place);
            }
            None => self.forget(),
        }
    }

    fn forget(&mut self) {
        self.last.clear();
        self.kept.clear();
    }
}

/// The sender and the number in a header.
pub(super) fn read(header: &str) -> Option<(&str, SequencePlace)> {
    let mut words = header.split(' ');
    let (sender, run, number) = (words.next()?, words.next()?, words.next()?);
    let place = SequencePlace { run: run.parse().ok()?, number: number.parse().ok()? };
    words.next().is_none().then_some((sender, place))
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
        let taken = ["a", "a", "b", "a", "b"].map(|name| numbering.next(name).number);
        assert_eq!(taken, [0, 1, 0, 2, 1]);
    }

    #[test]
    fn too_many_names_begin_another_run() {
        let mut numbering = Numbering::default();
        for number in 0..REMEMBERED_MAX {
            assert_eq!(numbering.next(&number.to_string()), place(0, 0));
        }
        assert_eq!(numbering.next("0"), place(0, 1));
        assert_eq!(numbering.next("one more"), place(1, 0));
        assert_eq!(numbering.next("0"), place(1, 0));
        assert_eq!(numbering.next.len(), 2);
    }

    #[test]
    fn what_is_missing_is_counted_and_what_comes_again_is_known() {
        let mut heard = SenderNumbers::new(ByteBudget::new(1 << 20));
        let first = heard.hear("a", place(0, 7));
        assert_eq!(first, Arrival::Next, "who begins to listen has missed nothing");
        for (at, says) in [
            (place(0, 8), Arrival::Next),
            (place(0, 8), Arrival::Again),
            (place(0, 3), Arrival::Again),
            (place(0, 11), Arrival::After(2)),
            (place(1, 0), Arrival::Next),
            (place(0, 12), Arrival::Again),
            (place(4, 5), Arrival::After(5)),
        ] {
            assert_eq!(heard.hear("a", at), says, "{at:?}");
        }
        assert_eq!(heard.hear("b", place(0, 0)), Arrival::Next, "another sender");
    }

    #[test]
    fn senders_count_for_the_tenant_and_are_forgotten_where_there_is_no_room() {
        let memory = ByteBudget::new(3 * SENDER_BYTES);
        let mut heard = SenderNumbers::new(memory.clone());
        for sender in ["a", "b", "c"] {
            heard.hear(sender, place(0, 0));
        }
        assert_eq!(memory.held(), 3 * SENDER_BYTES);
        assert_eq!(heard.hear("d", place(0, 0)), Arrival::Next);
        assert_eq!(memory.held(), 0);
        assert_eq!(heard.hear("a", place(0, 9)), Arrival::Next, "not known any more");
    }

    #[test]
    fn a_header_is_whole_or_none() {
        let place = SequencePlace { run: 2, number: 17 };
        assert_eq!(read("web.0f 2 17"), Some(("web.0f", place)));
        for wrong in ["", "web", "web 2", "web 2 x", "web -1 3", "web 2 17 9", "web  2 17"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
