//! What other threads and other instances have sent.

use super::events::Event;
use super::{ExitReason, InstanceId, Mail, Reactor};
use crate::tenant::channels::Delivery;

/// Instances that are told something in one turn; the rest is told in the next, so that sockets have theirs.
const DELIVERIES_PER_TURN: usize = 1024;

impl Reactor {
    /// Reads the mail, up to the bound of a turn. What its delivery causes to be sent waits for the next turn.
    pub(super) fn take_mail(&mut self) {
        self.letters.extend(self.inbox.take_all());
        let mut left = DELIVERIES_PER_TURN;
        while 0 < left {
            let Some(mail) = self.letters.pop_front() else { return };
            left = left.saturating_sub(self.open(mail, left));
        }
    }

    /// Does what one letter says; tells how much of the turn's bound it took.
    fn open(&mut self, mail: Mail, left: usize) -> usize {
        match mail {
            Mail::Stop => self.stop.want(),
            Mail::Resolved { connection, addresses } => self.resolved(connection, addresses),
            // A stopping reactor begins nothing more.
            _ if self.stop.has_begun() => return 0,
            Mail::Unpark => self.unpark(),
            Mail::Deferred(deferred) => {
                self.deliver(deferred.instance, Event::Deferred(deferred));
            }
            Mail::Message(delivery) => return self.deliver_message(delivery, left),
            Mail::Popped { instance, pop, item } => {
                self.deliver(instance, Event::Popped { pop, item });
            }
            Mail::Notified { process } => {
                if let Some(&instance) = self.processes.get(&process) {
                    self.deliver(instance, Event::Notified);
                }
            }
            Mail::Exited { process, parent, reason } => {
                self.deliver(parent, Event::Exited { process, reason });
            }
        }
        1
    }

    /// Delivers a message to as many of its subscribers as the turn still allows.
    fn deliver_message(&mut self, mut delivery: Delivery, left: usize) -> usize {
        let members = delivery.members.clone();
        let some: &[_] = members.get(delivery.delivered..).unwrap_or_default();
        let some = &some[..some.len().min(left)];
        for member in some.iter().filter(|member| delivery.except != Some(**member)) {
            let subscription = member.subscription;
            let message = delivery.message.clone();
            self.deliver(member.instance, Event::Message { subscription, message });
        }
        delivery.delivered += some.len();
        if delivery.delivered < members.len() {
            self.letters.push_front(Mail::Message(delivery));
        }
        some.len().max(1)
    }

    /// Tells an instance of this reactor something in a later turn.
    pub(super) fn tell_later(&mut self, parent: InstanceId, process: u32, reason: ExitReason) {
        self.letters.push_back(Mail::Exited { process, parent, reason });
    }
}
