//! The time of day for `Date`, formatted once a second however many answers there are; and elapsed time.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

use sandloop_http::date;

thread_local! {
    static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Calls `write` with the value of `Date`, if it is wanted.
pub(crate) fn with_date<T>(wanted: bool, write: impl FnOnce(Option<&str>) -> T) -> T {
    if !wanted {
        return write(None);
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(last, text)| {
        if *last != second || text.is_empty() {
            (*last, *text) = (second, date::format(now));
        }
        write(Some(text))
    })
}

/// The time that has passed since a moment before.
#[cfg(target_arch = "wasm32")]
pub(super) fn monotonic() -> Duration {
    use std::time::Instant;
    thread_local! {
        static BEGUN: Instant = Instant::now();
    }
    BEGUN.with(Instant::elapsed)
}

/// In a unit test the clock is the test's.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn monotonic() -> Duration {
    crate::testing::now()
}
