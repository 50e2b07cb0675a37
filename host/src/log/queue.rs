//! Bounded queues for standard error and standard output.
//!
//! Half of the bound is reserved in equal parts for the host and the tenants; the other half is first come, first served. So
//! nobody can fill the queue for the others. What has no room is left out and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::base::lock::{Condvar, Mutex, MutexGuard};
use crate::log::share::{Account, LogShare};

/// The queues of the log and of standard output; both live as long as the process.
pub(super) static LOG: OnceLock<Arc<WriteQueue>> = OnceLock::new();
pub(super) static OUTPUT: OnceLock<Arc<WriteQueue>> = OnceLock::new();

/// The size of an entry besides its bytes: about the memory that the host needs for it.
const OVERHEAD_BYTES: u64 = 96;
/// The most bytes of a write of several entries.
const BATCH_BYTES: usize = 64 << 10;
/// Reserved for the lines that report omitted lines.
const TELLING_BYTES: u64 = 4 << 10;
/// The interval at which the writer checks for omitted lines.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandardStream {
    /// The host's log, on standard error. Lines are counted.
    Log,
    /// Standard output. Bytes are counted.
    Output,
}

/// A queue of bytes, and the state of its writer.
#[derive(Debug)]
pub(super) struct WriteQueue {
    pub(super) stream: StandardStream,
    bytes_max: u64,
    /// The account of the host itself.
    pub(super) host: Account,
    state: Mutex<State>,
    changed: Condvar,
    /// The bytes written since the start.
    pub(super) written: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Queued>,
    /// The bytes used of the common half.
    common: u64,
    /// Whether the thread is writing.
    writes: bool,
    /// Whether lines were omitted and not yet reported.
    untold: bool,
    /// Whether a thread waits until the queue is empty.
    flushes: bool,
    /// Whether the stream is closed.
    is_gone: bool,
}

/// An entry of a queue.
#[derive(Debug)]
pub(super) struct Queued {
    bytes: Vec<u8>,
    owner: Option<Arc<LogShare>>,
    /// The lines or bytes in it, as the stream counts.
    count: u64,
    is_common: bool,
}

/// The next task of the writer.
pub(super) enum WriterTask {
    /// Write these entries.
    Write(Vec<Queued>),
    /// Report omitted lines.
    Tell,
}

impl WriteQueue {
    pub(super) fn new(stream: StandardStream, bytes_max: u64) -> WriteQueue {
        WriteQueue {
            stream,
            bytes_max,
            host: Account::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            written: AtomicU64::new(0),
        }
    }

    fn account<'a>(&'a self, owner: Option<&'a Arc<LogShare>>) -> &'a Account {
        match (owner, self.stream) {
            (None, _) => &self.host,
            (Some(share), StandardStream::Log) => &share.log,
            (Some(share), StandardStream::Output) => &share.output,
        }
    }

    /// The reserved part of the host, and of each tenant.
    fn part(&self) -> u64 {
        let parts = u64::try_from(LogShare::count()).unwrap_or(u64::MAX).saturating_add(1);
        self.bytes_max / 2 / parts
    }

    /// Adds an entry of `owner`, or of the host, that counts as `count`, if there is room for it.
    pub(super) fn push(&self, owner: Option<Arc<LogShare>>, bytes: Vec<u8>, count: u64) {
        let cost = cost(&bytes);
        let part = self.part();
        let mut state = self.lock();
        if state.is_gone {
            return;
        }
        let account = self.account(owner.as_ref());
        let held = account.held.load(Ordering::Relaxed);
        // One entry fits always, whatever its size.
        let is_own = held == 0 || held.saturating_add(cost) <= part;
        let fits = is_own || state.common.saturating_add(cost) <= self.bytes_max / 2;
        if !fits {
            account.lost.add(count);
            state.untold = true;
            return;
        }
        if is_own {
            account.held.fetch_add(cost, Ordering::Relaxed);
        } else {
            state.common += cost;
        }
        state.entries.push_back(Queued { bytes, owner, count, is_common: !is_own });
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next task; the bytes to write are put into `buffer`. `told` is the time since the last report of omitted
    /// lines.
    pub(super) fn next(&self, buffer: &mut Vec<u8>, told: Duration) -> WriterTask {
        let mut state = self.lock();
        loop {
            if !state.entries.is_empty() {
                state.writes = true;
                return WriterTask::Write(take_batch(&mut state.entries, buffer));
            }
            let due = LOOK_AGAIN_AFTER.saturating_sub(told);
            if state.untold && (state.flushes || due.is_zero()) {
                return WriterTask::Tell;
            }
            if !state.untold {
                self.changed.wait(&mut state);
            } else if self.changed.wait_for(&mut state, due).timed_out() {
                return WriterTask::Tell;
            }
        }
    }

    /// Takes all entries, for a queue that no thread writes.
    pub(super) fn drain(&self) -> Vec<u8> {
        let entries: Vec<Queued> = std::mem::take(&mut self.lock().entries).into();
        let bytes = entries.iter().flat_map(|entry| entry.bytes.iter().copied()).collect();
        self.done(entries, true);
        bytes
    }

    /// Releases entries that were written, or could not be.
    pub(super) fn done(&self, entries: Vec<Queued>, is_written: bool) {
        let mut state = self.lock();
        state.writes = false;
        for Queued { bytes, owner, count, is_common } in &entries {
            let account = self.account(owner.as_ref());
            let cost = cost(bytes);
            if *is_common {
                state.common = state.common.saturating_sub(cost);
            } else {
                account.held.fetch_sub(cost, Ordering::Relaxed);
            }
            if !is_written {
                account.lost.add(*count);
                state.untold = true;
            }
        }
        drop(state);
        // Freed outside the lock, so that a line does not wait for it.
        drop(entries);
        self.changed.notify_all();
    }

    /// Empties a queue whose stream is closed.
    pub(super) fn gone(&self) {
        let mut state = self.lock();
        state.is_gone = true;
        state.untold = false;
        let entries = std::mem::take(&mut state.entries).into();
        drop(state);
        self.done(entries, true);
    }

    /// Whether a report of omitted lines is due, `told` after the last one. It counts as reported; the caller calls
    /// [`WriteQueue::done`] after the report.
    pub(super) fn is_to_tell(&self, told: Duration) -> bool {
        let mut state = self.lock();
        let held = self.host.held.load(Ordering::Relaxed);
        let has_room = held == 0 || held.saturating_add(TELLING_BYTES) <= self.part();
        let is_due = state.untold && has_room && (state.flushes || LOOK_AGAIN_AFTER <= told);
        if is_due {
            state.untold = false;
            // A flush waits for the report, too.
            state.writes = true;
        }
        is_due
    }

    /// Wakes the writer for a report.
    pub(super) fn wake(&self) {
        self.lock().untold = true;
        self.changed.notify_all();
    }

    /// Waits until everything is written and reported. Gives up if nothing was written for `stall`, and after `whole`.
    pub(super) fn flush(&self, stall: Duration, whole: Duration) {
        let mut state = self.lock();
        state.flushes = true;
        self.changed.notify_all();
        let (mut left, mut before) = (whole, self.written.load(Ordering::Relaxed));
        while !state.entries.is_empty() || state.writes || state.untold {
            let wait = stall.min(left);
            let goes_on =
                |state: &mut State| !state.entries.is_empty() || state.writes || state.untold;
            let waited = self.changed.wait_while_for(&mut state, goes_on, wait);
            let now = self.written.load(Ordering::Relaxed);
            left = left.saturating_sub(wait);
            if waited.timed_out() && (now == before || left.is_zero()) {
                break;
            }
            before = now;
        }
        state.flushes = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn cost(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES)
}

/// Takes the oldest entries.
fn take_batch(entries: &mut VecDeque<Queued>, buffer: &mut Vec<u8>) -> Vec<Queued> {
    let mut taken = Vec::new();
    while let Some(entry) = entries.front() {
        if !taken.is_empty() && BATCH_BYTES < buffer.len() + entry.bytes.len() {
            break;
        }
        buffer.extend_from_slice(&entry.bytes);
        taken.extend(entries.pop_front());
    }
    taken
}

/// Wakes the writer of the log for a report.
pub(super) fn wake_log() {
    if let Some(log) = LOG.get() {
        log.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each may have of its own in a queue of a test, whose number of parts changes with the shares that other tests of the
    /// process make and drop.
    const OWN_BYTES: u64 = 1000;

    fn queue() -> WriteQueue {
        WriteQueue::new(StandardStream::Log, 2_000_000)
    }

    fn lost(queue: &WriteQueue, owner: Option<&Arc<LogShare>>) -> u64 {
        queue.account(owner).lost.total()
    }

    #[test]
    fn whoever_fills_it_keeps_nobody_out() {
        let queue = queue();
        let (noisy, quiet) = (LogShare::new("noisy", 1), LogShare::new("quiet", 1));
        for _ in 0..3000 {
            queue.push(Some(noisy.clone()), vec![b'x'; 1000], 1);
        }
        // The common half and its own part are full.
        assert!(0 < lost(&queue, Some(&noisy)));
        for _ in 0..OWN_BYTES / (100 + OVERHEAD_BYTES) {
            queue.push(Some(quiet.clone()), vec![b'q'; 100], 1);
            queue.push(None, vec![b'h'; 100], 1);
        }
        assert_eq!((lost(&queue, Some(&quiet)), lost(&queue, None)), (0, 0), "{}", queue.part());
    }

    #[test]
    fn what_is_written_gives_its_room_back() {
        let queue = queue();
        let share = LogShare::new("one", 1);
        for round in 0..3 {
            for _ in 0..500 {
                queue.push(Some(share.clone()), vec![b'x'; 1000], 1);
            }
            let mut written = 0;
            while !queue.lock().entries.is_empty() {
                let mut buffer = Vec::new();
                let WriterTask::Write(entries) = queue.next(&mut buffer, Duration::ZERO) else {
                    panic!("there are entries");
                };
                assert!(buffer.len() <= BATCH_BYTES);
                written += entries.len();
                queue.done(entries, true);
            }
            assert_eq!((written, lost(&queue, Some(&share))), (500, 0), "round {round}");
        }
        let state = queue.lock();
        assert_eq!((state.common, share.log.held.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn one_entry_of_each_has_a_place_whatever_its_size() {
        let queue = WriteQueue::new(StandardStream::Output, 1000);
        let shares = ["a", "b"].map(|name| LogShare::new(name, 1));
        for share in &shares {
            queue.push(Some(share.clone()), vec![0; 50_000], 50_000);
            queue.push(Some(share.clone()), vec![0; 50_000], 50_000);
            assert_eq!(lost(&queue, Some(share)), 50_000);
        }
    }

    #[test]
    fn a_flush_ends_when_nobody_reads() {
        let queue = queue();
        queue.flush(Duration::from_secs(100), Duration::from_secs(100));
        queue.push(None, vec![b'x'], 1);
        queue.flush(Duration::from_millis(1), Duration::from_secs(100));
        assert_eq!(queue.lock().entries.len(), 1);
    }

    #[test]
    fn what_could_not_be_written_is_lost_and_told() {
        let queue = queue();
        queue.push(None, vec![b'x'], 7);
        let mut buffer = Vec::new();
        let WriterTask::Write(entries) = queue.next(&mut buffer, Duration::ZERO) else {
            panic!("there is one");
        };
        queue.done(entries, false);
        assert_eq!(lost(&queue, None), 7);
        assert!(!queue.is_to_tell(Duration::ZERO) && queue.is_to_tell(Duration::from_secs(1)));
        queue.gone();
        queue.push(None, vec![b'x'], 7);
        assert!(queue.lock().entries.is_empty());
    }
}
