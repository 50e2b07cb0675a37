//! Which target a client gets: what is known of each, and the choice. No call of the host.

use std::cell::RefCell;
use std::rc::Rc;

/// After how many reports of one kind a target is down, and up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub down: u32,
    pub up: u32,
}

/// What is known of all targets.
pub struct Balance {
    targets: Vec<State>,
    thresholds: Thresholds,
    /// Where a search among equals begins.
    next: usize,
}

#[derive(Clone, Copy)]
struct State {
    connections: usize,
    is_up: bool,
    /// Reports in a row that say otherwise.
    against: u32,
}

/// One connection to a target, counted until it is dropped.
pub struct Lease {
    balance: Rc<RefCell<Balance>>,
    target: usize,
}

impl Lease {
    /// Which target.
    pub fn target(&self) -> usize {
        self.target
    }

    /// Whether it took the connection.
    pub fn report(&self, is_up: bool) {
        self.balance.borrow_mut().report(self.target, is_up);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connections = &mut self.balance.borrow_mut().targets[self.target].connections;
        *connections = connections.saturating_sub(1);
    }
}

impl Balance {
    /// So many targets, all of them up.
    pub fn new(targets: usize, thresholds: Thresholds) -> Balance {
        let state = State { connections: 0, is_up: true, against: 0 };
        Balance { targets: vec![state; targets], thresholds, next: 0 }
    }

    /// The best target besides those that were tried. One that is down is better than none: the checks may be wrong.
    pub fn lease(
        balance: &Rc<RefCell<Balance>>,
        source: Option<&str>,
        tried: &[usize],
    ) -> Option<Lease> {
        let target = balance.borrow_mut().choose(source, tried)?;
        balance.borrow_mut().targets[target].connections += 1;
        Some(Lease { balance: balance.clone(), target })
    }

    fn choose(&mut self, source: Option<&str>, tried: &[usize]) -> Option<usize> {
        let count = self.targets.len();
        let begin = self.next;
        self.next = (begin + 1) % count.max(1);
        let left = (0..count).map(|at| (begin + at) % count).filter(|at| !tried.contains(at));
        left.min_by_key(|at| {
            let state = self.targets[*at];
            let weight = match source {
                // The highest of them all has this source, whichever others there are.
                Some(source) => u64::MAX - hash(source, *at),
                None => state.connections as u64,
            };
            (!state.is_up, weight)
        })
    }

    /// A target was reached or not; says what it has become by that.
    pub fn report(&mut self, target: usize, is_up: bool) -> Option<bool> {
        let state = &mut self.targets[target];
        if state.is_up == is_up {
            state.against = 0;
            return None;
        }
        state.against += 1;
        let enough = if is_up { self.thresholds.up } else { self.thresholds.down };
        if state.against < enough {
            return None;
        }
        *state = State { is_up, against: 0, ..*state };
        Some(is_up)
    }
}

/// FNV-1a of the source and the target, mixed: neighbours are far apart.
fn hash(source: &str, target: usize) -> u64 {
    let bytes = source.bytes().chain((target as u64).to_le_bytes());
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (sum ^ sum >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ mixed >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(targets: usize) -> Rc<RefCell<Balance>> {
        Rc::new(RefCell::new(Balance::new(targets, Thresholds { down: 2, up: 3 })))
    }

    fn targets(leases: &[Lease]) -> Vec<usize> {
        leases.iter().map(Lease::target).collect()
    }

    #[test]
    fn who_has_least_is_next_and_equals_take_turns() {
        let balance = balance(3);
        let lease = || Balance::lease(&balance, None, &[]).expect("a target");
        let mut leases: Vec<Lease> = (0..6).map(|_| lease()).collect();
        assert_eq!(targets(&leases), [0, 1, 2, 0, 1, 2]);
        drop(leases.remove(1));
        assert_eq!(lease().target(), 1);
    }

    #[test]
    fn a_target_is_down_and_up_after_its_thresholds() {
        let balance = balance(2);
        let report = |is_up| balance.borrow_mut().report(0, is_up);
        let chosen = || Balance::lease(&balance, None, &[]).expect("a target").target();
        assert_eq!([report(false), report(true), report(false)], [None; 3], "not in a row");
        assert_eq!(report(false), Some(false));
        assert_eq!([chosen(), chosen(), chosen()], [1; 3]);
        let only_the_other = Balance::lease(&balance, None, &[1]).expect("better than none");
        assert_eq!(only_the_other.target(), 0);
        assert!(Balance::lease(&balance, None, &[0, 1]).is_none());
        assert_eq!([report(true), report(true), report(true)], [None, None, Some(true)]);
    }

    #[test]
    fn a_source_stays_with_its_target() {
        let balance = balance(5);
        let of = |source: &str| Balance::lease(&balance, Some(source), &[]).expect("one").target();
        let sources: Vec<String> = (0..200).map(|last| format!("192.0.2.{last}")).collect();
        let before: Vec<usize> = sources.iter().map(|source| of(source)).collect();
        for target in 0..5 {
            let its = before.iter().filter(|it| **it == target).count();
            assert!((20..=60).contains(&its), "{its} of 200 have target {target}");
        }
        let report = |is_up| balance.borrow_mut().report(3, is_up);
        assert_eq!([report(false), report(false)], [None, Some(false)]);
        for (source, before) in sources.iter().zip(&before) {
            let now = of(source);
            assert!(if *before == 3 { now != 3 } else { now == *before }, "{source}");
        }
    }
}
