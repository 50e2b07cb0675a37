//! Host memory that is kept for one instance, charged to its tenant.

use crate::config::bound::Bound;
use crate::config::limits;
use crate::plugin::tenant::TenantCounts;
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::HANDLE_BYTES;
use crate::quota::semaphore::Permits;

/// An instance's part of its tenant's `host_memory`. It grows with each request; what is no longer kept is released after
/// the call, or as soon as there is no room otherwise.
#[derive(Debug)]
pub struct KeptMeter {
    counted: Option<Reservation>,
    bytes: u64,
}

impl KeptMeter {
    pub(super) fn new(of_tenant: &ByteBudget) -> KeptMeter {
        KeptMeter { counted: of_tenant.reserve(0), bytes: 0 }
    }

    /// Reserves bytes; false if the tenant has no room for them.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let fits = self.counted.as_mut().is_some_and(|counted| counted.grow(bytes));
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Sets the reservation to the bytes that are kept, even beyond the bound.
    pub(super) fn set(&mut self, bytes: u64) {
        if self.bytes != bytes
            && let Some(counted) = &mut self.counted
        {
            counted.set(bytes);
            self.bytes = bytes;
        }
    }

    /// Whether the tenant has room for `bytes` more bytes.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.counted.as_ref().is_some_and(|counted| counted.has_room(bytes))
    }
}

/// The kinds of thing that are counted over all instances of a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeptKind {
    Timer,
    Tick,
    Subscription,
    Pop,
}

impl KeptKind {
    /// The tenant's bound of this kind.
    pub(super) fn bound(self) -> &'static Bound {
        match self {
            KeptKind::Timer => &limits::TENANT_TIMERS,
            KeptKind::Tick => &limits::TENANT_TICKS,
            KeptKind::Subscription => &limits::TENANT_SUBSCRIPTIONS,
            KeptKind::Pop => &limits::TENANT_POPS,
        }
    }
}

/// An instance's part of its tenant's counts. As with [`KeptMeter`], a new thing counts at once, and an ended one
/// until the end of the call, or until there is no room otherwise.
#[derive(Debug)]
pub(super) struct OwnCounts {
    pub(super) timers: Permits,
    pub(super) ticks: Permits,
    pub(super) subscriptions: Permits,
    pub(super) pops: Permits,
    pub(super) handles: Permits,
}

impl OwnCounts {
    pub(super) fn new(of_tenant: &TenantCounts) -> OwnCounts {
        OwnCounts {
            timers: of_tenant.timers.no_permits(),
            ticks: of_tenant.ticks.no_permits(),
            subscriptions: of_tenant.subscriptions.no_permits(),
            pops: of_tenant.pops.no_permits(),
            handles: of_tenant.handles.no_permits(),
        }
    }

    /// Counts one more; false if the tenant has reached its bound.
    pub(super) fn grow(&mut self, counted: KeptKind) -> bool {
        let permits = match counted {
            KeptKind::Timer => &mut self.timers,
            KeptKind::Tick => &mut self.ticks,
            KeptKind::Subscription => &mut self.subscriptions,
            KeptKind::Pop => &mut self.pops,
        };
        permits.grow()
    }
}

/// The most WASI handles that an instance may have, and the bound that sets it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandlesAllowed {
    pub(super) number: usize,
    pub(super) bound: &'static Bound,
}

impl HandlesAllowed {
    /// For an instance that has `handles`, which are counted, and may have `max` by its own bound.
    pub(super) fn beside(
        handles: usize,
        max: u32,
        counts: &OwnCounts,
        kept: &KeptMeter,
    ) -> HandlesAllowed {
        let of_instance = HandlesAllowed { number: max as usize, bound: &limits::HANDLES };
        let number = handles.saturating_add(counts.handles.left() as usize);
        let of_tenant = HandlesAllowed { number, bound: &limits::TENANT_HANDLES };
        let fewer = if number < of_instance.number { of_tenant } else { of_instance };
        let more = fewer.number.saturating_sub(handles);
        let bytes = u64::try_from(more).unwrap_or(u64::MAX).saturating_mul(HANDLE_BYTES);
        if kept.has_room(bytes) {
            fewer
        } else {
            HandlesAllowed { number: handles, bound: &limits::HOST_MEMORY }
        }
    }
}
