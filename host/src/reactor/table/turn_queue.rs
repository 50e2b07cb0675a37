//! A fair queue for one kind of work: each tenant's items are served in order, tenants take turns, and a phase serves only
//! items that were there when it began.

use std::collections::VecDeque;

/// A fair queue for one kind of work. Most are empty in most turns, so what tells that is in it, and the rest elsewhere: a turn
/// looks at every queue several times, and would fetch their memory after each wait.
#[derive(Debug)]
pub(in crate::reactor) struct TurnQueue<T> {
    /// The number of items.
    waiting: usize,
    /// The number of tenants that are still to be served in this phase.
    in_phase: usize,
    tenants: Box<TenantQueues<T>>,
}

#[derive(Debug)]
struct TenantQueues<T> {
    items: Vec<TenantItems<T>>,
    /// The tenants with items, those that have waited longest first.
    active: Vec<usize>,
    /// The tenants that a phase has passed over.
    passed_over: Vec<usize>,
    /// The tenants that are still to be served in this phase, the next one first, and how many items each may have.
    phase: VecDeque<(usize, usize)>,
}

#[derive(Debug)]
struct TenantItems<T> {
    items: VecDeque<T>,
    is_active: bool,
}

impl<T> TurnQueue<T> {
    /// An empty queue for this number of tenants.
    pub(in crate::reactor) fn new(tenants: usize) -> TurnQueue<T> {
        let mut queue = TurnQueue {
            waiting: 0,
            in_phase: 0,
            tenants: Box::new(TenantQueues {
                items: Vec::new(),
                active: Vec::new(),
                passed_over: Vec::new(),
                phase: VecDeque::new(),
            }),
        };
        queue.grow(tenants);
        queue
    }

    /// Makes room for at least `tenants` tenants.
    pub(in crate::reactor) fn grow(&mut self, tenants: usize) {
        let tenants = tenants.max(self.tenants.items.len());
        let none = || TenantItems { items: VecDeque::new(), is_active: false };
        self.tenants.items.resize_with(tenants, none);
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Appends an item of a tenant.
    pub(in crate::reactor) fn push(&mut self, tenant: usize, item: T) {
        if let Some(items) = self.tenants.items_of(tenant) {
            items.push_back(item);
            self.waiting += 1;
        }
    }

    /// Appends items of a tenant.
    pub(in crate::reactor) fn extend(&mut self, tenant: usize, more: Vec<T>) {
        if !more.is_empty()
            && let Some(items) = self.tenants.items_of(tenant)
        {
            self.waiting += more.len();
            items.extend(more);
        }
    }

    /// Puts an item before the others of its tenant.
    pub(in crate::reactor) fn push_front(&mut self, tenant: usize, item: T) {
        if let Some(items) = self.tenants.items_of(tenant) {
            items.push_front(item);
            self.waiting += 1;
        }
    }

    /// Begins a phase: each tenant may have the items that it has now, up to `most`. Tenants that the last phase has passed over
    /// go first. False if there is nothing to do in it.
    pub(in crate::reactor) fn begin_phase(&mut self, most: usize) -> bool {
        if 0 < self.waiting || 0 < self.in_phase {
            self.tenants.begin_phase(most);
            self.in_phase = self.tenants.phase.len();
        }
        0 < self.in_phase
    }

    /// Takes the next item of the phase, of a tenant that has not `used` its share; none when the phase is over.
    pub(in crate::reactor) fn next(
        &mut self,
        has_used: impl FnMut(usize) -> bool,
    ) -> Option<(usize, T)> {
        if self.in_phase == 0 {
            return None;
        }
        let next = self.tenants.next(has_used);
        self.in_phase = self.tenants.phase.len();
        self.waiting -= usize::from(next.is_some());
        next
    }

    /// Drops all items.
    pub(in crate::reactor) fn clear(&mut self) {
        self.tenants.clear();
        (self.waiting, self.in_phase) = (0, 0);
    }
}

impl<T> TenantQueues<T> {
    fn items_of(&mut self, tenant: usize) -> Option<&mut VecDeque<T>> {
        let known = self.items.get_mut(tenant)?;
        if !std::mem::replace(&mut known.is_active, true) {
            self.active.push(tenant);
        }
        Some(&mut known.items)
    }

    fn begin_phase(&mut self, most: usize) {
        self.pass_over_the_rest();
        let (first, then) = (self.passed_over.drain(..), self.active.drain(..));
        for tenant in first.chain(then) {
            let known = &mut self.items[tenant];
            known.is_active = !known.items.is_empty();
            if known.is_active {
                self.phase.push_back((tenant, known.items.len().min(most)));
            }
        }
    }

    fn next(&mut self, mut has_used: impl FnMut(usize) -> bool) -> Option<(usize, T)> {
        while let Some((tenant, left)) = self.phase.pop_front() {
            if left == 0 {
                self.active.push(tenant);
                continue;
            }
            if has_used(tenant) {
                self.passed_over.push(tenant);
                continue;
            }
            let Some(item) = self.items[tenant].items.pop_front() else {
                self.active.push(tenant);
                continue;
            };
            self.phase.push_back((tenant, left - 1));
            return Some((tenant, item));
        }
        None
    }

    /// Ends a phase before all tenants were served.
    fn pass_over_the_rest(&mut self) {
        self.passed_over.extend(self.phase.drain(..).map(|(tenant, _)| tenant));
    }

    fn clear(&mut self) {
        self.pass_over_the_rest();
        for tenant in self.passed_over.drain(..).chain(self.active.drain(..)) {
            let known = &mut self.items[tenant];
            known.items.clear();
            known.is_active = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut TurnQueue<&'static str>, most: usize) -> Vec<&'static str> {
        queue.begin_phase(most);
        std::iter::from_fn(|| queue.next(|_| false)).map(|(_, item)| item).collect()
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let mut queue = TurnQueue::new(3);
        for (tenant, item) in [(0, "a"), (0, "b"), (0, "c"), (2, "A"), (2, "B")] {
            queue.push(tenant, item);
        }
        assert_eq!(drain(&mut queue, 2), ["a", "A", "b", "B"]);
        assert_eq!(drain(&mut queue, 2), ["c"]);
        assert!(queue.is_empty());
    }

    /// If each turn serves one tenant only, all are served one after the other.
    #[test]
    fn who_was_served_waits_behind_those_that_were_not() {
        let mut queue = TurnQueue::new(1);
        queue.extend(0, vec![]);
        assert!(queue.is_empty());
        queue.extend(0, vec!["a", "b", "c", "d"]);
        let mut served = Vec::new();
        for _ in 0..8 {
            queue.begin_phase(usize::MAX);
            let mut has_used = false;
            while let Some((tenant, item)) = queue.next(|_| has_used) {
                served.push(item);
                queue.push(tenant, item);
                has_used = true;
            }
        }
        assert_eq!(served.concat(), "abcdabcd");
    }

    #[test]
    fn what_comes_in_a_phase_waits_for_the_next() {
        let mut queue = TurnQueue::new(1);
        queue.push(0, "first");
        queue.begin_phase(usize::MAX);
        assert_eq!(queue.next(|_| false), Some((0, "first")));
        queue.push(0, "second");
        assert_eq!(queue.next(|_| false), None);
        assert_eq!(drain(&mut queue, usize::MAX), ["second"]);
    }

    #[test]
    fn who_has_used_its_share_keeps_the_rest_for_the_next_turn() {
        let mut queue = TurnQueue::new(2);
        [(0, "a"), (0, "b"), (1, "A")]
            .into_iter()
            .for_each(|(tenant, item)| queue.push(tenant, item));
        queue.begin_phase(usize::MAX);
        assert_eq!(queue.next(|tenant| tenant == 0), Some((1, "A")));
        assert_eq!(queue.next(|tenant| tenant == 0), None);
        queue.push_front(0, "before");
        assert_eq!(drain(&mut queue, usize::MAX), ["before", "a", "b"]);
    }

    /// If each phase serves one tenant only, all are served one after the other.
    #[test]
    fn who_was_passed_over_is_first_in_the_next_phase() {
        let mut queue = TurnQueue::new(3);
        for item in ["a", "b"] {
            (0..3).for_each(|tenant| queue.push(tenant, item));
        }
        let mut served = Vec::new();
        while !queue.is_empty() {
            queue.begin_phase(usize::MAX);
            let first = queue.next(|_| false).map(|(tenant, _)| tenant);
            assert_eq!(queue.next(|_| true), None);
            served.extend(first);
        }
        assert_eq!(served, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_phase_that_is_left_before_its_end_loses_nobody() {
        let mut queue = TurnQueue::new(2);
        [(0, "a"), (1, "A")].into_iter().for_each(|(tenant, item)| queue.push(tenant, item));
        queue.begin_phase(usize::MAX);
        queue.push(0, "b");
        assert_eq!(drain(&mut queue, usize::MAX), ["a", "A", "b"]);
    }

    #[test]
    fn everything_is_forgotten_at_once() {
        let mut queue = TurnQueue::new(2);
        [(0, "a"), (1, "A")].into_iter().for_each(|(tenant, item)| queue.push(tenant, item));
        queue.clear();
        assert!(queue.is_empty() && drain(&mut queue, 9).is_empty());
        queue.push(1, "again");
        assert_eq!(drain(&mut queue, 9), ["again"]);
    }
}
