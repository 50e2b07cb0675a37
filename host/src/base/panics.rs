//! Panics: faults of the host itself or of a library. Each of them is reported.
//!
//! The caller of [`catch`] handles what it catches. Any other panic ends a thread that others depend on: it is passed to
//! the listener set with `tell`, which ends the host; without a listener it ends the process.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::lock::{Mutex, MutexGuard};

/// The exit code of a process that ends with a panic.
pub const EXIT_CODE: u8 = 1;

/// The maximum number of survived panics, each of which ends only the call in which it happened.
const SURVIVED_MAX: u32 = 100;

/// The description of a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// The name of the thread.
    pub thread: String,
    /// The message of the panic, in one line, and its place in the code.
    pub cause: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the thread {:?} panicked: {}", self.thread, self.cause)
    }
}

impl std::error::Error for Panicked {}

/// The listener for uncaught panics.
static TOLD: Mutex<Option<PanicListener>> = Mutex::new(None);

/// Takes a panic; returns false if the host that it would end has gone.
type PanicListener = Box<dyn Fn(Panicked) -> bool + Send>;

thread_local! {
    /// The depth of nested [`catch`] on this thread.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// The last panic of this thread: only the hook knows its place.
    static LAST: RefCell<Option<Panicked>> = const { RefCell::new(None) };
}

/// Reports panics as described in this module instead of in the format of the standard library. `RUST_BACKTRACE` adds that
/// format to uncaught panics.
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

/// Sets the listener for uncaught panics, which ends the host.
pub(crate) fn tell(listener: impl Fn(Panicked) -> bool + Send + 'static) {
    *told_lock() = Some(Box::new(listener));
}

/// Calls a function that may panic.
///
/// # Errors
/// When it panics. State that it has modified may be inconsistent.
pub fn catch<T>(what: impl FnOnce() -> T) -> Result<T, Panicked> {
    CATCHING.set(CATCHING.get() + 1);
    let result = std::panic::catch_unwind(AssertUnwindSafe(what));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(|payload| {
        let told = LAST.with(|last| last.try_borrow_mut().ok()?.take());
        told.unwrap_or_else(|| Panicked { thread: this_thread(), cause: words(&*payload) })
    })
}

/// Counts a panic after which the caller of [`catch`] continues.
///
/// After too many, shared state is probably broken, such as a lock of a library, and all further calls would fail: then
/// the panic is reported as an uncaught one.
pub(crate) fn survive(panicked: &Panicked) {
    static SURVIVED: AtomicU32 = AtomicU32::new(0);
    if SURVIVED.fetch_add(1, Ordering::Relaxed) == SURVIVED_MAX {
        tell_or_end(panicked);
    }
}

/// Called by the hook, before the thread unwinds.
fn noticed(panicked: Panicked) {
    if CATCHING.get() != 0 {
        LAST.with(|last| last.try_borrow_mut().map(|mut last| *last = Some(panicked)).ok());
        return;
    }
    tell_or_end(&panicked);
}

/// Reports a panic that has to end the host, though [`catch`] has caught it.
pub(crate) fn tell_or_end(panicked: &Panicked) {
    let told = told_lock().as_ref().is_some_and(|listener| listener(panicked.clone()));
    if !told {
        // There is no other place to report that standard error does not accept output.
        let _ = writeln!(std::io::stderr(), "error: {panicked}");
        std::process::exit(EXIT_CODE.into());
    }
}

fn told_lock() -> MutexGuard<'static, Option<PanicListener>> {
    TOLD.lock()
}

fn describe(info: &PanicHookInfo<'_>) -> Panicked {
    let mut cause = words(info.payload());
    if let Some(place) = info.location() {
        cause = format!("{cause} ({}:{})", inside_its_package(place.file()), place.line());
    }
    Panicked { thread: this_thread(), cause }
}

/// The path of a source file relative to its package.
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
