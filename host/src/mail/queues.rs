//! Queues: each item goes to one pop, both in first-in, first-out order.
//!
//! Items wait here, or in the cluster if the tenant shares its queues with other hosts; pops wait here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::lock::{Mutex, MutexGuard};
use crate::mail::channels::PushFault;
use crate::mail::handout::{Handout, TakeBack};
use crate::mail::message::{Full, Message, Room, TenantBudgets};
use crate::mail::post::{Address, Mail};
use crate::mail::queue_relay::QueueRelay;
use crate::quota::budget::ByteBudget;
use crate::quota::host_memory::{self, Admission};
use crate::quota::semaphore::Semaphore;

/// The queues of one tenant, by name. A queue exists while items or pops wait in it.
#[derive(Debug)]
pub struct Queues {
    by_name: Mutex<HashMap<String, Queue>>,
    names: Semaphore,
    /// The most bytes in one queue.
    bytes_max: AtomicU64,
    budgets: TenantBudgets,
    /// Keeps the items instead, if other hosts share the queues.
    relay: Option<Arc<dyn QueueRelay>>,
}

#[derive(Debug)]
struct Queue {
    budget: ByteBudget,
    /// By the order of the pushes, so that an item that comes back gets its old position.
    items: BTreeMap<u64, Message>,
    pushed: u64,
    /// By the order of the pops.
    waiting: BTreeMap<u64, WaitingPop>,
    asked: u64,
    /// The number of items on their way, which may come back.
    handed_out: usize,
    _name: Admission,
}

#[derive(Debug)]
struct WaitingPop {
    address: Address,
    pop: u32,
}

impl Queues {
    pub fn new(
        names: Semaphore,
        bytes_max: u64,
        budgets: TenantBudgets,
        relay: Option<Arc<dyn QueueRelay>>,
    ) -> Arc<Queues> {
        let bytes_max = AtomicU64::new(bytes_max);
        let queues = Queues { by_name: Mutex::default(), names, bytes_max, budgets, relay };
        let queues = Arc::new(queues);
        if let Some(relay) = &queues.relay {
            relay.attach(Arc::downgrade(&queues));
        }
        queues
    }

    /// Sets the most bytes in one queue.
    pub fn set_limit(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        let queues = self.lock();
        queues.values().for_each(|queue| queue.budget.set_max(bytes_max));
    }

    /// Adds an item, or hands it to the oldest pop that waits.
    ///
    /// # Errors
    /// When the queue is full or the tenant has too many names in use.
    pub fn push(self: &Arc<Self>, name: &str, data: Vec<u8>) -> Result<(), PushFault> {
        if let Some(relay) = &self.relay {
            let room = relay.room(data.len()).map_err(PushFault::NotRelayed)?;
            relay.push(name, self.message(name, data)?, room);
            return Ok(());
        }
        let mut data = Some(data);
        let pushed = self.change(name, |queue| {
            let length = data.as_ref().map_or(0, Vec::len);
            let room = Room::reserve(length, &self.budgets.messages, Some(&queue.budget))?;
            queue.pushed += 1;
            // If there is no room, the bytes are dropped after the lock is released.
            queue.items.insert(queue.pushed, room.fill(data.take().unwrap_or_default()));
            Ok(())
        });
        pushed.map_err(PushFault::from)
    }

    /// A message with an item that the cluster keeps; it counts for the tenant while it is on this host.
    ///
    /// # Errors
    /// When the tenant has no room for it.
    pub fn message(&self, name: &str, data: Vec<u8>) -> Result<Message, Full> {
        Message::named(name, data, &self.budgets.messages, None)
    }

    /// Hands an item of the cluster to the pop that has waited longest here. Without a pop it returns to the cluster.
    pub fn deliver(&self, name: &str, item: Handout) {
        let mut item = Box::new(item);
        loop {
            let mut queues = self.lock();
            let next = queues.get_mut(name).and_then(|queue| queue.waiting.pop_first());
            let Some((_, WaitingPop { address, pop })) = next else { return };
            self.settle(&mut queues, name);
            drop(queues);
            let mail = Mail::Popped { instance: address.instance, pop, item };
            let Err(Mail::Popped { item: refused, .. }) = address.post.try_send(mail) else {
                return;
            };
            item = refused;
        }
    }

    /// A pop whose item could not be handed over waits again at its position.
    ///
    /// # Errors
    /// When the tenant has too many names in use.
    pub fn wait_again(
        self: &Arc<Self>,
        name: &str,
        place: u64,
        address: &Address,
        pop: u32,
    ) -> Result<(), Full> {
        self.change(name, |queue| {
            queue.asked = queue.asked.max(place);
            queue.waiting.insert(place, WaitingPop { address: address.clone(), pop });
            Ok(())
        })
    }

    /// Requests an item, which comes by mail. Returns the pop's position among those that wait.
    ///
    /// # Errors
    /// When the tenant has too many names in use.
    pub fn pop(self: &Arc<Self>, name: &str, address: &Address, pop: u32) -> Result<u64, Full> {
        self.change(name, |queue| {
            queue.asked += 1;
            queue.waiting.insert(queue.asked, WaitingPop { address: address.clone(), pop });
            Ok(queue.asked)
        })
    }

    /// Removes the pop at a position, if it still waits.
    pub fn cancel(&self, name: &str, place: u64) {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(name) else { return };
        queue.waiting.remove(&place);
        self.settle(&mut queues, name);
    }

    /// The number of items that wait.
    pub fn size(&self, name: &str) -> usize {
        if let Some(relay) = &self.relay {
            return relay.size(name);
        }
        self.lock().get(name).map_or(0, |queue| queue.items.len())
    }

    /// The number of pops that wait.
    pub fn num_waiting(&self, name: &str) -> usize {
        let here = self.waiting_here(name);
        let elsewhere = self.relay.as_ref().map_or(0, |relay| relay.waiting_elsewhere(name));
        here.saturating_add(elsewhere)
    }

    /// The number of pops that wait on this host.
    pub fn waiting_here(&self, name: &str) -> usize {
        self.lock().get(name).map_or(0, |queue| queue.waiting.len())
    }

    /// Changes a queue, and hands out items to the pops that wait.
    fn change<T>(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&mut Queue) -> Result<T, Full>,
    ) -> Result<T, Full> {
        let mut queues = self.lock();
        if !queues.contains_key(name) {
            let admission = host_memory::name(&self.names, &self.budgets.host_memory, name);
            queues.insert(
                name.to_owned(),
                Queue::new(self.bytes_max.load(Ordering::Relaxed), admission.ok_or(Full)?),
            );
        }
        let Some(queue) = queues.get_mut(name) else { return Err(Full) };
        let changed = change(queue);
        let ready = queue.hand_out();
        self.settle(&mut queues, name);
        drop(queues);
        self.send(name, ready);
        changed
    }

    /// Sends items to their pops. An item for a reactor that has ended goes to the next pop.
    fn send(self: &Arc<Self>, name: &str, mut ready: Vec<(WaitingPop, u64, Message)>) {
        while let Some((waiting, order, item)) = ready.pop() {
            let WaitingPop { address, pop } = waiting;
            let item = Box::new(Handout::new(self.clone(), (name.to_owned(), order), item));
            let mail = Mail::Popped { instance: address.instance, pop, item };
            let Err(Mail::Popped { item: refused, .. }) = address.post.try_send(mail) else {
                continue;
            };
            let Some(item) = refused.give_back() else { continue };
            let mut queues = self.lock();
            let Some(queue) = queues.get_mut(name) else { continue };
            queue.put_back(order, item);
            ready.extend(queue.hand_out());
            forget_if_unused(&mut queues, name);
        }
    }

    /// Reports the number of waiting pops to the cluster, and removes a queue that is not used.
    fn settle(&self, queues: &mut HashMap<String, Queue>, name: &str) {
        if let Some((relay, queue)) = self.relay.as_ref().zip(queues.get(name)) {
            relay.wait(name, queue.waiting.len());
        }
        forget_if_unused(queues, name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.by_name.lock()
    }
}

impl Queue {
    fn new(bytes_max: u64, name: Admission) -> Queue {
        Queue {
            budget: ByteBudget::new(bytes_max),
            items: BTreeMap::new(),
            pushed: 0,
            waiting: BTreeMap::new(),
            asked: 0,
            handed_out: 0,
            _name: name,
        }
    }

    /// Pairs of a pop and an item, the oldest of each.
    fn hand_out(&mut self) -> Vec<(WaitingPop, u64, Message)> {
        let mut ready = Vec::new();
        while !self.items.is_empty() {
            let Some((_, waiting)) = self.waiting.pop_first() else { break };
            let Some((order, item)) = self.items.pop_first() else { break };
            self.handed_out += 1;
            ready.push((waiting, order, item));
        }
        // They are sent from the end of the list.
        ready.reverse();
        ready
    }

    fn put_back(&mut self, order: u64, item: Message) {
        self.handed_out -= 1;
        self.items.insert(order, item);
    }

    fn is_unused(&self) -> bool {
        self.items.is_empty() && self.waiting.is_empty() && self.handed_out == 0
    }
}

fn forget_if_unused(queues: &mut HashMap<String, Queue>, name: &str) {
    if queues.get(name).is_some_and(Queue::is_unused) {
        queues.remove(name);
    }
}

impl TakeBack for Queues {
    fn arrived(&self, name: &str) {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(name) {
            queue.handed_out -= 1;
        }
        forget_if_unused(&mut queues, name);
    }

    fn take_back(self: Arc<Self>, name: &str, order: u64, item: Message) {
        // Cannot fail: the queue exists while an item is handed out, so its name is counted.
        let _ = self.change(name, |queue| {
            queue.put_back(order, item);
            Ok(())
        });
    }
    fn may_begin(&self, _takes: Duration) -> bool {
        true
    }

    fn handled(&self) {}

    fn lost(&self, _item: Message) {}
}
