//! A fair semaphore for the slow lane: a fixed number of calls compute in parallel, the others wait on their own threads.
//! Tenants take turns, however many calls each of them has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crate::base::cancel::CancelToken;
use crate::base::lock::{Mutex, MutexGuard};
use crate::base::thread::waker;
use crate::clock::Clock;
use crate::plugin::shared::HostShared;
use crate::quota::token_bucket::WORTH_AFTER;

/// How often it is looked whether a tenant has CPU time again, at least. There is no notification of it, and the time that is known
/// for it holds until another call of the tenant, or a reload, changes it. Whoever waits in a call pays for each look: a thousand of
/// them a second took all of a small bound.
pub(super) const CPU_WAIT_MAX: Duration = WORTH_AFTER;
/// How often at most.
const CPU_WAIT_MIN: Duration = Duration::from_millis(1);
/// The longest park of a thread that is woken when it gets a turn.
const LONG: Duration = Duration::from_secs(3600);

/// Assigns turns.
#[derive(Debug)]
pub(crate) struct Turnstile {
    queue: Mutex<TurnOrder>,
    clock: Clock,
    host: Arc<HostShared>,
}

#[derive(Debug)]
struct TurnOrder {
    /// The number of free turns.
    free: usize,
    /// The tenants with calls that wait, the next one first.
    tenants: VecDeque<(usize, VecDeque<Arc<Ticket>>)>,
}

/// A call that waits.
#[derive(Debug)]
struct Ticket {
    granted: AtomicBool,
    thread: Thread,
}

impl Turnstile {
    /// A turnstile for at most `turns` parallel calls.
    pub(crate) fn new(turns: usize, clock: &Clock, host: Arc<HostShared>) -> Turnstile {
        let queue = Mutex::new(TurnOrder { free: turns, tenants: VecDeque::new() });
        Turnstile { queue, clock: clock.for_reactor(), host }
    }

    /// Waits for a turn of this tenant; false if the call was cancelled first.
    pub(crate) fn enter(&self, tenant: usize, cancel: &CancelToken) -> bool {
        let ticket =
            Arc::new(Ticket { granted: AtomicBool::new(false), thread: std::thread::current() });
        let mut queue = self.lock();
        queue.add(tenant, ticket.clone());
        self.dispatch(queue);
        if ticket.is_granted() {
            return true;
        }
        cancel.wake_when_cancelled(&waker());
        while !ticket.is_granted() {
            if cancel.is_cancelled() {
                self.lock().remove(tenant, &ticket);
                break;
            }
            self.clock.park(self.longest_park(tenant));
            self.dispatch(self.lock());
        }
        cancel.forget_waker();
        // It may have been granted between the last check and the removal.
        ticket.is_granted()
    }

    /// How long a call of this tenant waits for a turn until it looks itself.
    fn longest_park(&self, tenant: usize) -> Duration {
        let Some(tenant) = self.host.tenant(tenant).filter(|tenant| tenant.cpu.is_bounded()) else {
            return LONG;
        };
        let now = self.clock.now();
        if !tenant.cpu.is_empty(now) {
            return CPU_WAIT_MAX;
        }
        tenant.cpu.worth_waiting_for(now).since(now).clamp(CPU_WAIT_MIN, CPU_WAIT_MAX)
    }

    /// Releases a turn.
    pub(crate) fn leave(&self) {
        let mut queue = self.lock();
        queue.free += 1;
        self.dispatch(queue);
    }

    /// Whether a call waits that may have a turn.
    pub(crate) fn is_wanted(&self) -> bool {
        let queue = self.lock();
        queue.tenants.iter().any(|(tenant, _)| self.may_run(*tenant))
    }

    /// Whether a tenant has CPU time.
    pub(crate) fn may_run(&self, tenant: usize) -> bool {
        !self.host.tenant(tenant).is_some_and(|tenant| tenant.must_wait(&self.clock))
    }

    fn dispatch(&self, mut queue: MutexGuard<'_, TurnOrder>) {
        let granted = queue.dispatch(|tenant| self.may_run(tenant));
        drop(queue);
        for ticket in granted {
            ticket.thread.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, TurnOrder> {
        self.queue.lock()
    }
}

impl Ticket {
    fn is_granted(&self) -> bool {
        self.granted.load(Ordering::SeqCst)
    }
}

impl TurnOrder {
    fn add(&mut self, tenant: usize, ticket: Arc<Ticket>) {
        match self.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            Some((_, tickets)) => tickets.push_back(ticket),
            None => self.tenants.push_back((tenant, VecDeque::from([ticket]))),
        }
    }

    fn remove(&mut self, tenant: usize, ticket: &Arc<Ticket>) {
        if let Some((_, tickets)) = self.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            tickets.retain(|waiting| !Arc::ptr_eq(waiting, ticket));
        }
        self.tenants.retain(|(_, tickets)| !tickets.is_empty());
    }

    /// Grants the free turns to the next calls; returns their tickets, to be woken.
    fn dispatch(&mut self, may_run: impl Fn(usize) -> bool) -> Vec<Arc<Ticket>> {
        let mut granted = Vec::new();
        while 0 < self.free {
            let place = self.tenants.iter().position(|(tenant, _)| may_run(*tenant));
            let Some((tenant, mut tickets)) = place.and_then(|it| self.tenants.remove(it)) else {
                break;
            };
            let next = tickets.pop_front();
            if !tickets.is_empty() {
                self.tenants.push_back((tenant, tickets));
            }
            if let Some(ticket) = next {
                ticket.granted.store(true, Ordering::SeqCst);
                self.free -= 1;
                granted.push(ticket);
            }
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Arc<Ticket> {
        Arc::new(Ticket { granted: AtomicBool::new(false), thread: std::thread::current() })
    }

    /// The order in which tenants get turns, one at a time.
    fn order(waiting: &[usize], may_run: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut queue = TurnOrder { free: 0, tenants: VecDeque::new() };
        let tickets: Vec<_> = waiting.iter().map(|tenant| (*tenant, ticket())).collect();
        for (tenant, ticket) in &tickets {
            queue.add(*tenant, ticket.clone());
        }
        let mut order = Vec::new();
        loop {
            queue.free = 1;
            let granted = queue.dispatch(&may_run);
            let [granted] = granted.as_slice() else { return order };
            order.extend(tickets.iter().filter(|(_, it)| Arc::ptr_eq(it, granted)).map(|it| it.0));
        }
    }

    #[test]
    fn tenants_take_turns_however_many_calls_they_have() {
        assert_eq!(order(&[1, 1, 1, 1, 2], |_| true), [1, 2, 1, 1, 1]);
        assert_eq!(order(&[1, 1, 2, 3, 2], |_| true), [1, 2, 3, 1, 2]);
        assert_eq!(order(&[1, 2, 1], |tenant| tenant != 1), [2]);
        assert!(order(&[], |_| true).is_empty());
    }

    #[test]
    fn who_is_ended_waits_no_more_and_takes_no_turn() {
        let (clock, _) = Clock::manual();
        let turnstile = Turnstile::new(1, &clock, Arc::default());
        assert!(turnstile.enter(0, &CancelToken::default()));
        let cancel = CancelToken::default();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| turnstile.enter(1, &cancel));
            while !turnstile.is_wanted() {
                std::thread::yield_now();
            }
            cancel.cancel();
            assert!(!waits.join().unwrap());
        });
        assert!(!turnstile.is_wanted());
        turnstile.leave();
        assert!(turnstile.enter(2, &CancelToken::default()));
    }

    #[test]
    fn no_more_than_the_turns_are_out_at_once() {
        use std::sync::atomic::AtomicUsize;
        let turnstile = Turnstile::new(2, &Clock::system(), Arc::default());
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for tenant in 0..8 {
                let (turnstile, inside, most) = (&turnstile, &inside, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        assert!(turnstile.enter(tenant % 3, &CancelToken::default()));
                        most.fetch_max(1 + inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        turnstile.leave();
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.into_inner()));
        assert_eq!(turnstile.lock().free, 2);
    }
}
