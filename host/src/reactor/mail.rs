//! What other threads and other instances have sent.

use crate::base::arena::InstanceId;
use crate::mail::post::{Delivery, Mail};
use crate::reactor::table::event::Event;
use crate::reactor::{ExitReason, Reactor};
use crate::workers::returns::Returned;

/// Instances that are told something in one turn; the rest is told in the next, so that sockets have theirs.
const DELIVERIES_PER_TURN: usize = 1024;

/// Events that may wait for an instance before a channel's messages wait elsewhere.
const EVENTS_BEFORE_MAX: usize = 256;

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    All,
    /// The turn's bound is reached.
    InTheNextTurn,
    /// One of its subscribers has too many events waiting.
    UpToABusyOne,
}

impl Reactor {
    /// Reads the mail, up to the bound of a turn. What its delivery causes to be sent waits for the next turn.
    pub(super) fn take_mail(&mut self) {
        self.inbox.hear();
        while let Some(Returned { instance, finished }) = self.inbox.returned() {
            self.returned(instance, *finished);
        }
        self.mail.extend(self.inbox.mail());
        let mut left = self.deliver_held_back(DELIVERIES_PER_TURN);
        while 0 < left {
            let Some(mail) = self.mail.pop_front() else { return };
            left = left.saturating_sub(self.dispatch(mail, left));
        }
    }

    /// Does what one letter says; tells how much of the turn's bound it took.
    fn dispatch(&mut self, mail: Mail, left: usize) -> usize {
        match mail {
            Mail::Stop => self.stop.want(),
            Mail::Resolved { connection, addresses } => self.resolved(connection, addresses),
            Mail::SlotFreed => self.wake_acceptors(),
            // A stopping reactor begins nothing more.
            _ if self.stop.has_begun() => return 0,
            Mail::LiftQuarantine => self.lift_quarantine(),
            Mail::Deferred(deferred) => {
                self.deliver(deferred.instance, Event::Deferred(deferred));
            }
            Mail::Message(delivery) => return self.take_delivery(delivery, left),
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

    /// Delivers a message that has come, unless others of its tenant wait already.
    fn take_delivery(&mut self, mut delivery: Delivery, left: usize) -> usize {
        if let Some(others) = self.held_back.get_mut(&delivery.tenant) {
            others.push_back(delivery);
            return 1;
        }
        let before = delivery.delivered;
        match self.deliver_message(&mut delivery, left) {
            Delivered::All => {}
            Delivered::InTheNextTurn => {
                let delivered = delivery.delivered - before;
                self.mail.push_front(Mail::Message(delivery));
                return delivered.max(left);
            }
            Delivered::UpToABusyOne => {
                let delivered = delivery.delivered - before;
                self.held_back.entry(delivery.tenant).or_default().push_back(delivery);
                return delivered.max(1);
            }
        }
        (delivery.delivered - before).max(1)
    }

    /// Goes on with messages that were held back, each tenant's in their order; tells what is left of the turn's bound.
    fn deliver_held_back(&mut self, mut left: usize) -> usize {
        let tenants: Vec<usize> = self.held_back.keys().copied().collect();
        for tenant in tenants {
            let Some(mut deliveries) = self.held_back.remove(&tenant) else { continue };
            while 0 < left
                && let Some(mut delivery) = deliveries.pop_front()
            {
                let before = delivery.delivered;
                let delivered = self.deliver_message(&mut delivery, left);
                left = left.saturating_sub((delivery.delivered - before).max(1));
                if delivered != Delivered::All {
                    deliveries.push_front(delivery);
                    break;
                }
            }
            if !deliveries.is_empty() {
                self.held_back.insert(tenant, deliveries);
            }
        }
        left
    }

    /// Delivers a message to as many of its subscribers as the turn still allows, up to one that has too much before it:
    /// a channel is as quick as its slowest subscriber, and what waits for that one waits once and not in its queue.
    fn deliver_message(&mut self, delivery: &mut Delivery, left: usize) -> Delivered {
        let members = delivery.members.clone();
        let rest: &[_] = members.get(delivery.delivered..).unwrap_or_default();
        for member in &rest[..rest.len().min(left)] {
            let subscriber = self.instances.get(member.instance);
            if subscriber.is_some_and(|subscriber| EVENTS_BEFORE_MAX <= subscriber.queued()) {
                return Delivered::UpToABusyOne;
            }
            delivery.delivered += 1;
            if delivery.except != Some(*member) {
                let (subscription, message) = (member.subscription, delivery.message.clone());
                self.deliver(member.instance, Event::Message { subscription, message });
            }
        }
        if rest.len() <= left { Delivered::All } else { Delivered::InTheNextTurn }
    }

    /// Tells an instance of this reactor something in a later turn.
    pub(super) fn send_later(&mut self, parent: InstanceId, process: u32, reason: ExitReason) {
        self.mail.push_back(Mail::Exited { process, parent, reason });
    }
}
