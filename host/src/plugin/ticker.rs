//! The thread that measures slices: it moves the engine's epoch while handlers run and sleeps otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::EngineWeak;

/// Moves the epoch of an engine every slice. Dropping it stops and joins the thread.
#[derive(Debug)]
pub struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a reactor tells the ticker when it enters a guest. Clones reach the same ticker.
#[derive(Debug, Clone)]
pub struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Grows with every entry into a guest; the ticker only looks whether it has grown.
    entries: AtomicU64,
    /// Whether the thread sleeps until the next entry.
    parked: AtomicBool,
    stop: AtomicBool,
    thread: std::sync::OnceLock<std::thread::Thread>,
}

/// Slices without any entry after which the ticker goes to sleep. Waking it costs a system call, so it
/// lingers a little over the gaps of a busy loop.
const IDLE_SLICES: u32 = 20;

impl Ticker {
    /// Starts the thread.
    pub fn spawn(engine: EngineWeak, slice: Duration) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared {
            entries: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("ticker".into())
            .spawn(move || of_thread.run(&engine, slice))?;
        // Before any guest is entered, so that `enter` always finds it.
        let _ = shared.thread.set(thread.thread().clone());
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// What reactors hold.
    pub fn activity(&self) -> Activity {
        Activity(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there was reported by the panic hook; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

impl Activity {
    /// To be called before each entry into a guest and each resumption.
    pub fn enter(&self) {
        // Sequentially consistent on both sides: either the ticker sees the entry before it parks, or this
        // sees that it has parked.
        self.0.entries.fetch_add(1, Ordering::SeqCst);
        if self.0.parked.load(Ordering::SeqCst)
            && self.0.parked.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.0.thread.get()
        {
            thread.unpark();
        }
    }
}

impl Shared {
    fn run(&self, engine: &EngineWeak, slice: Duration) {
        let mut seen = 0;
        let mut idle = 0;
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::sleep(slice);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
            let entries = self.entries.load(Ordering::SeqCst);
            idle = if entries == seen { idle + 1 } else { 0 };
            seen = entries;
            if IDLE_SLICES <= idle {
                self.park(seen);
                idle = 0;
            }
        }
    }

    /// Sleeps until the next entry.
    fn park(&self, seen: u64) {
        self.parked.store(true, Ordering::SeqCst);
        let entered_meanwhile = self.entries.load(Ordering::SeqCst) != seen;
        if entered_meanwhile || self.stop.load(Ordering::SeqCst) {
            self.parked.store(false, Ordering::SeqCst);
            return;
        }
        while self.parked.load(Ordering::SeqCst) && !self.stop.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }
}
