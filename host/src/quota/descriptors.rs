//! The file descriptors of the tenants: half of those that there are is kept for them in equal parts, the other half is
//! first come, first served. So no tenant, and no number of them together, leaves another without.

use std::sync::Arc;

use crate::quota::instances::Halves;
use crate::quota::semaphore::{Permit, Semaphore};

/// The descriptors that guests may have: for connections, and for files that they open. Clones are the same.
#[derive(Debug, Clone)]
pub struct DescriptorQuota {
    /// Those that are kept for each tenant.
    tenants: Arc<[Semaphore]>,
    /// Those that are kept for nobody.
    common: Semaphore,
}

impl DescriptorQuota {
    /// Of `max` descriptors for `tenants` tenants.
    pub fn new(max: u32, tenants: usize) -> DescriptorQuota {
        let Halves { reserved, common } = Halves::of(max, tenants);
        let tenants = std::iter::repeat_with(|| Semaphore::new(reserved)).take(tenants).collect();
        DescriptorQuota { tenants, common: Semaphore::new(common) }
    }

    /// The right to one more for a tenant, by its index; none where there is none left for it.
    pub fn acquire(&self, tenant: usize) -> Option<Permit> {
        let own = self.tenants.get(tenant).and_then(Semaphore::try_acquire);
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
    fn whoever_is_alone_has_all() {
        for max in 1..10 {
            take_all(&DescriptorQuota::new(max, 1), 0, max as usize);
        }
        assert!(DescriptorQuota::default().acquire(7).is_some());
    }
}
