//! Published messages that the broker has not confirmed.

use std::collections::VecDeque;

use crate::{error::Violation, ids::Ticket, message::Publish};

/// Those of one channel, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    last: u64,
    waiting: VecDeque<Unconfirmed>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Unconfirmed {
    /// Its number on the channel. The numbers of a connection have no gaps, except for those already confirmed.
    number: u64,
    pub ticket: Ticket,
    /// The message, if it is kept to be sent again.
    pub publish: Option<Box<Publish>>,
}

impl Confirms {
    /// Adds a message that was sent.
    pub(crate) fn sent(&mut self, ticket: Ticket, publish: Option<Box<Publish>>) {
        self.last += 1;
        self.waiting.push_back(Unconfirmed { number: self.last, ticket, publish });
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes message `number`, which the broker has confirmed or refused; with `multiple`, all up to it. 0 with
    /// `multiple` is all.
    pub(crate) fn settle(
        &mut self,
        number: u64,
        multiple: bool,
    ) -> Result<Vec<Unconfirmed>, Violation> {
        let number = if multiple && number == 0 { self.last } else { number };
        if self.last < number || number == 0 && !multiple {
            return Err(Violation::command(format!("a confirm of message {number}, never sent")));
        }
        if multiple {
            let end = self.waiting.partition_point(|unconfirmed| unconfirmed.number <= number);
            return Ok(self.waiting.drain(..end).collect());
        }
        // A broker may repeat a message that an earlier `multiple` included.
        let found = self.waiting.binary_search_by_key(&number, |unconfirmed| unconfirmed.number);
        Ok(found.ok().and_then(|index| self.waiting.remove(index)).into_iter().collect())
    }

    /// Restarts the numbers for a new connection, and returns the unconfirmed publishes.
    pub(crate) fn reset(&mut self) -> VecDeque<Unconfirmed> {
        self.last = 0;
        std::mem::take(&mut self.waiting)
    }

    /// The numbers that wait; for tests.
    #[cfg(test)]
    fn numbers(&self) -> Vec<u64> {
        self.waiting.iter().map(|unconfirmed| unconfirmed.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;

    /// A channel on which messages with these numbers were sent.
    fn sent(range: RangeInclusive<u64>) -> Confirms {
        let mut confirms = Confirms::default();
        range.for_each(|number| confirms.sent(Ticket::of(number), None));
        confirms
    }

    fn check(steps: &[(u64, bool)], left: &[u64]) {
        let mut confirms = sent(1..=5);
        for (number, multiple) in steps {
            confirms.settle(*number, *multiple).unwrap();
        }
        assert_eq!(confirms.numbers(), left, "{steps:?}");
    }

    #[test]
    fn confirms_come_one_by_one_or_many_at_once() {
        check(&[], &[1, 2, 3, 4, 5]);
        check(&[(1, false)], &[2, 3, 4, 5]);
        check(&[(3, false)], &[1, 2, 4, 5]);
        check(&[(3, false), (4, true)], &[5]);
        check(&[(3, true), (2, false), (5, false)], &[4]);
        check(&[(0, true)], &[]);
    }

    #[test]
    fn a_confirm_of_nothing_is_a_violation() {
        assert_eq!(sent(1..=5).settle(6, false).unwrap_err().code, 503);
        assert_eq!(sent(1..=5).settle(0, false).unwrap_err().code, 503);
        assert_eq!(sent(1..=5).settle(6, true).unwrap_err().code, 503);
    }

    #[test]
    fn numbers_begin_anew_with_a_connection() {
        let mut confirms = sent(1..=3);
        assert_eq!(confirms.reset().len(), 3);
        confirms.sent(Ticket::of(9), None);
        assert_eq!(confirms.numbers(), [1]);
    }
}
