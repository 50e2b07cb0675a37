//! The phase of the sockets: what was left over from the last turn, then what the poll has told.

use crate::base::arena::ConnectionId;
use crate::base::token::PollSource;
use crate::net::connection::Phase;
use crate::reactor::table::poll_events::SocketEvent;
use crate::reactor::table::turn::{Accepting, SocketProgress, SocketStep, TurnPhase};
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};

/// Reads from one connection in one turn; what is left waits for the next.
const READS_PER_TURN: usize = 4;

impl Reactor {
    /// Begins with the sockets: what is left over now is looked at once.
    pub(super) fn begin_sockets(&mut self) -> TurnPhase {
        self.agenda.reads.begin_phase(UNITS_PER_PHASE);
        self.agenda.writes.begin_phase(UNITS_PER_PHASE);
        TurnPhase::Sockets(SocketProgress {
            doing: SocketStep::Next,
            acceptors: self.acceptors.ready(),
        })
    }

    /// Goes on with the sockets up to the next event for a guest.
    pub(super) fn serve_sockets(&mut self, mut progress: SocketProgress) -> TurnPhase {
        progress.doing = match progress.doing {
            SocketStep::Accept(accepting) if self.has_datagrams(accepting.place) => {
                self.receive(accepting)
            }
            SocketStep::Accept(accepting) => self.accept(accepting),
            SocketStep::Read { connection, left, to_the_end } => {
                self.read(connection, left, to_the_end)
            }
            SocketStep::Next => match self.next_socket(&mut progress) {
                Some(step) => step,
                None => return self.begin_pending(),
            },
        };
        TurnPhase::Sockets(progress)
    }

    /// What is to be done with the next socket; none after the last.
    fn next_socket(&mut self, progress: &mut SocketProgress) -> Option<SocketStep> {
        if 0 < progress.acceptors {
            progress.acceptors -= 1;
            let place = self.acceptors.next_ready();
            return Some(place.map_or(SocketStep::Next, |place| self.accept_at(place)));
        }
        let (agenda, fair_share) = (&mut self.agenda, &mut self.fair_share);
        let writes_wait = |tenant| fair_share.passes_over(TurnPart::Writes, tenant);
        if let Some((_, id)) = agenda.writes.next(writes_wait) {
            self.write(id);
            return Some(SocketStep::Next);
        }
        let reads_wait = |tenant| fair_share.passes_over(TurnPart::Reads, tenant);
        if let Some((_, id)) = agenda.reads.next(reads_wait) {
            return Some(self.read_again(id));
        }
        let event = self.events.next()?;
        Some(match event.source {
            PollSource::Waker => SocketStep::Next,
            PollSource::Listener(place) => self.accept_at(place),
            PollSource::Connection(id) => self.on_event(id, event),
        })
    }

    /// A listener has something.
    fn accept_at(&self, place: usize) -> SocketStep {
        SocketStep::Accept(match self.has_datagrams(place) {
            true => Accepting::datagrams(place),
            false => Accepting::new(place),
        })
    }

    /// The poll has news of a connection.
    fn on_event(&mut self, id: ConnectionId, event: SocketEvent) -> SocketStep {
        let Some(entry) = self.connections.get_mut(id) else { return SocketStep::Next };
        let phase = entry.shared.lock().phase();
        match phase {
            Phase::Resolving | Phase::Ended(_) => return SocketStep::Next,
            Phase::Connecting => {
                if event.is_readable {
                    entry.reading.found();
                }
                self.on_connecting(id);
            }
            Phase::Open | Phase::Finishing(_) => {
                if event.is_readable || event.is_read_closed {
                    entry.reading.found();
                }
                if event.is_error && self.take_error(id) {
                    return SocketStep::Next;
                }
                if event.is_writable {
                    self.write(id);
                }
            }
        }
        // With the peer's end announced, a short read is not the last one.
        SocketStep::Read { connection: id, left: READS_PER_TURN, to_the_end: event.is_read_closed }
    }

    /// A connection that had more than its turn allowed, or had to wait, is read again.
    fn read_again(&mut self, id: ConnectionId) -> SocketStep {
        if !self.unlist(id) {
            return SocketStep::Next;
        }
        SocketStep::Read { connection: id, left: READS_PER_TURN, to_the_end: true }
    }
}
