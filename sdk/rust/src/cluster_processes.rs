//! Processes on all hosts of a cluster: as [`processes`](crate::processes), on whichever host serves the plugin.
//!
//! They need `processes = "cluster"` in the tenant's section of `plugins.toml`; without it [`spawn`] returns
//! `unsupported`. A process is made by the class that `plugin!` lists under `processes`, on this host or another one. It
//! ends with the instance that has spawned it. When its host dies, that instance is told [`ExitReason::HostLost`].
//!
//! ```no_run
//! use sandloop::{Connection, Socket};
//! use sandloop::cluster_processes::{self, ClusterProcess, Placement};
//! use sandloop::processes::Process;
//!
//! struct Room;
//!
//! impl Room {
//!     fn new(_: &[u8]) -> Self {
//!         Room
//!     }
//! }
//!
//! impl Process for Room {
//!     fn notified(&mut self, message: &[u8]) {
//!         sandloop::info!("{}", String::from_utf8_lossy(message));
//!     }
//! }
//!
//! struct Member { room: Option<ClusterProcess> }
//!
//! impl Member {
//!     fn new(_: Socket) -> Self {
//!         // Rooms of one name are on one host, as long as no host comes or goes.
//!         let place = Placement::Key("lobby".to_owned());
//!         let spawned = cluster_processes::spawn("room", b"", &place, |reason| {
//!             sandloop::info!("ended: {reason:?}");
//!         });
//!         Member { room: spawned.ok() }
//!     }
//! }
//!
//! impl Connection for Member {
//!     fn receive_data(&mut self, data: &[u8]) {
//!         if let Some(room) = self.room {
//!             let _ = room.notify(data);
//!         }
//!     }
//! }
//!
//! sandloop::plugin! { handlers: [Member::new], processes: [Room::new] }
//! ```

use std::{cell::RefCell, collections::BTreeMap, fmt, str::FromStr};

#[doc(inline)]
pub use crate::bindings::exports::sandloop::plugin::cluster_processes_handler::ExitReason;
#[doc(inline)]
pub use crate::bindings::sandloop::plugin::cluster_processes::Placement;
use crate::{
    bindings::sandloop::plugin::cluster_processes::ClusterProcess as RawProcess,
    host::cluster_processes as host, types::ErrorCode,
};

/// A process's id, unique in the cluster. As a text (`Display`, `FromStr`) it may be sent to every instance of the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterProcess {
    host: u64,
    number: u64,
}

/// The text is not the id of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoProcess;

/// Spawns a process of this plugin on a host of the cluster: the one that `plugin!` lists as `name`, made with `argument`.
/// `exited` is called once with the reason of its end.
///
/// # Errors
/// `unsupported` (the tenant has no `processes = "cluster"`), `denied` (the reactor does not run or has begun to stop),
/// `invalid-argument` (no known host has processes of this plugin), `limit` (processes of the plugin, an argument that is too
/// large, or too much waits to be sent).
pub fn spawn(
    name: &str,
    argument: impl AsRef<[u8]>,
    placement: &Placement,
    exited: impl FnOnce(ExitReason) + 'static,
) -> Result<ClusterProcess, ErrorCode> {
    begin(None, name, argument.as_ref(), placement, Box::new(exited))
}

/// As [`spawn`], a process of another plugin of the tenant, which need not be on this host.
///
/// # Errors
/// As [`spawn`], and `denied` (`plugin` is not in `allow.spawn`).
pub fn spawn_of(
    plugin: &str,
    name: &str,
    argument: impl AsRef<[u8]>,
    placement: &Placement,
    exited: impl FnOnce(ExitReason) + 'static,
) -> Result<ClusterProcess, ErrorCode> {
    begin(Some(plugin), name, argument.as_ref(), placement, Box::new(exited))
}

fn begin(
    plugin: Option<&str>,
    name: &str,
    argument: &[u8],
    placement: &Placement,
    exited: Exited,
) -> Result<ClusterProcess, ErrorCode> {
    let process = ClusterProcess::from(host::spawn(plugin, name, argument, placement)?);
    let stale = EXITS.with_borrow_mut(|exits| exits.insert(process, exited));
    drop(stale);
    Ok(process)
}

/// The id of the process that this instance is, if it was spawned in the cluster.
#[must_use]
pub fn current() -> Option<ClusterProcess> {
    host::current().map(ClusterProcess::from)
}

impl ClusterProcess {
    /// Sends a message to its mailbox. Messages of one host arrive in order, each at most once.
    ///
    /// # Errors
    /// `closed` (its host is not known, or it is this host and the process has ended), `limit` (too much waits to be sent,
    /// the message is too large, or the mailbox on this host is full), `unsupported` (as for [`spawn`]).
    pub fn notify(self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::notify(self.into(), message.as_ref())
    }

    /// Ends it if this instance has spawned it, with the reason `killed`.
    pub fn kill(self) {
        host::kill(self.into());
    }
}

impl From<RawProcess> for ClusterProcess {
    fn from(raw: RawProcess) -> Self {
        let whole = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        ClusterProcess {
            host: whole(raw.host_high, raw.host_low),
            number: whole(raw.number_high, raw.number_low),
        }
    }
}

impl From<ClusterProcess> for RawProcess {
    fn from(process: ClusterProcess) -> Self {
        let half = |whole: u64| u32::try_from(whole & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        RawProcess {
            host_high: half(process.host >> 32),
            host_low: half(process.host),
            number_high: half(process.number >> 32),
            number_low: half(process.number),
        }
    }
}

impl fmt::Display for ClusterProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{:016x}", self.host, self.number)
    }
}

impl FromStr for ClusterProcess {
    type Err = NoProcess;

    fn from_str(text: &str) -> Result<Self, NoProcess> {
        let (host, number) = text.split_once('.').ok_or(NoProcess)?;
        let read = |part: &str| {
            let is_plain = part.len() == 16 && part.bytes().all(|it| it.is_ascii_hexdigit());
            let value = u64::from_str_radix(part, 16).ok();
            value.filter(|_| is_plain).ok_or(NoProcess)
        };
        Ok(ClusterProcess { host: read(host)?, number: read(number)? })
    }
}

impl fmt::Display for NoProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a process in the cluster")
    }
}

impl std::error::Error for NoProcess {}

type Exited = Box<dyn FnOnce(ExitReason)>;

thread_local! {
    /// Called at the ends of processes that this instance has spawned.
    static EXITS: RefCell<BTreeMap<ClusterProcess, Exited>> = const { RefCell::new(BTreeMap::new()) };
}

/// A process that this instance has spawned has ended.
pub(crate) fn exited(process: RawProcess, reason: ExitReason) {
    // Nothing is borrowed while the closure runs: it may spawn another.
    let exited = EXITS.with_borrow_mut(|exits| exits.remove(&process.into()));
    if let Some(exited) = exited {
        exited(reason);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    const SOME: ClusterProcess = ClusterProcess { host: 0x0123_4567_89ab_cdef, number: 7 };

    #[test]
    fn an_id_is_the_same_as_a_text_and_for_the_host() {
        assert_eq!(SOME.to_string(), "0123456789abcdef.0000000000000007");
        assert_eq!(SOME.to_string().parse(), Ok(SOME));
        assert_eq!(ClusterProcess::from(RawProcess::from(SOME)), SOME);
        for wrong in ["", ".", "0.1", "0123456789abcdef", "+123456789abcdef.0000000000000007"] {
            assert_eq!(wrong.parse::<ClusterProcess>(), Err(NoProcess), "{wrong:?}");
        }
    }

    #[test]
    fn an_end_is_told_once() {
        let told = Rc::new(Cell::new(0));
        let count = told.clone();
        EXITS.with_borrow_mut(|exits| {
            exits.insert(SOME, Box::new(move |_| count.set(count.get() + 1)))
        });
        exited(SOME.into(), ExitReason::HostLost);
        exited(SOME.into(), ExitReason::HostLost);
        assert_eq!(told.get(), 1);
    }

    #[test]
    fn a_unit_test_has_no_cluster() {
        let spawned = spawn("room", "", &Placement::LeastLoaded, |_| {});
        assert_eq!(spawned, Err(ErrorCode::Unsupported));
        assert_eq!(SOME.notify("x"), Err(ErrorCode::Unsupported));
        SOME.kill();
        assert_eq!(current(), None);
    }
}
