//! The parts of a turn in which tenants are served.

/// A part of a turn: work of one kind. The order is the turn's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::reactor) enum TurnPart {
    /// Deadlines that are due.
    Timers,
    /// Events and commands of instances that had to wait in an earlier turn.
    Waiting,
    /// Connections that could not be read and may be now.
    Stalled,
    /// Messages that were held back.
    HeldBack,
    /// The rest of the mail.
    Mail,
    /// Listeners.
    Accepts,
    /// TLS handshakes.
    Handshakes,
    /// Output that waits.
    Writes,
    /// Connections that may have something to read.
    Reads,
    /// Connections and processes that begin.
    Pending,
    /// Ticks.
    Ticks,
    /// Connections that are being drained.
    Draining,
    /// Connections that have ended.
    Unbinds,
    /// Processes that end with the instance that spawned them.
    Ends,
    /// Connections of instances that have ended.
    Abandoned,
    /// What earlier versions of plugins have still, past its deadline.
    Overstays,
    /// Deadlines of instances that have ended.
    Cancelled,
}

impl TurnPart {
    /// All of them, in the order of a turn.
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

/// Parts of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::reactor) struct TurnParts(u32);

impl TurnParts {
    /// Adds one.
    pub(in crate::reactor) fn insert(&mut self, part: TurnPart) {
        self.0 |= 1 << part as u16;
    }

    /// Those that the others do not have.
    pub(in crate::reactor) fn without(self, others: TurnParts) -> TurnParts {
        TurnParts(self.0 & !others.0)
    }

    /// The first of them from this one on, or before it if there is none.
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
