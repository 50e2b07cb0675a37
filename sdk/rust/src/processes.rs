//! Processes: sandboxes of a plugin's own making, with a mailbox each.
//!
//! A process is an instance of this plugin, or of another one that `allow.spawn` names, without a connection of its
//! own. It has a memory of its own, may trap without harm to others, and is reached by its id from every instance
//! of the tenant, whichever reactor that is on.
//!
//! ```no_run
//! use sandloop::{Connection, Socket, processes::{self, Process, ProcessId}};
//!
//! struct Counter(u32);
//!
//! impl Counter {
//!     fn new(argument: &[u8]) -> Self {
//!         Counter(argument.len() as u32)
//!     }
//! }
//!
//! impl Process for Counter {
//!     fn notified(&mut self, message: &[u8]) {
//!         self.0 += message.len() as u32;
//!         sandloop::info!("{} bytes so far", self.0);
//!     }
//! }
//!
//! struct Feeder { counter: ProcessId }
//!
//! impl Feeder {
//!     fn new(_: Socket) -> Self {
//!         let counter = processes::spawn("counter", b"", |reason| sandloop::info!("ended: {reason:?}"));
//!         Feeder { counter }
//!     }
//! }
//!
//! impl Connection for Feeder {
//!     fn receive_data(&mut self, data: &[u8]) {
//!         self.counter.notify(data);
//!     }
//! }
//!
//! sandloop::plugin! { handlers: [Feeder::new], processes: [Counter::new] }
//! ```

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::{Deserialize, Serialize};

#[doc(inline)]
pub use crate::bindings::exports::sandloop::plugin::processes_handler::ExitReason;
use crate::{callbacks::Table, host::processes as host, types::ErrorCode};

/// What a process does: made when it is spawned, dropped at its end.
///
/// It may do whatever its plugin may do: set timers, connect, subscribe, defer, spawn.
pub trait Process: 'static {
    /// A message, in the order in which they were put into the mailbox.
    fn notified(&mut self, message: &[u8]);
}

/// A process's number, which holds in every instance of the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId(u32);

/// Starts a process of this plugin: the one that `plugin!` lists as `name`, made with `argument` after this callback
/// has returned, before its first message. `exited` is told why it has ended. It ends with this instance.
///
/// # Panics
/// When the plugin has as many processes as it may, and once the reactor has begun to stop.
pub fn spawn(
    name: &str,
    argument: impl AsRef<[u8]>,
    exited: impl FnOnce(ExitReason) + 'static,
) -> ProcessId {
    try_spawn(name, argument, exited).unwrap_or_else(|error| panic!("spawn {name:?}: {error}"))
}

/// As [`spawn`].
///
/// # Errors
/// `denied` (the reactor does not run or has begun to stop), `limit` (processes of the plugin, or an argument that is
/// too large).
pub fn try_spawn(
    name: &str,
    argument: impl AsRef<[u8]>,
    exited: impl FnOnce(ExitReason) + 'static,
) -> Result<ProcessId, ErrorCode> {
    begin(None, name, argument.as_ref(), Box::new(exited))
}

/// As [`spawn`], a process of another plugin, which the operator knows by the name `plugin`.
///
/// # Errors
/// As [`try_spawn`], and `denied` (`plugin` is not in `allow.spawn`), `invalid-argument` (there is no such plugin),
/// `unsupported` (it has no processes).
pub fn spawn_of(
    plugin: &str,
    name: &str,
    argument: impl AsRef<[u8]>,
    exited: impl FnOnce(ExitReason) + 'static,
) -> Result<ProcessId, ErrorCode> {
    begin(Some(plugin), name, argument.as_ref(), Box::new(exited))
}

fn begin(
    plugin: Option<&str>,
    name: &str,
    argument: &[u8],
    exited: Exited,
) -> Result<ProcessId, ErrorCode> {
    let id = host::spawn(plugin, name, argument)?;
    let stale = EXITS.with_borrow_mut(|exits| {
        let key = exits.key(id);
        exits.insert(key, exited)
    });
    drop(stale);
    Ok(ProcessId(id))
}

/// Ends the process that this is, with the reason `finished`, after this callback has returned. Does nothing in an
/// instance that is not a process.
pub fn exit() {
    host::exit();
}

/// The process that this instance is, if it is one.
#[must_use]
pub fn current() -> Option<ProcessId> {
    CURRENT.get()
}

impl ProcessId {
    /// Puts a message into its mailbox. It never fails: a message to a process that has ended goes nowhere, and one
    /// that its mailbox has no room for is lost and the log says so. Well before that the host stops reading the
    /// connections of whoever notifies.
    pub fn notify(self, message: impl AsRef<[u8]>) {
        match self.try_notify(message) {
            Ok(()) | Err(ErrorCode::Closed) => {}
            Err(error) => crate::error!("process {self}: a message was lost: {error}"),
        }
    }

    /// As [`notify`](Self::notify).
    ///
    /// # Errors
    /// `closed` (there is no such process in this tenant), `limit` (its mailbox is full, or the message is too large).
    pub fn try_notify(self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::notify(self.0, message.as_ref())
    }

    /// Ends it if this instance has spawned it, with the reason `killed`, after this callback has returned.
    pub fn kill(self) {
        host::kill(self.0);
    }

    /// As a number, to be sent to others.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        self.0
    }

    /// From a number that was sent.
    #[must_use]
    pub fn from_u32(id: u32) -> Self {
        ProcessId(id)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

type Exited = Box<dyn FnOnce(ExitReason)>;

thread_local! {
    /// What waits for the end of the processes that this instance has spawned.
    static EXITS: RefCell<Table<Exited>> = const { RefCell::new(Table::new()) };
    /// The process that this instance is.
    static CURRENT: Cell<Option<ProcessId>> = const { Cell::new(None) };
    static PROCESS: RefCell<Option<Box<dyn Process>>> = const { RefCell::new(None) };
}

/// A process that this instance has spawned has ended.
pub(crate) fn exited(process: u32, reason: ExitReason) {
    // Nothing is borrowed while the closure runs: it may spawn another.
    let exited = EXITS.with_borrow_mut(|exits| exits.take(process));
    if let Some(exited) = exited {
        exited(reason);
    }
}

/// This instance is a process from now on.
pub(crate) fn become_process(
    id: ProcessId,
    make: impl FnOnce() -> crate::Result<Box<dyn Process>>,
) -> crate::Result {
    CURRENT.set(Some(id));
    let process = make()?;
    PROCESS.set(Some(process));
    Ok(())
}

/// A message for the process that this instance is.
pub(crate) fn notified(message: &[u8]) {
    // It is out while it runs. No callback runs inside another, so it is there.
    if let Some(mut process) = PROCESS.take() {
        process.notified(message);
        PROCESS.set(Some(process));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::testing::{self, turn};

    #[test]
    fn an_end_is_told_once() {
        let reasons = Rc::new(RefCell::new(Vec::new()));
        let told = |reasons: &Rc<RefCell<Vec<ExitReason>>>| {
            let reasons = reasons.clone();
            move |reason| reasons.borrow_mut().push(reason)
        };
        let first = spawn("worker", "", told(&reasons));
        let second = spawn_of("other", "worker", "", told(&reasons)).unwrap();
        assert_ne!(first, second);
        first.notify("one");
        assert_eq!(first.try_notify("two"), Ok(()));
        assert_eq!(testing::notified(first), [b"one", b"two"]);
        testing::end_process(first, ExitReason::Trapped);
        second.kill();
        second.kill();
        assert!(reasons.borrow().is_empty(), "never inside this callback");
        turn();
        assert_eq!(*reasons.borrow(), [ExitReason::Trapped, ExitReason::Killed]);
        assert_eq!(first.try_notify("three"), Err(ErrorCode::Closed));
        first.notify("goes nowhere");
    }

    #[test]
    fn a_process_knows_its_id() {
        struct Keeps(Rc<RefCell<Vec<Vec<u8>>>>);
        impl Process for Keeps {
            fn notified(&mut self, message: &[u8]) {
                self.0.borrow_mut().push(message.to_vec());
            }
        }
        let messages = Rc::new(RefCell::new(Vec::new()));
        let kept = messages.clone();
        assert_eq!(current(), None);
        let made = become_process(ProcessId(7), move || {
            assert_eq!(current(), Some(ProcessId(7)), "also while it is made");
            Ok(Box::new(Keeps(kept)))
        });
        assert!(made.is_ok());
        notified(b"x");
        assert_eq!(*messages.borrow(), [b"x"]);
    }
}
