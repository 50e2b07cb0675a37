//! Pushes to one channel that wait at the same time: one message of NATS takes many, so that the work of a message of NATS is done
//! once for all of them. None waits for another: what is pushed while nothing waits is sent alone.

use std::fmt::Write as _;
use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::base::lock::Mutex;
use crate::cluster::counters::LinkCounters;
use crate::cluster::hosts::HostId;
use crate::cluster::sealed::{CountedBytes, CountedPayload, Sealed};
use crate::cluster::sequence::{HEADER, LENGTH_BYTES, Numbering, PUSHES_MAX, SequencePlace};
use crate::cluster::subject::{SubjectKind, Subjects};
use crate::mail::message::Message;
use crate::quota::budget::Reservation;

/// The most bytes of pushes that are sent together, with their lengths: beyond this the work of a message of NATS does not matter,
/// and tenants take turns by messages of NATS.
const PACK_BYTES: usize = PUSHES_MAX * LENGTH_BYTES;

/// The sender of a tenant's pushes to other hosts.
#[derive(Debug)]
pub(super) struct PushSender {
    pub(super) host: HostId,
    pub(super) subjects: Subjects,
    pub(super) counters: Arc<LinkCounters>,
    pub(super) numbering: Mutex<Numbering>,
}

/// A push, in the room that was reserved for it.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) message: Arc<Message>,
    pub(super) room: Reservation,
}

/// Pushes to one channel in their order. It has one at least.
#[derive(Debug)]
pub(super) struct Pack {
    sender: Arc<PushSender>,
    channel: String,
    pushes: Vec<Push>,
    /// The bytes of the messages and of their lengths.
    bytes: usize,
}

impl Push {
    fn bytes(&self) -> usize {
        self.message.data().len().saturating_add(LENGTH_BYTES)
    }
}

impl Pack {
    /// A pack of one push.
    pub(super) fn new(sender: Arc<PushSender>, channel: &str, push: Push) -> Pack {
        let bytes = push.bytes();
        Pack { sender, channel: channel.to_owned(), pushes: vec![push], bytes }
    }

    /// Adds a push of the same sender.
    ///
    /// # Errors
    /// Returns it if it is for another channel, or if both together are longer than a pack or than `longest` bytes.
    pub(super) fn add(&mut self, channel: &str, push: Push, longest: usize) -> Result<(), Push> {
        let bytes = self.bytes.saturating_add(push.bytes());
        if self.channel != channel || longest.min(PACK_BYTES) < bytes {
            return Err(push);
        }
        self.bytes = bytes;
        self.pushes.push(push);
        Ok(())
    }

    /// Makes one message of NATS of it, with the next numbers of its channel.
    pub(super) fn seal(self) -> Sealed {
        let Pack { sender, channel, pushes, .. } = self;
        let count = u64::try_from(pushes.len()).unwrap_or(u64::MAX);
        let SequencePlace { run, number } = sender.numbering.lock().take(&channel, count);
        let mut header = format!("{} {run} {number}", sender.host);
        let payload = match <[Push; 1]>::try_from(pushes) {
            Ok([only]) => CountedPayload::bytes(only.message, Some(only.room)),
            Err(pushes) => packed(pushes, &mut header),
        };
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, header);
        let subject = sender.subjects.of(SubjectKind::Channel, &channel);
        Sealed { subject, headers, payload, count, counters: sender.counters.clone() }
    }
}

/// The bytes of all pushes; appends their lengths to the header.
fn packed(pushes: Vec<Push>, header: &mut String) -> Bytes {
    let (mut bytes, mut rooms) = (Vec::new(), Vec::new());
    for Push { message, room } in pushes {
        // Writing to a String cannot fail.
        let _ = write!(header, " {}", message.data().len());
        bytes.extend_from_slice(message.data());
        rooms.push(room);
    }
    CountedBytes::bytes(bytes, rooms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sequence;
    use crate::quota::budget::ByteBudget;

    fn sender() -> Arc<PushSender> {
        Arc::new(PushSender {
            host: HostId::draw("web").expect("random numbers"),
            subjects: Subjects::new("sandloop", "demo"),
            counters: Arc::default(),
            numbering: Mutex::default(),
        })
    }

    fn push(budget: &ByteBudget, data: &[u8]) -> Push {
        let message = Message::new(data.to_vec(), &ByteBudget::new(1 << 30), None);
        let room = budget.reserve(100).expect("room");
        Push { message: Arc::new(message.expect("room")), room }
    }

    /// The header and the payload, and the messages that the other end makes of them.
    fn opened(sealed: &Sealed) -> (String, Vec<Vec<u8>>) {
        let header = sealed.headers.get(HEADER).expect("the header").as_str().to_owned();
        let sent = sequence::read(&header, sealed.payload.len()).expect("a header");
        let messages = sent.messages(&sealed.payload).map(<[u8]>::to_vec).collect();
        let words: Vec<&str> = header.split(' ').skip(1).collect();
        (words.join(" "), messages)
    }

    #[test]
    fn what_is_packed_comes_out_with_its_bounds_and_numbers() {
        let (sender, budget) = (sender(), ByteBudget::new(1 << 20));
        let messages: [&[&[u8]]; 4] = [&[b"one"], &[b"", b"two", b""], &[b""], &[b"9 9", b"x"]];
        let headers = ["0 0", "0 1 0 3 0", "0 4", "0 5 3 1"];
        for (messages, header) in messages.iter().zip(headers) {
            let mut pack = Pack::new(sender.clone(), "room", push(&budget, messages[0]));
            for message in &messages[1..] {
                pack.add("room", push(&budget, message), usize::MAX).expect("it fits");
            }
            let sealed = pack.seal();
            assert_eq!(
                opened(&sealed),
                (header.to_owned(), messages.iter().map(|it| it.to_vec()).collect())
            );
            assert_eq!(sealed.count, messages.len() as u64);
            assert_eq!(budget.held(), 100 * messages.len() as u64, "until it is written");
            drop(sealed);
            assert_eq!(budget.held(), 0);
        }
    }

    #[test]
    fn a_pack_ends_at_its_bounds() {
        let budget = ByteBudget::new(1 << 30);
        let begin = |length: usize| Pack::new(sender(), "room", push(&budget, &vec![b'x'; length]));
        for (first, channel, second, longest, fits) in [
            (0, "room", 0, usize::MAX, true),
            (0, "Room", 0, usize::MAX, false),
            (1, "room", PACK_BYTES - 1 - 2 * LENGTH_BYTES, usize::MAX, true),
            (1, "room", PACK_BYTES - 2 * LENGTH_BYTES, usize::MAX, false),
            (PACK_BYTES, "room", 0, usize::MAX, false),
            (1 << 20, "room", 0, usize::MAX, false),
            (10, "room", 10, 20 + 2 * LENGTH_BYTES, true),
            (10, "room", 11, 20 + 2 * LENGTH_BYTES, false),
        ] {
            let mut pack = begin(first);
            let added = pack.add(channel, push(&budget, &vec![b'y'; second]), longest);
            assert_eq!(
                added.is_ok(),
                fits,
                "{first} and {second} bytes in {longest} for {channel}"
            );
        }
        let mut pack = begin(0);
        let added = (1..).take_while(|_| pack.add("room", push(&budget, b""), usize::MAX).is_ok());
        assert_eq!(added.count() + 1, PUSHES_MAX, "no bytes at all are bounded, too");
        let (header, messages) = opened(&pack.seal());
        assert_eq!(messages.len(), PUSHES_MAX);
        assert!(header.len() <= PACK_BYTES);
    }
}
