//! Processes of the cluster, as other parts of the host know them: their ids, and the way of the end of one to its parent, which may
//! be on another host.

use std::fmt;
use std::sync::Weak;

use crate::contract::bindings::ClusterProcess;
use crate::contract::outcome::ClusterExit;
use crate::quota::budget::Reservation;
use crate::quota::semaphore::Permit;

/// The id of a process in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterPid {
    /// The number of its host.
    pub host: u64,
    /// Its own number.
    pub number: u64,
}

impl From<ClusterProcess> for ClusterPid {
    fn from(process: ClusterProcess) -> ClusterPid {
        let whole = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        ClusterPid {
            host: whole(process.host_high, process.host_low),
            number: whole(process.number_high, process.number_low),
        }
    }
}

impl From<ClusterPid> for ClusterProcess {
    fn from(pid: ClusterPid) -> ClusterProcess {
        let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        ClusterProcess {
            host_high: half(pid.host >> 32),
            host_low: half(pid.host),
            number_high: half(pid.number >> 32),
            number_low: half(pid.number),
        }
    }
}

/// What a process takes of the plugin that has spawned it, until its end is told: a flood of ends is bounded as one of processes is.
#[derive(Debug)]
pub struct ChildAdmission {
    _permit: Option<Permit>,
    _kept: Reservation,
}

impl ChildAdmission {
    /// The permit, if its host is another one, since on this one it has its own, and the memory of its entry.
    pub fn new(permit: Option<Permit>, kept: Reservation) -> ChildAdmission {
        ChildAdmission { _permit: permit, _kept: kept }
    }
}

/// Whoever passes the end of a process to its parent.
pub trait ExitRelay: fmt::Debug + Send + Sync {
    /// A process of this host with this number has ended.
    fn ended(&self, number: u64, reason: ClusterExit);
}

/// Reports the end of a process to its parent when it is dropped, wherever that is: at the end of its instance, or of what it waits in.
#[derive(Debug)]
pub struct ExitNotice {
    /// The process.
    pub pid: ClusterPid,
    reason: ClusterExit,
    relay: Option<Weak<dyn ExitRelay>>,
}

impl ExitNotice {
    /// The notice of a process that is not created yet.
    pub fn new(pid: ClusterPid, relay: Weak<dyn ExitRelay>) -> ExitNotice {
        ExitNotice { pid, reason: ClusterExit::HostLost, relay: Some(relay) }
    }

    /// Sets why it ends. Without it the host has stopped.
    pub fn set(&mut self, reason: ClusterExit) {
        self.reason = reason;
    }

    /// Has it say nothing: there is another process with this id.
    pub fn withdraw(&mut self) {
        self.relay = None;
    }
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        if let Some(relay) = self.relay.as_ref().and_then(Weak::upgrade) {
            relay.ended(self.pid.number, self.reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::lock::Mutex;

    #[test]
    fn an_id_is_the_same_on_both_sides() {
        for (host, number) in [(0, 0), (1, 2), (u64::MAX, 1 << 32), (0x0123_4567_89ab_cdef, 7)] {
            let pid = ClusterPid { host, number };
            assert_eq!(ClusterPid::from(ClusterProcess::from(pid)), pid);
        }
    }

    #[test]
    fn a_notice_is_given_once_with_the_reason_that_was_set_last() {
        #[derive(Debug, Default)]
        struct Heard(Mutex<Vec<(u64, ClusterExit)>>);
        impl ExitRelay for Heard {
            fn ended(&self, number: u64, reason: ClusterExit) {
                self.0.lock().push((number, reason));
            }
        }
        let heard = Arc::new(Heard::default());
        let relay = Arc::downgrade(&heard) as Weak<dyn ExitRelay>;
        let pid = |number| ClusterPid { host: 1, number };
        drop(ExitNotice::new(pid(7), relay.clone()));
        let mut notice = ExitNotice::new(pid(8), relay);
        notice.set(ClusterExit::Trapped);
        notice.set(ClusterExit::Finished);
        drop(notice);
        let told = [(7, ClusterExit::HostLost), (8, ClusterExit::Finished)];
        assert_eq!(*heard.0.lock(), told);
    }
}
