//! How a call that waits or computes is told that nobody wants it any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Set once, by whoever ends what the call is for; read by the thread that makes the call. Clones are the same token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    cancelled: AtomicBool,
    /// Wakes the thread that waits, if one does.
    waiting: Mutex<Option<Waker>>,
}

impl CancelToken {
    /// Ends the call: at once if it waits, at the end of its slice if it computes.
    pub fn cancel(&self) {
        // Before the waker is taken: who waits from now on sees it.
        self.0.cancelled.store(true, Ordering::SeqCst);
        let waker = self.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it was ended.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Whether the two are one token.
    pub fn is(&self, other: &CancelToken) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Wakes this when it is ended. Call it before the last check of [`CancelToken::is_cancelled`].
    pub fn wake_when_cancelled(&self, waker: &Waker) {
        *self.lock() = Some(waker.clone());
    }

    /// Nobody waits any more.
    pub fn forget_waker(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        // Each change is whole before anything can panic.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::thread::waker;

    #[test]
    fn who_waits_is_woken() {
        let token = CancelToken::default();
        token.wake_when_cancelled(&waker());
        std::thread::scope(|scope| {
            scope.spawn(|| token.cancel());
            while !token.is_cancelled() {
                std::thread::park();
            }
        });
    }

    #[test]
    fn who_no_longer_waits_is_left_alone() {
        let token = CancelToken::default();
        token.wake_when_cancelled(Waker::noop());
        token.forget_waker();
        token.cancel();
        assert!(token.is_cancelled() && token.lock().is_none());
    }
}
