//! How much of the loop each tenant takes, where there are several: one that has had its share of a turn gets its other
//! events in the next one, and one whose handlers take long begins in the slow lane for a while.
//!
//! A turn has a length that it keeps to: a quarter of a slice. Those that contend for it divide it among them, and when it is
//! over the tenants that have had as much as the average of late wait for the next turn. So what a neighbour's event waits for
//! is about the length of a turn and the one event that exceeds it, however many tenants are hungry.
//!
//! What a tenant causes itself, such as mail from its own instances, may take all of its share in each turn. So a part of the
//! turn that has passed it over, because an earlier one had taken its share, is where its next turn begins.

use std::time::Duration;

use crate::clock::Moment;
use crate::quota::token_bucket::TokenBucket;
use crate::reactor::table::guest_entry::Measure;
use crate::reactor::table::turn_part::{TurnPart, TurnParts};

/// A turn is a slice over this.
const TURNS_OF_A_SLICE: u32 = 4;
/// The least share: what an event costs with all that belongs to it is a tenth of it.
const LEAST_SHARE: Duration = Duration::from_micros(20);
/// A handler that takes a slice over this is long wherever tenants contend: with the default slice the way to the slow lane and
/// back costs a fifth of it.
const LONG_OF_A_SLICE: u32 = 10;
/// How long a tenant is slow, the first time.
const SLOW_FOR: Duration = Duration::from_millis(100);
/// The longest: each time that a tenant is slow again soon after, the time doubles.
const SLOW_FOR_MAX: Duration = Duration::from_secs(10);
/// What a tenant has had counts half after this time. It is long enough for hundreds of tenants to have their turn meanwhile, or
/// those that wait for theirs would look like those that want little.
const HALF_LIFE: Duration = Duration::from_millis(100);
/// What is less does not count any more.
const FORGOTTEN: Duration = Duration::from_micros(1);
/// Guests in a second that may outlive their first slice, each of which holds the loop that long.
const HAND_ONS_PER_SECOND: u64 = 100;

/// The tenants of one reactor.
#[derive(Debug)]
pub(super) struct FairShare {
    tenants: Vec<Share>,
    /// Those that have had something in this turn, or were passed over.
    in_turn: Vec<usize>,
    /// The part of the turn that serves tenants now.
    part: TurnPart,
    /// How many have had something of late.
    contending: u32,
    /// What all have had in this turn.
    spent: Duration,
    /// What all have had of late.
    recent: Duration,
    /// When that was halved.
    halved: Moment,
    /// How long a turn is.
    turn: Duration,
    /// What is a long time for a handler, wherever tenants contend.
    long: Duration,
    hand_ons: TokenBucket,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    /// In this turn.
    spent: Duration,
    /// The average of recent turns.
    recent: Duration,
    slow_until: Moment,
    /// How long it was slow the last time.
    slow_for: Duration,
    /// What is known of the handler that was entered in the loop last.
    last: LastHandler,
    /// Whether this turn has served it or passed it over.
    is_in_turn: bool,
    /// The part of this turn that serves it first.
    begins_with: Option<TurnPart>,
    /// The parts of this turn that have served it.
    served_in: TurnParts,
    /// Those that have passed it over.
    passed_over_in: TurnParts,
}

/// What is known of the handler of a tenant that was entered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LastHandler {
    /// There was none, or it has outlived its slice.
    #[default]
    Unknown,
    /// It was short.
    Short,
    /// It took long, and its thread may have waited for a core: the next one's CPU time is looked at.
    MaybeLong,
}

impl FairShare {
    /// For `tenants` tenants and turns that are made of slices of this length.
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

    /// There are at least that many tenants from now on.
    pub(super) fn grow(&mut self, tenants: usize) {
        let tenants = tenants.max(self.tenants.len());
        self.tenants.resize(tenants, Share::default());
    }

    /// A turn begins: nobody has had anything.
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

    /// What has to be known of a tenant's next handler.
    pub(super) fn measure(&self, tenant: usize) -> Measure {
        match self.tenants.get(tenant) {
            Some(share) if self.is_contended() => match share.last {
                LastHandler::MaybeLong => Measure::CpuTime,
                LastHandler::Unknown | LastHandler::Short => Measure::Time,
            },
            _ => Measure::Nothing,
        }
    }

    /// Whether it has to be known what each tenant spends.
    pub(super) fn is_contended(&self) -> bool {
        1 < self.tenants.len()
    }

    /// What each of those that contend may have of a turn, if there is no least.
    fn even_share(&self) -> Duration {
        self.turn / self.contending.max(1)
    }

    /// Charges `used` of this turn to a tenant; the time is `now`.
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

    /// A tenant's handler has outlived its first slice, and another thread has the loop; it is `now`.
    pub(super) fn handed_on(&mut self, tenant: usize, slice: Duration, now: Moment) {
        self.hand_ons.take(1);
        self.charge_work(tenant, slice);
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.last = LastHandler::Unknown;
            share.slow(now);
        }
    }

    /// The reactor has worked this long for a tenant.
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

    /// Notes that a tenant's handler has used `used` in the slow lane.
    pub(super) fn used_in_the_lane(&mut self, tenant: usize, used: Duration, now: Moment) {
        let is_long = self.is_long(used);
        if let Some(share) = self.tenants.get_mut(tenant).filter(|_| is_long) {
            share.slow_until = share.slow_until.max(now + SLOW_FOR);
        }
    }

    /// Whether a handler that takes `used` is better begun in the slow lane: the way there and back costs little beside it.
    fn is_long(&self, used: Duration) -> bool {
        self.even_share().max(self.long) <= used
    }

    /// Whether a tenant has had its share of this turn.
    pub(super) fn has_used_its_share(&self, tenant: usize) -> bool {
        let Some(share) = self.tenants.get(tenant).filter(|_| self.is_contended()) else {
            return false;
        };
        self.even_share().max(LEAST_SHARE) < share.spent
            || (self.turn < self.spent && self.is_heavy(share))
    }

    /// A part of the turn begins.
    pub(super) fn begin_part(&mut self, part: TurnPart) {
        self.part = part;
    }

    /// Whether a tenant's work of this part of the turn waits for a later turn: it has had its share, or another part comes
    /// first. That is noted.
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

    /// Whether a tenant has had about as much as the average of those that contend, or more. Those that take turns are one event
    /// above it or below, and an event that is `long` is none of the loop's.
    fn is_heavy(&self, share: &Share) -> bool {
        self.recent <= (share.recent + self.long).saturating_mul(self.contending)
    }

    /// Whether a tenant's handlers begin in the slow lane: those of one that was slow, and, where too many have outlived
    /// their first slice, those of all that are not known to be short.
    pub(super) fn is_slow(&self, tenant: usize, now: Moment) -> bool {
        let Some(share) = self.tenants.get(tenant).filter(|_| self.is_contended()) else {
            return false;
        };
        now < share.slow_until
            || (share.last == LastHandler::Unknown && self.hand_ons.is_empty(now))
    }
}

impl Share {
    /// It has had nothing of the turn. What serves it first is the part behind those that served it in the last turn, of those
    /// that passed it over.
    fn begin_turn(&mut self) {
        let not_served = self.passed_over_in.without(self.served_in);
        self.begins_with = not_served.first_from(self.begins_with.unwrap_or(TurnPart::Timers));
        self.spent = Duration::ZERO;
        (self.served_in, self.passed_over_in) = (TurnParts::default(), TurnParts::default());
        self.is_in_turn = false;
    }

    /// It is slow from `now` on; for longer than the last time, if that is not long ago.
    fn slow(&mut self, now: Moment) {
        let is_again = now < self.slow_until + self.slow_for;
        let longer = if is_again { self.slow_for * 2 } else { SLOW_FOR };
        self.slow_for = longer.clamp(SLOW_FOR, SLOW_FOR_MAX);
        self.slow_until = now + self.slow_for;
    }
}

#[cfg(test)]
mod tests;
