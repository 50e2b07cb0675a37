//! What runs at the end: shutdown hooks, and a last word when the plugin panics.

use std::{cell::RefCell, panic::PanicHookInfo};

thread_local! {
    static HOOKS: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `action` when the reactor is about to stop, before any connection gets its `unbind`; the hook that was
/// added last runs first, and all run before [`stopping`](crate::Program::stopping).
///
/// The host tells the end only to programs, so in a plugin without one no hook runs.
pub fn add_shutdown_hook(action: impl FnOnce() + 'static) {
    HOOKS.with_borrow_mut(|hooks| hooks.push(Box::new(action)));
}

/// Runs the hooks, those that they add too.
pub(crate) fn run_shutdown_hooks() {
    while let Some(hook) = HOOKS.with_borrow_mut(Vec::pop) {
        hook();
    }
}

/// Calls `action` when the plugin panics, in place of the message on standard error.
///
/// In EventMachine the program goes on after its error handler. Here a panic ends this instance and no other, so
/// there is nothing to go on with: this is for a last word to the log. What a connection sends in it still leaves if
/// the socket takes it at once.
pub fn error_handler(action: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(action));
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn the_last_hook_runs_first() {
        let log = Rc::new(RefCell::new(Vec::new()));
        for number in 1..=3 {
            let log = log.clone();
            add_shutdown_hook(move || log.borrow_mut().push(number));
        }
        run_shutdown_hooks();
        run_shutdown_hooks();
        assert_eq!(*log.borrow(), [3, 2, 1]);
    }
}
