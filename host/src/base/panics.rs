//! Panics: faults of the host itself or of a library it stands on. None of them goes unnoticed.
//!
//! What [`catch`] catches is the business of its caller. Any other panic ends a thread that somebody waits for: it is
//! told to whoever asked with `tell`, who ends the host, and ends the process where nobody has asked yet.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The code of a process that a panic has ended.
pub const EXIT_CODE: u8 = 1;

/// Panics that are survived, each as the end of what it happened in.
const SURVIVED_MAX: u32 = 100;

/// What is known of a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// The name of the thread.
    pub thread: String,
    /// The words of the panic, in one line, and where in the code it was.
    pub cause: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the thread {:?} panicked: {}", self.thread, self.cause)
    }
}

impl std::error::Error for Panicked {}

/// Where panics go that nobody catches.
static TOLD: Mutex<Option<PanicListener>> = Mutex::new(None);

/// Takes a panic; false where nobody is there any more to end the host.
type PanicListener = Box<dyn Fn(Panicked) -> bool + Send>;

thread_local! {
    /// How many [`catch`] are under way on this thread.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// The last panic of this thread: its place is known to the hook alone.
    static LAST: RefCell<Option<Panicked>> = const { RefCell::new(None) };
}

/// From now on a panic is told as the rest of this module says, instead of in the words of the standard library.
/// `RUST_BACKTRACE` adds these words to a panic that nobody catches.
pub fn watch() {
    let standard = std::panic::take_hook();
    let wants_backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |info| {
        if wants_backtrace && CATCHING.get() == 0 {
            standard(info);
        }
        noticed(describe(info));
    }));
}

/// Tells panics that nobody catches to `listener`, which ends the host.
pub(crate) fn tell(listener: impl Fn(Panicked) -> bool + Send + 'static) {
    *told_lock() = Some(Box::new(listener));
}

/// Does something that may panic.
///
/// # Errors
/// When it does. What it has changed by then may be half changed.
pub fn catch<T>(what: impl FnOnce() -> T) -> Result<T, Panicked> {
    CATCHING.set(CATCHING.get() + 1);
    let result = std::panic::catch_unwind(AssertUnwindSafe(what));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(|payload| {
        let told = LAST.with(|last| last.try_borrow_mut().ok()?.take());
        told.unwrap_or_else(|| Panicked { thread: this_thread(), cause: words(&*payload) })
    })
}

/// Counts a panic that a caller of [`catch`] goes on after.
///
/// After very many of them something that all share is broken, such as a lock of a library, and every further call
/// would fail: then it is told as one that nobody catches.
pub(crate) fn survive(panicked: &Panicked) {
    static SURVIVED: AtomicU32 = AtomicU32::new(0);
    if SURVIVED.fetch_add(1, Ordering::Relaxed) == SURVIVED_MAX {
        tell_or_end(panicked);
    }
}

/// Called by the hook: the thread has not begun to unwind.
fn noticed(panicked: Panicked) {
    if CATCHING.get() != 0 {
        LAST.with(|last| last.try_borrow_mut().map(|mut last| *last = Some(panicked)).ok());
        return;
    }
    tell_or_end(&panicked);
}

/// Tells a panic whose end is the host's, though a [`catch`] of its caller has caught it.
pub(crate) fn tell_or_end(panicked: &Panicked) {
    let told = told_lock().as_ref().is_some_and(|listener| listener(panicked.clone()));
    if !told {
        // Nothing can be done about a standard error that takes nothing.
        let _ = writeln!(std::io::stderr(), "error: {panicked}");
        std::process::exit(EXIT_CODE.into());
    }
}

fn told_lock() -> MutexGuard<'static, Option<PanicListener>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn describe(info: &PanicHookInfo<'_>) -> Panicked {
    let mut cause = words(info.payload());
    if let Some(place) = info.location() {
        cause = format!("{cause} ({}:{})", inside_its_package(place.file()), place.line());
    }
    Panicked { thread: this_thread(), cause }
}

/// A source file without the folder that its package was built in.
fn inside_its_package(file: &str) -> &str {
    let package = file.rfind("/src/").and_then(|at| file[..at].rfind('/'));
    package.map_or(file, |at| &file[at + 1..])
}

fn this_thread() -> String {
    std::thread::current().name().unwrap_or("unnamed").to_owned()
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("it did not say why").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_thread<T: Send>(what: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("probe".to_owned());
            let thread = builder.spawn_scoped(scope, what).expect("a thread");
            thread.join().expect("it catches its panics")
        })
    }

    #[test]
    fn what_panics_is_an_error_with_the_thread_and_the_cause() {
        for (cause, result) in [
            ("plain words", on_thread(|| catch(|| panic!("plain words")))),
            ("formatted 7", on_thread(|| catch(|| panic!("formatted {}", 3 + 4)))),
            ("two lines", on_thread(|| catch(|| panic!("two\nlines")))),
            ("it did not say why", on_thread(|| catch(|| std::panic::panic_any(5)))),
        ] {
            let panicked: Panicked = result.map(|()| "nothing").expect_err(cause);
            assert_eq!(panicked.thread, "probe");
            assert!(panicked.cause.starts_with(cause), "{panicked}");
        }
        assert_eq!(catch(|| 5), Ok(5));
        assert_eq!(CATCHING.get(), 0);
    }

    #[test]
    fn a_place_is_told_from_its_package_on() {
        for (file, told) in [
            (
                "/somewhere/registry/src/index/tokio-1.2.3/src/rt/pool.rs",
                "tokio-1.2.3/src/rt/pool.rs",
            ),
            ("host/src/run.rs", "host/src/run.rs"),
            ("run.rs", "run.rs"),
        ] {
            assert_eq!(inside_its_package(file), told);
        }
    }
}
