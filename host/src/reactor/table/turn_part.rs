//! The parts of a turn, for fair sharing.

/// A part of a turn: one kind of work. In the order of the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::reactor) enum TurnPart {
    /// Due deadlines.
    Timers,
    /// Events and commands of instances that had to wait in an earlier turn.
    Waiting,
    /// Stalled connections that may be read now.
    Stalled,
    /// Messages that were held back.
    HeldBack,
    /// The rest of the mail.
    Mail,
    /// Accepts of listeners.
    Accepts,
    /// TLS handshakes.
    Handshakes,
    /// Output left over.
    Writes,
    /// Connections with input.
    Reads,
    /// Pending actions.
    Pending,
    Ticks,
    /// Connections that are being drained.
    Draining,
    /// Connections that have ended.
    Unbinds,
    /// Processes that end with the instance that spawned them.
    Ends,
    /// Connections of instances that have ended.
    Abandoned,
    /// Instances and connections of earlier versions whose deadline has passed.
    Overstays,
    /// Deadlines of instances that have ended.
    Cancelled,
}

impl TurnPart {
    /// All parts, in the order of a turn.
    pub(in crate::reactor) const ALL: [TurnPart; 17] = [
        TurnPart::Timers,
        TurnPart::Waiting,
        TurnPart::Stalled,
        TurnPart::HeldBack,
        TurnPart::Mail,
        TurnPart::Accepts,
        TurnPart::Handshakes,
        TurnPart::Writes,
        TurnPart::Reads,
        TurnPart::Pending,
        TurnPart::Ticks,
        TurnPart::Draining,
        TurnPart::Unbinds,
        TurnPart::Ends,
        TurnPart::Abandoned,
        TurnPart::Overstays,
        TurnPart::Cancelled,
    ];
}

/// A set of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::reactor) struct TurnParts(u32);

impl TurnParts {
    pub(in crate::reactor) fn insert(&mut self, part: TurnPart) {
        self.0 |= 1 << part as u16;
    }

    /// The parts that are not in `others`.
    pub(in crate::reactor) fn without(self, others: TurnParts) -> TurnParts {
        TurnParts(self.0 & !others.0)
    }

    /// The first part from `part` on, wrapping around at the end.
    pub(in crate::reactor) fn first_from(self, part: TurnPart) -> Option<TurnPart> {
        let has = |part: &&TurnPart| self.0 & 1 << **part as u16 != 0;
        let mut in_order = TurnPart::ALL.iter().filter(has);
        let first = in_order.clone().next();
        in_order.find(|it| part <= **it).or(first).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_turn() {
        assert!(TurnPart::ALL.is_sorted());
        assert_eq!(TurnPart::ALL.map(|part| part as usize), std::array::from_fn(|place| place));
    }

    #[test]
    fn the_first_from_a_part_on_may_be_one_before_it() {
        let mut parts = TurnParts::default();
        assert_eq!(parts.first_from(TurnPart::Timers), None);
        parts.insert(TurnPart::Mail);
        parts.insert(TurnPart::Unbinds);
        assert_eq!(parts.first_from(TurnPart::Timers), Some(TurnPart::Mail));
        assert_eq!(parts.first_from(TurnPart::Mail), Some(TurnPart::Mail));
        assert_eq!(parts.first_from(TurnPart::Reads), Some(TurnPart::Unbinds));
        assert_eq!(parts.first_from(TurnPart::Cancelled), Some(TurnPart::Mail));
        let mut mail = TurnParts::default();
        mail.insert(TurnPart::Mail);
        assert_eq!(parts.without(mail).first_from(TurnPart::Timers), Some(TurnPart::Unbinds));
    }
}
