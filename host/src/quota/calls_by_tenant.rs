//! Calls that wait for a thread, by tenant: tenants take turns.

use std::collections::VecDeque;

/// The length of a tenant's queue at which abandoned calls are removed.
const LOOK_AT: usize = 16;

/// Calls that wait, and that may be abandoned meanwhile.
#[derive(Debug)]
pub(crate) struct CallsByTenant<T> {
    /// The tenants with calls, the next one first.
    tenants: VecDeque<(usize, VecDeque<T>)>,
}

impl<T> Default for CallsByTenant<T> {
    fn default() -> CallsByTenant<T> {
        CallsByTenant { tenants: VecDeque::new() }
    }
}

impl<T> CallsByTenant<T> {
    /// Adds a call; may return abandoned ones, to be dropped without a lock.
    pub(crate) fn add(
        &mut self,
        tenant: usize,
        call: T,
        is_wanted: impl Fn(&T) -> bool,
    ) -> VecDeque<T> {
        let Some((_, calls)) = self.tenants.iter_mut().find(|(known, _)| *known == tenant) else {
            self.tenants.push_back((tenant, VecDeque::from([call])));
            return VecDeque::new();
        };
        let mut given_up = VecDeque::new();
        // If a tenant's threads hang, its abandoned calls must not pile up. Searching whenever the length has doubled costs O(1)
        // per call.
        if LOOK_AT <= calls.len() && calls.len().is_power_of_two() {
            (*calls, given_up) = calls.drain(..).partition(is_wanted);
        }
        calls.push_back(call);
        given_up
    }

    /// Whether the next call of some tenant may begin.
    pub(crate) fn any(&self, may_begin: impl Fn(usize, &T) -> bool) -> bool {
        self.place(may_begin).is_some()
    }

    /// Takes the next call of the first tenant for which it may begin, with the tenant.
    pub(crate) fn take(&mut self, may_begin: impl Fn(usize, &T) -> bool) -> Option<(usize, T)> {
        let (tenant, mut calls) = self.tenants.remove(self.place(may_begin)?)?;
        let call = calls.pop_front()?;
        if !calls.is_empty() {
            self.tenants.push_back((tenant, calls));
        }
        Some((tenant, call))
    }

    /// All calls.
    pub(crate) fn into_calls(self) -> Vec<T> {
        self.tenants.into_iter().flat_map(|(_, calls)| calls).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    fn place(&self, may_begin: impl Fn(usize, &T) -> bool) -> Option<usize> {
        let may =
            |calls: &VecDeque<T>, tenant| calls.front().is_some_and(|it| may_begin(tenant, it));
        self.tenants.iter().position(|(tenant, calls)| may(calls, *tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_and_one_that_may_not_is_passed_over() {
        let mut calls = CallsByTenant::default();
        for (tenant, call) in [(1, "a"), (1, "b"), (2, "c"), (3, "d")] {
            assert!(calls.add(tenant, call, |_| true).is_empty());
        }
        assert!(!calls.any(|tenant, _| tenant == 4));
        assert_eq!(calls.take(|tenant, _| tenant != 1), Some((2, "c")));
        let rest: Vec<_> = std::iter::from_fn(|| calls.take(|_, _| true)).collect();
        assert_eq!(rest, [(1, "a"), (3, "d"), (1, "b")]);
        assert!(calls.is_empty());
    }

    #[test]
    fn what_nobody_wants_does_not_pile_up() {
        let mut calls = CallsByTenant::default();
        let dropped: usize = (0..10_000).map(|_| calls.add(0, "given up", |_| false).len()).sum();
        let left = calls.into_calls().len();
        assert_eq!(dropped + left, 10_000);
        assert!(left <= LOOK_AT, "{left}");
    }
}
