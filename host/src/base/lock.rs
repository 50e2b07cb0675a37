//! The locks of the host. None is poisoned by a panic, since each change under one is whole before anything can panic.
//!
//! In the host's own tests they are the same with somebody who watches: how much a thread does while it holds one, and a
//! thread that is held up at one (`watched`).

#[cfg(not(test))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(test)]
pub(crate) use watched::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(test)]
pub(crate) mod watched;
