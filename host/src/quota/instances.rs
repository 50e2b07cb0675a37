//! The sandbox quota: half of the sandboxes is reserved for the tenants in equal parts, the other half is first come,
//! first served. So no tenant, and no number of them together, leaves another without.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::config::bound::Bound;
use crate::config::limits;
use crate::quota::semaphore::{Permit, Semaphore};

/// The sandboxes that may be alive at once. Clones are the same.
#[derive(Debug, Clone)]
pub struct InstanceQuota {
    /// All of them.
    pub max: u32,
    /// By tenant.
    tenants: Arc<RwLock<Vec<TenantInstances>>>,
    /// Those that are reserved for nobody.
    common: Semaphore,
    /// Every one that is alive: while tenants come and go, what is reserved may be with somebody who had it before.
    alive: Semaphore,
}

/// The part of one tenant.
#[derive(Debug)]
struct TenantInstances {
    /// All that it has, of whichever half.
    all: Semaphore,
    /// Those that are reserved for it.
    reserved: Semaphore,
}

/// The sandboxes that one tenant may have at once; none is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantBound(pub Option<u32>);

impl TenantInstances {
    fn new(bound: Option<u32>, reserved: u32) -> TenantInstances {
        TenantInstances {
            all: Semaphore::new(bound.unwrap_or(u32::MAX)),
            reserved: Semaphore::new(reserved),
        }
    }
}

/// The right to one sandbox, given back when it is dropped.
#[derive(Debug)]
pub struct InstanceSlot {
    _of_tenant: Permit,
    _of_host: Permit,
    _alive: Permit,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaExceeded {
    /// The host has none left for this tenant.
    Host,
    /// The tenant has as many as it may.
    Tenant,
    /// The memory that one more begins with is more than the tenant has left.
    TenantMemory,
}

/// How the sandboxes of a host are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halves {
    /// Those that are reserved for each tenant.
    pub reserved: u32,
    /// Those that are reserved for nobody.
    pub common: u32,
}

impl Halves {
    /// Of `max` sandboxes for `tenants` tenants.
    pub fn of(max: u32, tenants: usize) -> Halves {
        let count = u32::try_from(tenants).unwrap_or(u32::MAX).max(1);
        let reserved = max / 2 / count;
        Halves { reserved, common: max - reserved * count }
    }
}

impl QuotaExceeded {
    /// The bound that this is.
    pub fn bound(self) -> &'static Bound {
        match self {
            QuotaExceeded::Host => &limits::INSTANCES,
            QuotaExceeded::Tenant => &limits::TENANT_INSTANCES,
            QuotaExceeded::TenantMemory => &limits::TENANT_MEMORY,
        }
    }
}

impl InstanceQuota {
    /// A quota of `max` sandboxes for tenants with these bounds of their own; none is no bound.
    pub fn new(max: u32, tenants: &[Option<u32>]) -> InstanceQuota {
        let Halves { reserved, common } = Halves::of(max, tenants.len());
        let of_tenant = |bound: &Option<u32>| TenantInstances::new(*bound, reserved);
        let tenants = tenants.iter().map(of_tenant).collect();
        InstanceQuota {
            max,
            tenants: Arc::new(RwLock::new(tenants)),
            common: Semaphore::new(common),
            alive: Semaphore::new(max),
        }
    }

    /// The tenants are these from now on, each with its bound; none at a place is one that has gone. What somebody has beyond
    /// his new part he keeps until he gives it back.
    pub fn divide(&self, tenants: &[Option<TenantBound>]) {
        let served = tenants.iter().flatten().count();
        let Halves { reserved, common } = Halves::of(self.max, served);
        let mut parts = self.tenants.write();
        for (place, bound) in tenants.iter().enumerate() {
            // What has gone has nothing new, and gives back what it has.
            let bound = bound.unwrap_or(TenantBound(Some(0)));
            let reserved = if bound.0 == Some(0) { 0 } else { reserved };
            match parts.get(place) {
                Some(part) => {
                    part.all.set_limit(bound.0.unwrap_or(u32::MAX));
                    part.reserved.set_limit(reserved);
                }
                None => parts.push(TenantInstances::new(bound.0, reserved)),
            }
        }
        self.common.set_limit(common);
    }

    /// Takes a slot for a tenant, by its index.
    ///
    /// # Errors
    /// When there is none.
    pub fn acquire(&self, tenant: usize) -> Result<InstanceSlot, QuotaExceeded> {
        let tenants = self.tenants.read();
        let tenant = tenants.get(tenant).ok_or(QuotaExceeded::Tenant)?;
        let of_tenant = tenant.all.try_acquire().ok_or(QuotaExceeded::Tenant)?;
        let of_host = tenant.reserved.try_acquire().or_else(|| self.common.try_acquire());
        let of_host = of_host.ok_or(QuotaExceeded::Host)?;
        let alive = self.alive.try_acquire().ok_or(QuotaExceeded::Host)?;
        Ok(InstanceSlot { _of_tenant: of_tenant, _of_host: of_host, _alive: alive })
    }

    /// How many a tenant has, and how many it may have, if that has a bound.
    pub fn of_tenant(&self, tenant: usize) -> Option<(u32, Option<u32>)> {
        let tenants = self.tenants.read();
        let all = &tenants.get(tenant)?.all;
        Some((all.acquired(), Some(all.limit()).filter(|limit| *limit < u32::MAX)))
    }

    /// Whether there is a slot for a tenant at this moment.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self, tenant: usize) -> Result<(), QuotaExceeded> {
        let tenants = self.tenants.read();
        let tenant = tenants.get(tenant).ok_or(QuotaExceeded::Tenant)?;
        if !tenant.all.has_permits() {
            Err(QuotaExceeded::Tenant)
        } else if self.alive.has_permits()
            && (tenant.reserved.has_permits() || self.common.has_permits())
        {
            Ok(())
        } else {
            Err(QuotaExceeded::Host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquire(quota: &InstanceQuota, tenant: usize, count: usize) -> Vec<InstanceSlot> {
        let slots: Vec<_> = (0..1000).map_while(|_| quota.acquire(tenant).ok()).collect();
        assert_eq!(slots.len(), count);
        slots
    }

    #[test]
    fn whoever_is_alone_has_all() {
        for max in 1..10 {
            acquire(&InstanceQuota::new(max, &[None]), 0, max as usize);
        }
    }

    #[test]
    fn every_tenant_has_its_part_whatever_the_others_take() {
        let quota = InstanceQuota::new(100, &[None; 3]);
        // 16 are reserved for each; 52 are for whoever comes first.
        let _first = acquire(&quota, 0, 68);
        let _second = acquire(&quota, 1, 16);
        assert_eq!(quota.acquire(1).unwrap_err(), QuotaExceeded::Host);
        let third = acquire(&quota, 2, 16);
        drop(third);
        acquire(&quota, 2, 16);
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let quota = InstanceQuota::new(10, &[None; 2]);
        for _ in 0..3 {
            drop(acquire(&quota, 0, 8));
        }
    }

    #[test]
    fn a_tenant_has_no_more_than_it_may() {
        let quota = InstanceQuota::new(100, &[Some(5), None]);
        let _slots = acquire(&quota, 0, 5);
        assert_eq!(quota.acquire(0).unwrap_err(), QuotaExceeded::Tenant);
        assert_eq!(quota.check(0), Err(QuotaExceeded::Tenant));
        acquire(&quota, 1, 75);
    }

    #[test]
    fn tenants_come_and_go() {
        let quota = InstanceQuota::new(100, &[None]);
        let all = acquire(&quota, 0, 100);
        let unbounded = Some(TenantBound(None));
        quota.divide(&[unbounded, unbounded]);
        assert_eq!(quota.acquire(1).unwrap_err(), QuotaExceeded::Host, "the first has them all");
        drop(all);
        let first = acquire(&quota, 0, 75);
        let second = acquire(&quota, 1, 25);
        quota.divide(&[None, unbounded]);
        assert!(quota.acquire(0).is_err(), "it has gone");
        drop((first, second));
        acquire(&quota, 1, 100);
        quota.divide(&[Some(TenantBound(Some(5))), unbounded]);
        acquire(&quota, 0, 5);
    }

    #[test]
    fn more_tenants_than_slots_share_them_as_they_come() {
        acquire(&InstanceQuota::new(4, &[None; 1000]), 7, 4);
    }
}
