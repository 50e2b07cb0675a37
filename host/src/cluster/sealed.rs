//! Messages for NATS as they are sent, and their bytes, which keep their room until they are written.

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::cluster::counters::LinkCounters;
use crate::mail::message::Message;
use crate::quota::budget::Reservation;

/// A message for NATS. It holds the reservations of its tenant until it is written.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// The number of messages of its tenant that it contains.
    pub(super) count: u64,
    /// The counters of its tenant.
    pub(super) counters: Arc<LinkCounters>,
}

/// The bytes of a message in the client, with their reservation, which is released with the last reference.
pub(super) struct CountedPayload {
    message: Arc<Message>,
    _room: Option<Reservation>,
}

impl CountedPayload {
    /// A message, and the room that it takes besides.
    pub(super) fn bytes(message: Arc<Message>, room: Option<Reservation>) -> Bytes {
        Bytes::from_owner(CountedPayload { message, _room: room })
    }
}

impl AsRef<[u8]> for CountedPayload {
    fn as_ref(&self) -> &[u8] {
        self.message.data()
    }
}

/// Bytes that were written for NATS, with the room that they take, which is released likewise.
pub(super) struct CountedBytes<R> {
    data: Vec<u8>,
    _room: R,
}

impl<R: Send + 'static> CountedBytes<R> {
    /// These bytes, and their room: one reservation or several.
    pub(super) fn bytes(data: Vec<u8>, room: R) -> Bytes {
        Bytes::from_owner(CountedBytes { data, _room: room })
    }
}

impl<R> AsRef<[u8]> for CountedBytes<R> {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
