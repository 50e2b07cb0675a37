//! A quota of which half is reserved for the tenants in equal parts, and the other half is first come, first served. So no
//! tenant, and no number of them together, leaves another one without.

use std::sync::Arc;

use crate::base::lock::RwLock;
use crate::quota::semaphore::{Permit, Semaphore};

/// How a number is divided among tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Halves {
    /// The part that is reserved for each tenant.
    pub reserved: u32,
    /// The part that is not reserved.
    pub common: u32,
}

impl Halves {
    /// Divides `max` for `tenants` tenants.
    pub(crate) fn of(max: u32, tenants: usize) -> Halves {
        let count = u32::try_from(tenants).unwrap_or(u32::MAX).max(1);
        let reserved = max / 2 / count;
        Halves { reserved, common: max - reserved * count }
    }
}

/// A quota that is divided so. Clones share it.
#[derive(Debug, Clone)]
pub struct HalvedQuota {
    max: u32,
    /// The reserved permits of each tenant.
    reserved: Arc<RwLock<Vec<Semaphore>>>,
    /// The permits that are not reserved.
    common: Semaphore,
}

impl HalvedQuota {
    /// A quota of `max` for `tenants` tenants.
    pub fn new(max: u32, tenants: usize) -> HalvedQuota {
        let Halves { reserved, common } = Halves::of(max, tenants);
        let tenants = std::iter::repeat_with(|| Semaphore::new(reserved)).take(tenants).collect();
        HalvedQuota {
            max,
            reserved: Arc::new(RwLock::new(tenants)),
            common: Semaphore::new(common),
        }
    }

    /// Divides the quota again among the tenants that are served, by index. Permits beyond a smaller part are kept until they
    /// are released.
    pub fn divide(&self, is_served: &[bool]) {
        let served = is_served.iter().filter(|is_served| **is_served).count();
        let Halves { reserved, common } = Halves::of(self.max, served);
        let mut parts = self.reserved.write();
        for (index, is_served) in is_served.iter().enumerate() {
            let reserved = if *is_served { reserved } else { 0 };
            match parts.get(index) {
                Some(part) => part.set_limit(reserved),
                None => parts.push(Semaphore::new(reserved)),
            }
        }
        self.common.set_limit(common);
    }

    /// Acquires a permit for the tenant with this index; none if there is none left for it.
    pub fn acquire(&self, tenant: usize) -> Option<Permit> {
        let own = self.reserved.read().get(tenant).and_then(Semaphore::try_acquire);
        own.or_else(|| self.common.try_acquire())
    }

    /// Whether there is a permit for the tenant with this index.
    pub fn has_permits(&self, tenant: usize) -> bool {
        self.reserved.read().get(tenant).is_some_and(Semaphore::has_permits)
            || self.common.has_permits()
    }
}

/// For a host without tenants: unbounded.
impl Default for HalvedQuota {
    fn default() -> HalvedQuota {
        HalvedQuota::new(u32::MAX, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn take_all(quota: &HalvedQuota, tenant: usize, expected: usize) -> Vec<Permit> {
        let all: Vec<_> = (0..1000).map_while(|_| quota.acquire(tenant)).collect();
        assert_eq!(all.len(), expected);
        all
    }

    #[test]
    fn every_tenant_has_its_part_whatever_the_others_take() {
        let quota = HalvedQuota::new(100, 3);
        // 16 are reserved for each; 52 are first come, first served.
        let first = take_all(&quota, 0, 68);
        let second = take_all(&quota, 1, 16);
        take_all(&quota, 2, 16);
        drop((first, second));
        take_all(&quota, 2, 68);
    }

    #[test]
    fn tenants_come_and_go() {
        let quota = HalvedQuota::new(100, 1);
        quota.divide(&[true, true]);
        let first = take_all(&quota, 0, 75);
        let second = take_all(&quota, 1, 25);
        drop((first, second));
        quota.divide(&[false, true]);
        take_all(&quota, 1, 100);
    }

    #[test]
    fn whoever_is_alone_has_all() {
        for max in 1..10 {
            take_all(&HalvedQuota::new(max, 1), 0, max as usize);
        }
        assert!(HalvedQuota::default().acquire(7).is_some());
    }
}
