//! Fair sharing of the loop between tenants: a tenant that has used its share of a turn gets its other events in the next
//! one, and a tenant with long handlers begins them in the slow lane for a while.
//!
//! A turn has a target length of a quarter of a slice. The tenants that contend divide it evenly; after that only
//! tenants below the recent average continue, and the others wait for the next turn. So an event of a neighbour waits about
//! the length of a turn plus the one event that exceeds it, however many tenants contend.
//!
//! Work that a tenant causes itself, such as mail between its own instances, could use its whole share in every turn. So the
//! part of the turn that has passed it over, because an earlier part had used the share, serves it first in the next turn.

use std::time::Duration;

use crate::clock::Moment;
use crate::quota::token_bucket::TokenBucket;
use crate::reactor::table::guest_entry::Measure;
use crate::reactor::table::turn_part::{TurnPart, TurnParts};

/// A turn is a slice divided by this.
const TURNS_OF_A_SLICE: u32 = 4;
/// The smallest share: ten times the cost of an event with its overhead.
const LEAST_SHARE: Duration = Duration::from_micros(20);
/// A handler is long if it takes a slice divided by this while tenants contend: with the default slice the way to the slow
/// lane and back costs a fifth of that.
const LONG_OF_A_SLICE: u32 = 10;
/// How long a tenant is slow the first time.
const SLOW_FOR: Duration = Duration::from_millis(100);
/// The longest such time: it doubles each time that the tenant is slow again soon after.
const SLOW_FOR_MAX: Duration = Duration::from_secs(10);
/// The half-life of recent use. It is long enough for hundreds of tenants to have a turn meanwhile; otherwise tenants that
/// wait for their turn would look like tenants that want little.
const HALF_LIFE: Duration = Duration::from_millis(100);
/// A smaller recent use counts as zero.
const FORGOTTEN: Duration = Duration::from_micros(1);
/// The most guests in a second that may exceed their first slice, each of which holds the loop for a slice.
const HAND_ONS_PER_SECOND: u64 = 100;

/// The shares of all tenants of one reactor.
#[derive(Debug)]
pub(super) struct FairShare {
    tenants: Vec<Share>,
    /// The tenants that this turn has served or passed over.
    in_turn: Vec<usize>,
    /// The current part of the turn.
    part: TurnPart,
    /// The number of tenants with recent use.
    contending: u32,
    /// The use of all tenants in this turn.
    spent: Duration,
    /// The recent use of all tenants.
    recent: Duration,
    /// The time at which recent use was last halved.
    halved: Moment,
    /// The target length of a turn.
    turn: Duration,
    /// The time from which a handler is long while tenants contend.
    long: Duration,
    hand_ons: TokenBucket,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    /// The use in this turn.
    spent: Duration,
    /// The recent use.
    recent: Duration,
    slow_until: Moment,
    /// How long it was slow the last time.
    slow_for: Duration,
    /// Whether its last handler in the loop was long.
    last: LastHandler,
    /// Whether this turn has served it or passed it over.
    is_in_turn: bool,
    /// The part of this turn that serves it first.
    begins_with: Option<TurnPart>,
    /// The parts of this turn that have served it.
    served_in: TurnParts,
    /// The parts of this turn that have passed it over.
    passed_over_in: TurnParts,
}

/// Whether the last handler of a tenant was long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LastHandler {
    /// There was none, or it has exceeded its slice.
    #[default]
    Unknown,
    /// It was short.
    Short,
    /// It took long, but its thread may have waited for a core: the CPU time of the next one is measured.
    MaybeLong,
}

impl FairShare {
    /// For `tenants` tenants and slices of this length.
    pub(super) fn new(tenants: usize, slice: Duration) -> FairShare {
        FairShare {
            tenants: vec![Share::default(); tenants],
            in_turn: Vec::new(),
            part: TurnPart::Timers,
            contending: 0,
            spent: Duration::ZERO,
            recent: Duration::ZERO,
            halved: Moment::default(),
            turn: slice / TURNS_OF_A_SLICE,
            long: slice / LONG_OF_A_SLICE,
            hand_ons: TokenBucket::new(HAND_ONS_PER_SECOND),
        }
    }

    /// Makes room for at least `tenants` tenants.
    pub(super) fn grow(&mut self, tenants: usize) {
        let tenants = tenants.max(self.tenants.len());
        self.tenants.resize(tenants, Share::default());
    }

    /// Begins a turn: the use of the turn is zero.
    pub(super) fn begin_turn(&mut self, now: Moment) {
        self.spent = Duration::ZERO;
        self.part = TurnPart::Timers;
        for tenant in self.in_turn.drain(..) {
            self.tenants[tenant].begin_turn();
        }
        if !self.recent.is_zero() && HALF_LIFE <= now.since(self.halved) {
            self.halve(now);
        }
    }

    fn halve(&mut self, now: Moment) {
        let times = now.since(self.halved).as_nanos() / HALF_LIFE.as_nanos();
        let by = 2_u32.saturating_pow(u32::try_from(times).unwrap_or(u32::MAX));
        (self.recent, self.contending, self.halved) = (Duration::ZERO, 0, now);
        for share in &mut self.tenants {
            share.recent /= by;
            if share.recent < FORGOTTEN {
                share.recent = Duration::ZERO;
            } else {
                self.recent += share.recent;
                self.contending += 1;
            }
        }
    }

    /// What to measure of a tenant's next handler.
    pub(super) fn measure(&self, tenant: usize) -> Measure {
        match self.tenants.get(tenant) {
            Some(share) if self.is_contended() => match share.last {
                LastHandler::MaybeLong => Measure::CpuTime,
                LastHandler::Unknown | LastHandler::Short => Measure::Time,
            },
            _ => Measure::Nothing,
        }
    }

    /// Whether tenants contend, so that their use has to be measured.
    pub(super) fn is_contended(&self) -> bool {
        1 < self.tenants.len()
    }

    /// An equal share of the turn for each tenant that contends, without the minimum.
    fn even_share(&self) -> Duration {
        self.turn / self.contending.max(1)
    }

    /// Charges `used` of this turn to a tenant.
    pub(super) fn charge(&mut self, tenant: usize, used: Duration, now: Moment) {
        self.charge_work(tenant, used);
        let is_long = self.is_long(used);
        let Some(share) = self.tenants.get_mut(tenant) else { return };
        share.last = match share.last {
            _ if !is_long => LastHandler::Short,
            LastHandler::MaybeLong => {
                share.slow(now);
                LastHandler::MaybeLong
            }
            LastHandler::Unknown | LastHandler::Short => LastHandler::MaybeLong,
        };
    }

    /// A tenant's handler has exceeded its first slice, and the loop was handed on.
    pub(super) fn handed_on(&mut self, tenant: usize, slice: Duration, now: Moment) {
        self.hand_ons.take(1);
        self.charge_work(tenant, slice);
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.last = LastHandler::Unknown;
            share.slow(now);
        }
    }

    /// Charges work of the reactor to a tenant.
    pub(super) fn charge_work(&mut self, tenant: usize, used: Duration) {
        let Some(share) = self.tenants.get_mut(tenant) else { return };
        if !std::mem::replace(&mut share.is_in_turn, true) {
            self.in_turn.push(tenant);
        }
        share.served_in.insert(self.part);
        self.contending += u32::from(share.recent.is_zero());
        let used = used.max(Duration::from_nanos(1));
        for sum in [&mut share.spent, &mut share.recent, &mut self.spent, &mut self.recent] {
            *sum += used;
        }
    }

    /// Notes the time of a tenant's handler in the slow lane.
    pub(super) fn used_in_the_lane(&mut self, tenant: usize, used: Duration, now: Moment) {
        let is_long = self.is_long(used);
        if let Some(share) = self.tenants.get_mut(tenant).filter(|_| is_long) {
            share.slow_until = share.slow_until.max(now + SLOW_FOR);
        }
    }

    /// Whether a handler that takes `used` should begin in the slow lane: the cost of the way there is small in comparison.
    fn is_long(&self, used: Duration) -> bool {
        self.even_share().max(self.long) <= used
    }

    /// Whether a tenant has used its share of this turn.
    pub(super) fn has_used_its_share(&self, tenant: usize) -> bool {
        let Some(share) = self.tenants.get(tenant).filter(|_| self.is_contended()) else {
            return false;
        };
        self.even_share().max(LEAST_SHARE) < share.spent
            || (self.turn < self.spent && self.is_heavy(share))
    }

    /// The part of the turn that serves tenants now.
    #[cfg(test)]
    pub(super) fn part(&self) -> TurnPart {
        self.part
    }

    /// Begins a part of the turn.
    pub(super) fn begin_part(&mut self, part: TurnPart) {
        self.part = part;
    }

    /// Whether a tenant's work of this part waits for a later turn, because it has used its share or another part serves it
    /// first. Notes that it was passed over.
    pub(super) fn passes_over(&mut self, part: TurnPart, tenant: usize) -> bool {
        self.part = part;
        let is_later = |share: &Share| share.begins_with.is_some_and(|first| part < first);
        let waits = self.has_used_its_share(tenant)
            || (self.is_contended() && self.tenants.get(tenant).is_some_and(is_later));
        if waits && let Some(share) = self.tenants.get_mut(tenant) {
            share.passed_over_in.insert(part);
            if !std::mem::replace(&mut share.is_in_turn, true) {
                self.in_turn.push(tenant);
            }
        }
        waits
    }

    /// Whether the recent use of a tenant is about the average of those that contend, or more. Tenants that take turns are at
    /// most one event above or below it, and a `long` event is not run in the loop.
    fn is_heavy(&self, share: &Share) -> bool {
        self.recent <= (share.recent + self.long).saturating_mul(self.contending)
    }

    /// Whether a tenant's handlers begin in the slow lane: those of a slow tenant and, if too many guests have exceeded
    /// their first slice, those of all tenants whose last handler is not known to be short.
    pub(super) fn is_slow(&self, tenant: usize, now: Moment) -> bool {
        let Some(share) = self.tenants.get(tenant).filter(|_| self.is_contended()) else {
            return false;
        };
        now < share.slow_until
            || (share.last == LastHandler::Unknown && self.hand_ons.is_empty(now))
    }
}

impl Share {
    /// Begins a turn. Of the parts that passed it over in the last turn, the first one behind those that served it is the one
    /// that serves it first.
    fn begin_turn(&mut self) {
        let not_served = self.passed_over_in.without(self.served_in);
        self.begins_with = not_served.first_from(self.begins_with.unwrap_or(TurnPart::Timers));
        self.spent = Duration::ZERO;
        (self.served_in, self.passed_over_in) = (TurnParts::default(), TurnParts::default());
        self.is_in_turn = false;
    }

    /// Marks it as slow from `now`, for longer than the last time if that was recent.
    fn slow(&mut self, now: Moment) {
        let is_again = now < self.slow_until + self.slow_for;
        let longer = if is_again { self.slow_for * 2 } else { SLOW_FOR };
        self.slow_for = longer.clamp(SLOW_FOR, SLOW_FOR_MAX);
        self.slow_until = now + self.slow_for;
    }
}

#[cfg(test)]
mod tests;
