//! Releases the resources of ended instances and connections on a thread of its own, if there are many, with tenants in turn: so
//! no reactor waits until thousands of subscriptions have ended, thousands of files are closed or megabytes are returned to the
//! system.

use std::io;
use std::sync::Arc;

use crate::base::thread::Threads;
use crate::engine::call::Seat;
use crate::mail::post::{Notice, Post};
use crate::net::connection::files::LeftFiles;
use crate::quota::fair_queue::{FairQueue, Taken};
use crate::quota::instances::InstanceSlot;
use crate::workers::LONGEST_END;

/// Resources to release.
pub struct Remains {
    pub tenant: usize,
    pub what: Remaining,
}

/// What is released.
pub enum Remaining {
    /// The resources of an ended instance.
    Instance {
        /// Its sandbox, with everything that it owns in other parts of the host.
        seat: Seat,
        slot: InstanceSlot,
        /// The mail of its reactor, which is notified when the slot is free.
        post: Post,
    },
    /// The unsent files of a connection.
    Files(LeftFiles),
}

/// The queue of the thread. Clones share it.
#[derive(Clone)]
pub struct Disposal(Arc<FairQueue<Remains>>);

/// The thread. Dropping it closes the queue and waits up to [`LONGEST_END`] for the thread to empty it.
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
        // Bounded by the instance quota: each entry holds a slot.
        let queue = Disposal(Arc::new(FairQueue::new(usize::MAX, usize::MAX)));
        let worker = queue.clone();
        let mut threads = Threads::new();
        threads.spawn("disposal".to_owned(), move || worker.work())?;
        Ok((queue.clone(), DisposalThread { queue, threads: Some(threads) }))
    }

    /// Queues the resources of an instance. They are dropped at once if the host ends.
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
        match self.what {
            Remaining::Files(files) => drop(files),
            Remaining::Instance { seat, slot, post } => {
                // The sandbox first: whoever gets the slot needs the memory.
                drop(seat);
                drop(slot);
                post.tell(Notice::SlotFreed);
            }
        }
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
