//! Cancels a call that waits or computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use crate::base::lock::{Mutex, MutexGuard};

/// Set once, by the owner of the call; read by the thread that makes the call. Clones are the same token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    cancelled: AtomicBool,
    /// Wakes the waiting thread, if there is one.
    waiting: Mutex<Option<Waker>>,
}

impl CancelToken {
    /// Cancels the call: at once if it waits, at the end of its slice if it computes.
    pub fn cancel(&self) {
        // Set before the waker is taken: a thread that begins to wait after that sees it.
        self.0.cancelled.store(true, Ordering::SeqCst);
        let waker = self.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Whether the two are the same token.
    pub fn is(&self, other: &CancelToken) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sets the waker for the cancellation. To be called before the last check of [`CancelToken::is_cancelled`].
    pub fn wake_when_cancelled(&self, waker: &Waker) {
        *self.lock() = Some(waker.clone());
    }

    /// Removes the waker.
    pub fn forget_waker(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.waiting.lock()
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
