//! What waits in front of a socket's outbox, which is given [little at a time](super::room).

use std::{cell::RefCell, time::Duration};

use super::{
    Transport,
    room::{Pace, fill},
};
use crate::types::ErrorCode;

/// Bytes that may wait here and in the outbox together: the host's `outbox_max`, unless the operator says otherwise.
const MOST: usize = 16 * 1024 * 1024;

/// What waits in front of a socket's outbox, in order.
#[derive(Default)]
pub(crate) struct Outlet {
    queue: RefCell<Queue>,
    pace: Pace,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// The number of them that are sent.
    sent: usize,
}

impl Outlet {
    /// Sends `data` behind what waits. Whoever sends looks with [`flush`](Self::flush) again while anything
    /// [waits](Self::waits): the host tells of room only where the outbox was above `outbox_high`.
    ///
    /// # Errors
    /// `OutboxFull`: more than 16 MiB would wait. What the transport says when it is closed or closing.
    pub(crate) fn send(&self, transport: &dyn Transport, data: &[u8]) -> Result<(), ErrorCode> {
        self.flush(transport)?;
        let sent = if self.waits() { 0 } else { fill(transport, data)? };
        let rest = &data[sent..];
        if !rest.is_empty() && MOST < self.load(transport).saturating_add(rest.len()) {
            return Err(ErrorCode::OutboxFull);
        }
        self.queue.borrow_mut().bytes.extend_from_slice(rest);
        Ok(())
    }

    /// Sends as much as the outbox has room for.
    ///
    /// # Errors
    /// The error of the transport when it is closed or closing.
    pub(crate) fn flush(&self, transport: &dyn Transport) -> Result<(), ErrorCode> {
        let queue = &mut *self.queue.borrow_mut();
        queue.sent += fill(transport, &queue.bytes[queue.sent..])?;
        if queue.sent == queue.bytes.len() {
            *queue = Queue::default();
        } else if queue.bytes.len() <= 2 * queue.sent {
            queue.bytes.drain(..queue.sent);
            queue.sent = 0;
        }
        Ok(())
    }

    /// Whether anything waits here.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.borrow().bytes.is_empty()
    }

    /// Bytes that wait here and in the outbox.
    pub(crate) fn load(&self, transport: &dyn Transport) -> usize {
        let queue = self.queue.borrow();
        queue.bytes.len() - queue.sent + transport.outbound()
    }

    /// Forgets what waits.
    pub(crate) fn clear(&self) {
        self.queue.take();
    }

    /// How long to wait before looking again.
    pub(crate) fn pause(&self, transport: &dyn Transport) -> Duration {
        self.pace.after(self.load(transport))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::transport::{
        fake::{FakeSocket, Wire},
        room::{HIGH, LOW},
    };

    fn socket(wire: Wire) -> (FakeSocket, Rc<RefCell<Wire>>) {
        let wire = Rc::new(RefCell::new(wire));
        (FakeSocket(wire.clone()), wire)
    }

    fn slow() -> Wire {
        Wire { outbox_max: 1 << 24, fills: true, ..Wire::default() }
    }

    #[test]
    fn the_outbox_stays_low_whatever_is_sent() {
        let check = |pieces: &[usize]| {
            let (socket, wire) = socket(slow());
            let outlet = Outlet::default();
            let (mut all, mut next) = (Vec::new(), 0_u8);
            for length in pieces {
                next = next.wrapping_add(1);
                let piece = vec![next; *length];
                outlet.send(&socket, &piece).unwrap();
                all.extend(piece);
                assert!(wire.borrow().outbound <= HIGH, "{pieces:?}");
                assert_eq!(outlet.load(&socket), all.len(), "{pieces:?}");
            }
            while outlet.waits() {
                wire.borrow_mut().outbound = 0;
                outlet.flush(&socket).unwrap();
                assert!(wire.borrow().outbound <= HIGH, "{pieces:?}");
            }
            assert!(wire.borrow().sent == all, "{pieces:?}");
        };
        check(&[0]);
        check(&[1, 0, 1]);
        check(&[HIGH]);
        check(&[HIGH + 1]);
        check(&[LOW, LOW + 1, 1, 70_000]);
        check(&[1 << 20, 5, 1 << 20]);
    }

    #[test]
    fn a_quick_peer_waits_for_nothing() {
        let (socket, wire) = socket(Wire { outbox_max: 1 << 24, ..Wire::default() });
        let outlet = Outlet::default();
        outlet.send(&socket, &[7; 1 << 20]).unwrap();
        assert!(!outlet.waits());
        assert_eq!(wire.borrow().sent.len(), 1 << 20);
    }

    #[test]
    fn what_waits_has_a_bound() {
        let (socket, wire) = socket(slow());
        let outlet = Outlet::default();
        outlet.send(&socket, &vec![0; MOST]).unwrap();
        assert_eq!(outlet.send(&socket, &[0]), Err(ErrorCode::OutboxFull));
        outlet.clear();
        wire.borrow_mut().ended = Some("closed");
        wire.borrow_mut().outbound = 0;
        assert_eq!(outlet.send(&socket, &[0]), Err(ErrorCode::Closing));
    }

    #[test]
    fn a_small_outbox_is_filled_in_small_pieces() {
        let (socket, wire) = socket(Wire { outbox_max: 3000, ..Wire::default() });
        let outlet = Outlet::default();
        outlet.send(&socket, &[7; 100_000]).unwrap();
        assert_eq!((outlet.waits(), wire.borrow().sent.len()), (false, 100_000));
    }
}
