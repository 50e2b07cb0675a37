//! The instance quota: how many sandboxes may exist at once, in the host and in each tenant.

use std::sync::Arc;

use crate::base::lock::RwLock;
use crate::config::bound::Bound;
use crate::config::limits;
use crate::quota::halves::HalvedQuota;
use crate::quota::semaphore::{Permit, Semaphore};

/// The sandboxes that may exist at once. Clones share the quota.
#[derive(Debug, Clone)]
pub struct InstanceQuota {
    pub max: u32,
    halves: HalvedQuota,
    /// The sandboxes of each tenant, with its own bound.
    tenants: Arc<RwLock<Vec<Semaphore>>>,
    /// All sandboxes: after a reload, permits of an earlier division may still be in use.
    alive: Semaphore,
}

/// The most sandboxes of one tenant; none if it has no bound of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantBound(pub Option<u32>);

impl TenantBound {
    fn limit(self) -> u32 {
        self.0.unwrap_or(u32::MAX)
    }
}

/// The right to one sandbox, released when it is dropped.
#[derive(Debug)]
pub struct InstanceSlot {
    _of_tenant: Permit,
    _of_host: Permit,
    _alive: Permit,
}

/// The bound that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaExceeded {
    /// The host has no slot left for this tenant.
    Host,
    /// The tenant has reached its own bound.
    Tenant,
    /// The tenant has less memory left than the initial memory of one more sandbox.
    TenantMemory,
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
    /// A quota of `max` sandboxes for tenants with these bounds of their own.
    pub fn new(max: u32, tenants: &[Option<u32>]) -> InstanceQuota {
        let of_tenant = |bound: &Option<u32>| Semaphore::new(TenantBound(*bound).limit());
        InstanceQuota {
            max,
            halves: HalvedQuota::new(max, tenants.len()),
            tenants: Arc::new(RwLock::new(tenants.iter().map(of_tenant).collect())),
            alive: Semaphore::new(max),
        }
    }

    /// Divides the quota again among these tenants, by index; none is a tenant that is not served any more. Slots beyond a
    /// smaller part are kept until they are released.
    pub fn divide(&self, tenants: &[Option<TenantBound>]) {
        let mut parts = self.tenants.write();
        for (index, bound) in tenants.iter().enumerate() {
            let limit = bound.map_or(0, TenantBound::limit);
            match parts.get(index) {
                Some(part) => part.set_limit(limit),
                None => parts.push(Semaphore::new(limit)),
            }
        }
        drop(parts);
        let is_served: Vec<bool> = tenants.iter().map(Option::is_some).collect();
        self.halves.divide(&is_served);
    }

    /// Acquires a slot for the tenant with this index.
    ///
    /// # Errors
    /// When there is none, with the bound that is reached.
    pub fn acquire(&self, tenant: usize) -> Result<InstanceSlot, QuotaExceeded> {
        let of_tenant = self.tenants.read().get(tenant).and_then(Semaphore::try_acquire);
        let of_tenant = of_tenant.ok_or(QuotaExceeded::Tenant)?;
        let of_host = self.halves.acquire(tenant).ok_or(QuotaExceeded::Host)?;
        let alive = self.alive.try_acquire().ok_or(QuotaExceeded::Host)?;
        Ok(InstanceSlot { _of_tenant: of_tenant, _of_host: of_host, _alive: alive })
    }

    /// The number of sandboxes of a tenant, and its own bound, if it has one.
    pub fn of_tenant(&self, tenant: usize) -> Option<(u32, Option<u32>)> {
        let tenants = self.tenants.read();
        let all = tenants.get(tenant)?;
        Some((all.acquired(), Some(all.limit()).filter(|limit| *limit < u32::MAX)))
    }

    /// Checks whether there is a slot for a tenant now.
    ///
    /// # Errors
    /// When there is none, with the bound that is reached.
    pub fn check(&self, tenant: usize) -> Result<(), QuotaExceeded> {
        if !self.tenants.read().get(tenant).is_some_and(Semaphore::has_permits) {
            Err(QuotaExceeded::Tenant)
        } else if self.alive.has_permits() && self.halves.has_permits(tenant) {
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
        // 16 are reserved for each; 52 are first come, first served.
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
