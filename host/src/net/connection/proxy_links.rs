//! The source and the target of a proxied connection.

use crate::base::arena::ConnectionId;

/// The proxying state of a connection, in both directions.
#[derive(Debug, Default)]
pub(super) struct Proxying {
    pub(super) target: Option<ProxyTarget>,
    /// Bytes that were passed to the last target.
    pub(super) bytes: u64,
    pub(super) source: Option<ProxySource>,
}

/// The target of a source.
#[derive(Debug, Clone, Copy)]
pub struct ProxyTarget {
    /// The other connection.
    pub id: ConnectionId,
    /// The number of bytes left to pass; none if unlimited.
    pub left: Option<u64>,
}

/// The source of a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProxySource {
    pub(super) id: ConnectionId,
    /// The most bytes in the outbox while the source is read.
    pub(super) buffer: usize,
}

/// Why one connection cannot be proxied to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyFault {
    /// The source is over.
    SourceClosed,
    /// The target is over, or its write side is ending.
    TargetClosed,
    /// The source has a target already.
    AlreadyProxying,
    /// The target has a source already.
    BusyTarget,
    /// One of them carries datagrams.
    Unsupported,
}
