//! The file descriptors of the tenants: half of those that there are is kept for them in equal parts, the other half is
//! first come, first served. So no tenant, and no number of them together, leaves another without.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::quota::instances::Halves;
use crate::quota::semaphore::{Permit, Semaphore};

/// The descriptors that guests may have: for connections, and for files that they open. Clones are the same.
#[derive(Debug, Clone)]
pub struct DescriptorQuota {
    /// Those that are kept for each tenant.
    tenants: Arc<RwLock<Vec<Semaphore>>>,
    /// Those that are kept for nobody.
    common: Semaphore,
    max: u32,
}

impl DescriptorQuota {
    /// Of `max` descriptors for `tenants` tenants.
    pub fn new(max: u32, tenants: usize) -> DescriptorQuota {
        let Halves { reserved, common } = Halves::of(max, tenants);
        let tenants = std::iter::repeat_with(|| Semaphore::new(reserved)).take(tenants).collect();
        let tenants = Arc::new(RwLock::new(tenants));
        DescriptorQuota { tenants, common: Semaphore::new(common), max }
    }

    /// The tenants that are served are at these places from now on. What somebody has beyond his new part he keeps until he
    /// gives it back.
    pub fn divide(&self, is_served: &[bool]) {
        let served = is_served.iter().filter(|is_served| **is_served).count();
        let Halves { reserved, common } = Halves::of(self.max, served);
        let mut parts = self.tenants.write();
        for (place, is_served) in is_served.iter().enumerate() {
            let reserved = if *is_served { reserved } else { 0 };
            match parts.get(place) {
                Some(part) => part.set_limit(reserved),
                None => parts.push(Semaphore::new(reserved)),
            }
        }
        self.common.set_limit(common);
    }

    /// The right to one more for a tenant, by its index; none where there is none left for it.
    pub fn acquire(&self, tenant: usize) -> Option<Permit> {
        let own = self.tenants.read().get(tenant).and_then(Semaphore::try_acquire);
        own.or_else(|| self.common.try_acquire())
    }
}

/// For a host without tenants: as many as anybody asks for.
impl Default for DescriptorQuota {
    fn default() -> DescriptorQuota {
        DescriptorQuota::new(u32::MAX, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn take_all(quota: &DescriptorQuota, tenant: usize, expected: usize) -> Vec<Permit> {
        let all: Vec<_> = (0..1000).map_while(|_| quota.acquire(tenant)).collect();
        assert_eq!(all.len(), expected);
        all
    }

    #[test]
    fn every_tenant_has_its_part_whatever_the_others_take() {
        let quota = DescriptorQuota::new(100, 3);
        // 16 are kept for each; 52 are for whoever comes first.
        let first = take_all(&quota, 0, 68);
        let second = take_all(&quota, 1, 16);
        take_all(&quota, 2, 16);
        drop((first, second));
        take_all(&quota, 2, 68);
    }

    #[test]
    fn tenants_come_and_go() {
        let quota = DescriptorQuota::new(100, 1);
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
            take_all(&DescriptorQuota::new(max, 1), 0, max as usize);
        }
        assert!(DescriptorQuota::default().acquire(7).is_some());
    }
}
