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
    collections::BTreeMap,
};

#[doc(inline)]
pub use crate::bindings::exports::sandloop::plugin::processes_handler::ExitReason;
use crate::{bindings::sandloop::plugin::processes as host, types::ErrorCode};

/// What a process does: made when it is spawned, dropped at its end.
pub trait Process: 'static {
    /// A message, in the order in which they were put into the mailbox.
    fn notified(&mut self, message: &[u8]);
}

/// A process's number, which holds in every instance of the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(u32);

/// Starts a process of this plugin: the one that `plugin!` lists as `name`, made with `argument` after this callback
/// has returned. `exited` is told why it has ended. It ends with this instance.
///
/// # Panics
/// When the plugin has as many processes as it may.
pub fn spawn(
    name: &str,
    argument: impl AsRef<[u8]>,
    exited: impl FnOnce(ExitReason) + 'static,
) -> ProcessId {
    try_spawn(None, name, argument, exited).unwrap_or_else(|error| panic!("spawn: {error}"))
}

/// As [`spawn`], of this plugin or of another one.
///
/// # Errors
/// `denied` (`plugin` is not in `allow.spawn`, or the reactor does not run), `limit` (processes of the plugin, or an
/// argument that is too large), `invalid-argument` (no such plugin), `unsupported` (it has no processes).
pub fn try_spawn(
    plugin: Option<&str>,
    name: &str,
    argument: impl AsRef<[u8]>,
    exited: impl FnOnce(ExitReason) + 'static,
) -> Result<ProcessId, ErrorCode> {
    let id = host::spawn(plugin, name, argument.as_ref())?;
    EXITS.with_borrow_mut(|exits| exits.insert(id, Box::new(exited)));
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
    CURRENT.get().map(ProcessId)
}

impl ProcessId {
    /// Puts a message into its mailbox. As a message to a process that has ended goes nowhere in EventMachine, so it
    /// does here; one that does not fit is dropped and the log says so.
    pub fn notify(self, message: impl AsRef<[u8]>) {
        match self.try_notify(message) {
            Ok(()) | Err(ErrorCode::Closed) => {}
            Err(error) => crate::error!("process {}: a message was dropped: {error}", self.0),
        }
    }

    /// As [`notify`](Self::notify).
    ///
    /// # Errors
    /// `closed` (there is no such process in this tenant), `limit` (its mailbox is full, or the message is too large).
    pub fn try_notify(self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::notify(self.0, message.as_ref())
    }

    /// Ends it, if this instance has spawned it.
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

type Exited = Box<dyn FnOnce(ExitReason)>;

thread_local! {
    /// What waits for the end of the processes that this instance has spawned.
    static EXITS: RefCell<BTreeMap<u32, Exited>> = const { RefCell::new(BTreeMap::new()) };
    static CURRENT: Cell<Option<u32>> = const { Cell::new(None) };
    static PROCESS: RefCell<Option<Box<dyn Process>>> = const { RefCell::new(None) };
}

/// A process that this instance has spawned has ended.
pub(crate) fn exited(process: u32, reason: ExitReason) {
    // Nothing is borrowed while the closure runs: it may spawn another.
    let exited = EXITS.with_borrow_mut(|exits| exits.remove(&process));
    if let Some(exited) = exited {
        exited(reason);
    }
}

/// This instance is a process from now on.
pub(crate) fn begin(process: u32, make: impl FnOnce() -> Box<dyn Process>) {
    CURRENT.set(Some(process));
    let made = make();
    PROCESS.set(Some(made));
}

/// A message for the process that this instance is.
pub(crate) fn notified(message: &[u8]) {
    // It is out while it runs. No callback runs inside another, so it is there.
    if let Some(mut process) = PROCESS.take() {
        process.notified(message);
        PROCESS.set(Some(process));
    }
}
