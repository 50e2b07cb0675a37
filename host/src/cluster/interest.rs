//! Which names somebody on this host is subscribed to, as far as the thread of the cluster has not seen it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::base::lock::{Mutex, MutexGuard};

/// What has changed since the thread looked. A name that was taken up and given up meanwhile has not changed, so that there are never
/// more than there are names in use and names that the thread holds.
#[derive(Debug, Default)]
pub(super) struct Interest {
    changed: Mutex<HashMap<String, bool>>,
    bell: Notify,
    is_over: AtomicBool,
}

impl Interest {
    /// Somebody is subscribed to a name, or nobody any more; the two take turns.
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

    /// Nothing changes any more.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// What has changed, as soon as something has; none when nothing will any more.
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
