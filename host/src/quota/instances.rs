//! The sandbox quota: half of the sandboxes is reserved for the tenants in equal parts, the other half is first come,
//! first served. So no tenant, and no number of them together, leaves another without.

use std::sync::Arc;

use crate::config::bound::Bound;
use crate::config::limits;
use crate::quota::semaphore::{Permit, Semaphore};

/// The sandboxes that may be alive at once. Clones are the same.
#[derive(Debug, Clone)]
pub struct InstanceQuota {
    /// All of them.
    pub max: u32,
    /// By tenant.
    tenants: Arc<[TenantInstances]>,
    /// Those that are reserved for nobody.
    common: Semaphore,
}

/// The part of one tenant.
#[derive(Debug)]
struct TenantInstances {
    /// All that it has, of whichever half.
    all: Semaphore,
    /// Those that are reserved for it.
    reserved: Semaphore,
}

/// The right to one sandbox, given back when it is dropped.
#[derive(Debug)]
pub struct InstanceSlot {
    _of_tenant: Permit,
    _of_host: Permit,
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
        let of_tenant = |bound: &Option<u32>| TenantInstances {
            all: Semaphore::new(bound.unwrap_or(u32::MAX)),
            reserved: Semaphore::new(reserved),
        };
        InstanceQuota {
            max,
            tenants: tenants.iter().map(of_tenant).collect(),
            common: Semaphore::new(common),
        }
    }

    /// Takes a slot for a tenant, by its index.
    ///
    /// # Errors
    /// When there is none.
    pub fn acquire(&self, tenant: usize) -> Result<InstanceSlot, QuotaExceeded> {
        let tenant = self.tenants.get(tenant).ok_or(QuotaExceeded::Tenant)?;
        let of_tenant = tenant.all.try_acquire().ok_or(QuotaExceeded::Tenant)?;
        let of_host = tenant.reserved.try_acquire().or_else(|| self.common.try_acquire());
        let of_host = of_host.ok_or(QuotaExceeded::Host)?;
        Ok(InstanceSlot { _of_tenant: of_tenant, _of_host: of_host })
    }

    /// Whether there is a slot for a tenant at this moment.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self, tenant: usize) -> Result<(), QuotaExceeded> {
        let tenant = self.tenants.get(tenant).ok_or(QuotaExceeded::Tenant)?;
        if !tenant.all.has_permits() {
            Err(QuotaExceeded::Tenant)
        } else if tenant.reserved.has_permits() || self.common.has_permits() {
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
    fn more_tenants_than_slots_share_them_as_they_come() {
        acquire(&InstanceQuota::new(4, &[None; 1000]), 7, 4);
    }
}
