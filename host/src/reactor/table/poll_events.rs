//! The events of the poll.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::{Events, Poll};

use crate::base::token::PollSource;

/// An event of one socket.
#[derive(Debug, Clone, Copy)]
pub(in crate::reactor) struct SocketEvent {
    pub(in crate::reactor) source: PollSource,
    pub(in crate::reactor) is_readable: bool,
    pub(in crate::reactor) is_writable: bool,
    pub(in crate::reactor) is_read_closed: bool,
    pub(in crate::reactor) is_error: bool,
}

/// The events of one poll, to be taken one by one.
#[derive(Debug)]
pub(in crate::reactor) struct PollEvents {
    buffer: Events,
    told: VecDeque<SocketEvent>,
    /// Whether the last poll had no event.
    was_silent: bool,
}

impl PollEvents {
    /// For polls of up to `events` events.
    pub(in crate::reactor) fn with_capacity(events: usize) -> PollEvents {
        PollEvents {
            buffer: Events::with_capacity(events),
            told: VecDeque::with_capacity(events),
            was_silent: false,
        }
    }

    /// Polls. A signal ends the wait without an event.
    pub(in crate::reactor) fn wait(
        &mut self,
        poll: &mut Poll,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.was_silent = false;
        match poll.poll(&mut self.buffer, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        self.was_silent = self.buffer.is_empty();
        self.told.extend(self.buffer.iter().map(|event| SocketEvent {
            source: PollSource::from(event.token()),
            is_readable: event.is_readable(),
            is_writable: event.is_writable(),
            is_read_closed: event.is_read_closed(),
            is_error: event.is_error(),
        }));
        Ok(())
    }

    /// Whether the last poll had no event.
    pub(in crate::reactor) fn was_silent(&self) -> bool {
        self.was_silent
    }

    /// The source of an event to come; the next one has place 0.
    pub(in crate::reactor) fn ahead(&self, place: usize) -> Option<PollSource> {
        self.told.get(place).map(|event| event.source)
    }

    /// Takes the next event.
    pub(in crate::reactor) fn next(&mut self) -> Option<SocketEvent> {
        self.told.pop_front()
    }
}
