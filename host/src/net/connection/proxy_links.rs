//! Where the bytes of a connection go and come from, if it is proxied.

use crate::base::arena::ConnectionId;

/// What is proxied from a connection, and to it.
#[derive(Debug, Default)]
pub(super) struct Proxying {
    pub(super) target: Option<ProxyTarget>,
    /// What has gone to the last target.
    pub(super) bytes: u64,
    pub(super) source: Option<ProxySource>,
}

/// Where the bytes of a source go.
#[derive(Debug, Clone, Copy)]
pub struct ProxyTarget {
    /// The other connection.
    pub id: ConnectionId,
    /// How many more; none where there is no end.
    pub left: Option<u64>,
}

/// Whose bytes come to a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProxySource {
    pub(super) id: ConnectionId,
    /// How many of all bytes may wait while more are read.
    pub(super) buffer: usize,
}

/// Why one connection cannot be proxied to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyFault {
    /// The source is over.
    SourceClosed,
    /// The target is over, or its write side is ending.
    TargetClosed,
    /// The source has a target.
    AlreadyProxying,
    /// The target has a source.
    BusyTarget,
    /// One of them has no stream.
    Unsupported,
}
