//! Answers to inquiries of the admin thread, which waits for each answer and asks rarely.

use crate::mail::inquiry::{ConnectionRow, Inquiry, InstanceRow, LoopAnswer, LoopQuestion};
use crate::net::connection::Phase;
use crate::net::connection::stream::SocketAddress;
use crate::reactor::Reactor;
use crate::reactor::table::connection::ConnectionEntry;
use crate::reactor::table::instance::{Instance, InstanceState};

/// The most slots that one inquiry visits, since most of them may be empty.
const SLOTS_AT_ONCE: usize = 1024;

impl Reactor {
    /// Answers an inquiry, unless the answer is not wanted any more.
    pub(super) fn answer(&self, inquiry: &Inquiry) {
        let answer = match inquiry.question {
            LoopQuestion::Turning => LoopAnswer::Turning,
            LoopQuestion::Connections { from, most } => {
                let slots = self.connections.slots_from(from);
                let (rows, next) = page(slots, most, |entry| self.connection_row(entry));
                LoopAnswer::Connections(rows, next)
            }
            LoopQuestion::Instances { from, most } => {
                let slots = self.instances.slots_from(from);
                let (rows, next) = page(slots, most, instance_row);
                LoopAnswer::Instances(rows, next)
            }
        };
        // Fails if the receiver is gone, which makes no difference here.
        let _ = inquiry.answer.send(answer);
    }

    fn connection_row(&self, entry: &ConnectionEntry) -> ConnectionRow {
        let plugin = self.instances.get(entry.instance).map(|instance| instance.plugin.name());
        let plugin = plugin.unwrap_or_default().to_owned();
        let connection = entry.shared.lock();
        ConnectionRow {
            number: connection.number,
            plugin,
            handler: connection.handler.clone(),
            outgoing: entry.outgoing,
            phase: phase_name(connection.phase()),
            peer: connection.peer().map(|peer| match peer {
                SocketAddress::Tcp(address) => address.to_string(),
                SocketAddress::Unix(path) => format!("unix:{path}"),
            }),
            outbox: connection.outbound() as u64,
            is_proxied: entry.is_proxied,
            silent: self.setup.env.clock.turn().since(connection.last_activity()),
        }
    }
}

/// The rows of one page, and the first slot of the next page, if there may be more.
fn page<'a, T: 'a, R>(
    slots: impl Iterator<Item = (u32, Option<&'a T>)>,
    most: usize,
    row: impl Fn(&T) -> R,
) -> (Vec<R>, Option<u32>) {
    let mut rows = Vec::new();
    for (looked_at, (slot, thing)) in slots.enumerate() {
        if rows.len() == most || looked_at == SLOTS_AT_ONCE {
            return (rows, Some(slot));
        }
        rows.extend(thing.map(&row));
    }
    (rows, None)
}

fn instance_row(instance: &Instance) -> InstanceRow {
    let state = match instance.state {
        _ if instance.is_ending => "ending",
        InstanceState::Idle(_) if instance.asked.is_some() => "asking",
        InstanceState::Idle(_) if instance.waits.events => "waiting",
        InstanceState::Idle(_) => "idle",
        InstanceState::Away(_) => "slow",
        InstanceState::Entered => "entered",
    };
    InstanceRow {
        plugin: instance.plugin.name().to_owned(),
        state,
        connections: instance.connections.len(),
        queued: instance.queued(),
        timers: instance.timers.len(),
        is_process: instance.role.is_some(),
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolving => "resolving",
        Phase::Connecting => "connecting",
        Phase::Handshaking => "handshaking",
        Phase::Open => "open",
        Phase::Finishing(_) => "finishing",
        Phase::Ended(_) => "ended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_an_end_however_empty_the_slots_are() {
        let things: Vec<Option<u32>> =
            (0..3000).map(|slot| (slot % 1000 == 0).then_some(slot)).collect();
        let slots = |from: u32| {
            let slots = (0_u32..).zip(&things).skip(from as usize);
            slots.map(|(slot, thing)| (slot, thing.as_ref()))
        };
        let mut found = Vec::new();
        let (mut from, mut pages) = (Some(0), 0);
        while let Some(first) = from {
            let (rows, next) = page(slots(first), 2, |thing| *thing);
            assert!(rows.len() <= 2);
            found.extend(rows);
            (from, pages) = (next, pages + 1);
        }
        assert_eq!((found, pages), (vec![0, 1000, 2000], 3));
    }
}
