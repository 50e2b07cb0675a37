//! How much of the loop each tenant takes, where there are several: one that has had its share of a turn gets its other
//! events in the next one, and one whose handlers take long begins in the slow lane for a while.

use std::time::Duration;

use crate::clock::Moment;

/// A tenant's share of a turn is a slice over this: what a neighbour's event waits for, if every event is as long as may
/// be, is about the share and the event that exceeds it.
const SHARES_OF_A_SLICE: u32 = 4;
/// How long a tenant is slow.
const SLOW_FOR: Duration = Duration::from_millis(100);

/// The tenants of one reactor.
#[derive(Debug)]
pub(super) struct FairShare {
    tenants: Vec<Share>,
    /// Those that have had something in this turn.
    served: Vec<usize>,
    share: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    spent: Duration,
    slow_until: Moment,
}

impl FairShare {
    /// Of so many tenants.
    pub(super) fn new(tenants: usize, slice: Duration) -> FairShare {
        let share = slice / SHARES_OF_A_SLICE;
        FairShare { tenants: vec![Share::default(); tenants], served: Vec::new(), share }
    }

    /// A turn begins: nobody has had anything.
    pub(super) fn begin_turn(&mut self) {
        for tenant in self.served.drain(..) {
            self.tenants[tenant].spent = Duration::ZERO;
        }
    }

    /// Whether it has to be known what each tenant spends.
    pub(super) fn is_contended(&self) -> bool {
        1 < self.tenants.len()
    }

    /// A tenant's handler has had so much of this turn; it is `now`.
    pub(super) fn charge(&mut self, tenant: usize, used: Duration, now: Moment) {
        let is_long = self.is_long(used);
        let Some(share) = self.tenants.get_mut(tenant) else { return };
        if share.spent.is_zero() {
            self.served.push(tenant);
        }
        share.spent += used.max(Duration::from_nanos(1));
        if is_long {
            share.slow_until = now + SLOW_FOR;
        }
    }

    /// The reactor has worked this long for a tenant.
    pub(super) fn charge_work(&mut self, tenant: usize, used: Duration) {
        let Some(share) = self.tenants.get_mut(tenant) else { return };
        if share.spent.is_zero() {
            self.served.push(tenant);
        }
        share.spent += used.max(Duration::from_nanos(1));
    }

    /// A tenant's handler has used so much in the slow lane.
    pub(super) fn used_in_the_lane(&mut self, tenant: usize, used: Duration, now: Moment) {
        let is_long = self.is_long(used);
        if let Some(share) = self.tenants.get_mut(tenant).filter(|_| is_long) {
            share.slow_until = now + SLOW_FOR;
        }
    }

    /// Whether a handler that takes so much is better begun in the slow lane: going there and coming back costs little
    /// beside it.
    fn is_long(&self, used: Duration) -> bool {
        self.share <= used
    }

    /// Whether a tenant has had its share of this turn.
    pub(super) fn has_used_its_share(&self, tenant: usize) -> bool {
        self.is_contended() && self.tenants.get(tenant).is_some_and(|s| self.share < s.spent)
    }

    /// Whether a tenant's handlers begin in the slow lane.
    pub(super) fn is_slow(&self, tenant: usize, now: Moment) -> bool {
        self.is_contended() && self.tenants.get(tenant).is_some_and(|share| now < share.slow_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_share_is_of_one_turn() {
        let mut fair_share = FairShare::new(2, MS);
        for _ in 0..3 {
            fair_share.charge(0, MS / 10, at(0));
        }
        assert!(
            fair_share.has_used_its_share(0)
                && !fair_share.has_used_its_share(1)
                && !fair_share.is_slow(0, at(0))
        );
        fair_share.begin_turn();
        assert!(!fair_share.has_used_its_share(0));
    }

    #[test]
    fn slow_is_whose_handlers_take_long_and_for_a_while() {
        let mut fair_share = FairShare::new(2, MS);
        fair_share.charge(0, MS / 4, at(5));
        assert!(fair_share.is_slow(0, at(104)) && !fair_share.is_slow(0, at(105)));
        assert!(!fair_share.is_slow(1, at(5)));
        fair_share.used_in_the_lane(0, MS / 5, at(200));
        assert!(!fair_share.is_slow(0, at(200)));
        fair_share.used_in_the_lane(0, MS, at(200));
        assert!(fair_share.is_slow(0, at(200)));
    }

    #[test]
    fn who_is_alone_is_never_in_the_way() {
        let mut fair_share = FairShare::new(1, MS);
        fair_share.charge(0, MS * 100, at(0));
        assert!(!fair_share.has_used_its_share(0) && !fair_share.is_slow(0, at(0)));
    }
}
