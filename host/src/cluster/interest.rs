//! The changes of the names that are subscribed to on this host, for the thread of the cluster.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::base::lock::{Mutex, MutexGuard};

/// The changes since the last look of the thread. A name that is subscribed and unsubscribed in between has not changed, so that
/// the number of changes is bounded by the names in use and the names that the thread has.
#[derive(Debug, Default)]
pub(super) struct Interest {
    changed: Mutex<HashMap<String, bool>>,
    bell: Notify,
    is_over: AtomicBool,
}

impl Interest {
    /// A name has got its first subscriber, or lost its last one; the two alternate.
    pub(super) fn change(&self, name: &str, is_wanted: bool) {
        let mut changed = self.lock();
        if changed.get(name).is_some_and(|before| *before != is_wanted) {
            changed.remove(name);
        } else {
            changed.insert(name.to_owned(), is_wanted);
        }
        drop(changed);
        self.bell.notify_one();
    }

    /// Ends the changes.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Waits for changes and takes them; none after the end.
    pub(super) async fn next(&self) -> Option<HashMap<String, bool>> {
        loop {
            if self.is_over.load(Ordering::Acquire) {
                return None;
            }
            let changed = std::mem::take(&mut *self.lock());
            if !changed.is_empty() {
                return Some(changed);
            }
            self.bell.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.changed.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_back_has_not_changed() {
        let interest = Interest::default();
        interest.change("kept", true);
        for round in 0..1000 {
            interest.change(&round.to_string(), true);
            interest.change(&round.to_string(), false);
        }
        interest.change("gone", false);
        let changed = interest.lock().clone();
        assert_eq!(changed, HashMap::from([("kept".to_owned(), true), ("gone".to_owned(), false)]));
    }
}
