//! The callbacks of a plugin, as the log and the metrics name them.

/// One function that a guest exports and that an event is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callback {
    /// `prepare`.
    Prepare,
    /// `handlers`.
    Handlers,
    /// `start`.
    Start,
    /// `stopping`.
    Stopping,
    /// `stopped`.
    Stopped,
    /// `post-init`.
    PostInit,
    /// `constructor`.
    Constructor,
    /// `connection-completed`.
    ConnectionCompleted,
    /// `receive-data`.
    ReceiveData,
    /// `drained`.
    Drained,
    /// `proxy-target-unbound`.
    ProxyTargetUnbound,
    /// `proxy-completed`.
    ProxyCompleted,
    /// `file-sent`.
    FileSent,
    /// `file-modified`.
    FileModified,
    /// `file-moved`.
    FileMoved,
    /// `file-deleted`.
    FileDeleted,
    /// `watch-ended`.
    WatchEnded,
    /// `tls-completed`.
    TlsCompleted,
    /// `verify-peer`.
    VerifyPeer,
    /// `draining`.
    Draining,
    /// `unbind`.
    Unbind,
    /// `timer-fired`.
    TimerFired,
    /// `tick`.
    Tick,
    /// `operation`.
    Operation,
    /// `completed`.
    Completed,
    /// `message`.
    Message,
    /// `popped`.
    Popped,
    /// `spawned`.
    Spawned,
    /// `notified`.
    Notified,
    /// `exited`.
    Exited,
    /// `cluster-exited`.
    ClusterExited,
    /// `save`.
    Save,
    /// `restore`.
    Restore,
}

impl Callback {
    /// Every one with its name, in the order of their numbers.
    pub const ALL: [(Callback, &'static str); 33] = {
        use Callback::*;
        [
            (Prepare, "prepare"),
            (Handlers, "handlers"),
            (Start, "start"),
            (Stopping, "stopping"),
            (Stopped, "stopped"),
            (PostInit, "post-init"),
            (Constructor, "constructor"),
            (ConnectionCompleted, "connection-completed"),
            (ReceiveData, "receive-data"),
            (Drained, "drained"),
            (ProxyTargetUnbound, "proxy-target-unbound"),
            (ProxyCompleted, "proxy-completed"),
            (FileSent, "file-sent"),
            (FileModified, "file-modified"),
            (FileMoved, "file-moved"),
            (FileDeleted, "file-deleted"),
            (WatchEnded, "watch-ended"),
            (TlsCompleted, "tls-completed"),
            (VerifyPeer, "verify-peer"),
            (Draining, "draining"),
            (Unbind, "unbind"),
            (TimerFired, "timer-fired"),
            (Tick, "tick"),
            (Operation, "operation"),
            (Completed, "completed"),
            (Message, "message"),
            (Popped, "popped"),
            (Spawned, "spawned"),
            (Notified, "notified"),
            (Exited, "exited"),
            (ClusterExited, "cluster-exited"),
            (Save, "save"),
            (Restore, "restore"),
        ]
    };

    /// Its name.
    pub fn name(self) -> &'static str {
        Callback::ALL[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_name() {
        for (number, (callback, name)) in Callback::ALL.iter().enumerate() {
            assert_eq!((*callback as usize, callback.name()), (number, *name));
        }
    }
}
