//! Whose turn it is among suspended calls: tenants take turns, so that a hundred hungry connections of one weigh as much
//! as one of another.

use std::collections::VecDeque;

use super::InstanceId;

/// Instances whose suspended call can go on.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The tenants that have some, the one whose turn it is in front; for each the instances, the one that has
    /// waited longest in front.
    tenants: VecDeque<(usize, VecDeque<InstanceId>)>,
}

impl Turns {
    /// Adds one at the end of its tenant's.
    pub(super) fn push(&mut self, tenant: usize, instance: InstanceId) {
        match self.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            Some((_, instances)) => instances.push_back(instance),
            None => self.tenants.push_back((tenant, VecDeque::from([instance]))),
        }
    }

    /// The next one, of the first tenant that may have a slice; that tenant is the last from now on.
    pub(super) fn take(&mut self, may_run: impl Fn(usize) -> bool) -> Option<InstanceId> {
        let place = self.tenants.iter().position(|(tenant, _)| may_run(*tenant))?;
        let (tenant, mut instances) = self.tenants.remove(place)?;
        let next = instances.pop_front();
        if !instances.is_empty() {
            self.tenants.push_back((tenant, instances));
        }
        next
    }

    /// Whether one of them may have a slice.
    pub(super) fn any(&self, may_run: impl Fn(usize) -> bool) -> bool {
        self.tenants.iter().any(|(tenant, _)| may_run(*tenant))
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::Arena;
    use super::*;

    #[test]
    fn tenants_take_turns() {
        let mut arena = Arena::new();
        let ids: Vec<InstanceId> = (0..5).map(|number| arena.insert(number)).collect();
        let mut turns = Turns::default();
        for (tenant, id) in [(0, ids[0]), (0, ids[1]), (0, ids[2]), (1, ids[3])] {
            turns.push(tenant, id);
        }
        assert_eq!(turns.take(|_| true), Some(ids[0]));
        // One that has had its slice and wants more is the last of its tenant.
        turns.push(0, ids[0]);
        assert_eq!(turns.take(|_| true), Some(ids[3]), "the other tenant's turn");
        assert_eq!(turns.take(|_| true), Some(ids[1]));
        turns.push(1, ids[4]);
        assert_eq!(turns.take(|tenant| tenant == 1), Some(ids[4]), "who must wait is passed over");
        assert_eq!(turns.take(|tenant| tenant == 1), None);
        assert!(turns.any(|tenant| tenant == 0) && !turns.is_empty());
    }
}
