//! Sockets: listeners, connections and outgoing connections.

pub(crate) mod blocking;
pub(crate) mod connection;
pub(crate) mod datagram;
pub mod listener;
pub(crate) mod network;
pub(crate) mod outbound;
pub(crate) mod stand_in;
