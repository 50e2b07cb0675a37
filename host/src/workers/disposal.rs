//! What ended instances leave behind, where it is much: it is given back on a thread of its own, tenants in turn, so that no
//! reactor waits until thousands of subscriptions are ended or megabytes are given back to the system.

use std::io;
use std::sync::Arc;

use crate::base::thread::Threads;
use crate::engine::call::Seat;
use crate::mail::post::{Notice, Post};
use crate::quota::fair_queue::{FairQueue, Taken};
use crate::quota::instances::InstanceSlot;
use crate::workers::LONGEST_END;

/// What an ended instance leaves behind.
pub struct Remains {
    /// Whose it was.
    pub tenant: usize,
    /// Its sandbox, with everything that it holds in other parts of the host.
    pub seat: Seat,
    /// Its place among the instances of the host.
    pub slot: InstanceSlot,
    /// Its reactor, which is told when the place is free.
    pub post: Post,
}

/// Where reactors leave it. Clones lead to the same thread.
#[derive(Clone)]
pub struct Disposal(Arc<FairQueue<Remains>>);

/// The thread. Dropping it gives back what waits, and waits a moment for its end.
pub struct DisposalThread {
    queue: Disposal,
    threads: Option<Threads>,
}

impl Disposal {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> io::Result<(Disposal, DisposalThread)> {
        // As many may wait as there are places for instances.
        let queue = Disposal(Arc::new(FairQueue::new(usize::MAX, usize::MAX)));
        let worker = queue.clone();
        let mut threads = Threads::new();
        threads.spawn("disposal".to_owned(), move || worker.work())?;
        Ok((queue.clone(), DisposalThread { queue, threads: Some(threads) }))
    }

    /// Has it given back. A host that ends does so at once.
    pub fn add(&self, remains: Remains) {
        if let Err(remains) = self.0.add(remains.tenant, remains) {
            remains.give_back();
        }
    }

    fn work(&self) {
        while let Taken::Item(remains) = self.0.take(None) {
            let tenant = remains.tenant;
            remains.give_back();
            self.0.done(tenant);
        }
    }
}

impl Remains {
    fn give_back(self) {
        let Remains { seat, slot, post, .. } = self;
        // The guest first: whoever gets its place needs its memory.
        drop(seat);
        drop(slot);
        post.tell(Notice::SlotFreed);
    }
}

impl Drop for DisposalThread {
    fn drop(&mut self) {
        drop(self.queue.0.close());
        if let Some(threads) = self.threads.take() {
            threads.join_within(LONGEST_END);
        }
    }
}

impl std::fmt::Debug for Disposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disposal").finish_non_exhaustive()
    }
}
