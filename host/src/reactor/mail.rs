//! The mail phase: what other threads and instances have sent.

use std::collections::VecDeque;

use crate::base::arena::InstanceId;
use crate::contract::outcome::ExitReason;
use crate::engine::event::Event;
use crate::mail::post::{Delivery, Mail, Notice};
use crate::reactor::table::instance_queue::{CROWDED, QueueItem};
use crate::reactor::table::turn::{MailProgress, MailStep, TurnPhase};
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};
use crate::workers::returns::Returned;

/// The most deliveries to instances in a turn; the rest waits for the next one, so that sockets get their turn.
const DELIVERIES_PER_TURN: usize = 1024;

/// The most pieces of mail taken out of the inbox in a turn.
const SORTED_PER_TURN: usize = 1024;

/// The progress of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    /// All subscribers have got it.
    All,
    /// One more subscriber has got it, and there are others.
    ToOneMore,
    /// The turn's bound is reached.
    InTheNextTurn,
    /// The next subscriber has too many events in its queue.
    UpToABusyOne,
}

impl Reactor {
    /// Begins the mail phase. Mail that its dispatch causes waits for the next turn.
    pub(super) fn begin_mail(&mut self) -> TurnPhase {
        let has_come = self.inbox.hear();
        if !has_come && self.held_back.is_empty() && self.agenda.mail.is_empty() {
            return self.begin_sockets();
        }
        TurnPhase::Mail(MailProgress { step: MailStep::Returned, left: DELIVERIES_PER_TURN })
    }

    /// Continues the mail phase, up to the bound of a turn.
    pub(super) fn take_mail(&mut self, progress: MailProgress) -> TurnPhase {
        let MailProgress { step, mut left } = progress;
        let step = match step {
            MailStep::Returned => match self.inbox.returned() {
                Some(Returned { instance, finished }) => {
                    self.returned_from_the_lane(instance, *finished);
                    MailStep::Returned
                }
                None => {
                    self.sort_mail();
                    MailStep::HeldBack(self.held_back.tenants())
                }
            },
            MailStep::HeldBack(tenants) => self.next_held_back(tenants, left),
            MailStep::DeliverHeldBack(delivery, tenants) => {
                self.deliver_held_back(delivery, tenants, &mut left)
            }
            MailStep::Dispatch if left == 0 => return self.begin_sockets(),
            MailStep::Dispatch => {
                let (mail, fair_share) = (&mut self.agenda.mail, &mut self.fair_share);
                match mail.next(|tenant| fair_share.passes_over(TurnPart::Mail, tenant)) {
                    Some((tenant, mail)) => self.dispatch(tenant, mail, &mut left),
                    None => return self.begin_sockets(),
                }
            }
            MailStep::Deliver(delivery) => self.deliver_mail(delivery, &mut left),
        };
        TurnPhase::Mail(MailProgress { step, left })
    }

    /// Whether there is mail that can be dispatched now.
    pub(super) fn mail_can_go_on(&self) -> bool {
        if self.inbox.has_more() {
            return true;
        }
        let is_possible = |delivery: &Delivery| {
            delivery.next().is_none_or(|(_, member)| !self.is_busy(member.instance))
        };
        self.held_back.first().any(is_possible)
    }

    /// Handles notices of the host at once, and puts mail into the queues of its tenants.
    fn sort_mail(&mut self) {
        while let Some(notice) = self.inbox.notice() {
            match notice {
                Notice::Stop(manner) => self.stopping.want(manner),
                Notice::NoneAccepted => self.stopping.have_none_accepted += 1,
                Notice::Asked(inquiry) => self.answer(&inquiry),
                Notice::SlotFreed => self.acceptors.wake(),
                // A stopping reactor begins nothing new.
                Notice::Resumed if self.stopping.has_begun() => {}
                Notice::Resumed => self.take_up_again(),
                Notice::DrainPlugin(place) => self.drain_plugin(place),
                Notice::Parked(place) => self.leave_term_of(place),
                Notice::Term(term) => self.heard_of_term(term),
            }
        }
        while let Some(change) = self.inbox.change() {
            self.change(change);
        }
        for mail in self.inbox.mail(SORTED_PER_TURN) {
            self.count_unit();
            if let Some(tenant) = self.tenant_of_mail(&mail) {
                self.agenda.mail.push(tenant, mail);
            }
        }
        self.agenda.mail.begin_phase(UNITS_PER_PHASE);
    }

    /// The tenant of a piece of mail; none if its receiver is gone.
    fn tenant_of_mail(&self, mail: &Mail) -> Option<usize> {
        let instance = match mail {
            Mail::Message(delivery) => return Some(delivery.tenant),
            Mail::Resolved { connection, .. } | Mail::File { connection, .. } => {
                self.connections.get(*connection)?.instance
            }
            Mail::Deferred(deferred) => deferred.instance,
            Mail::Popped { instance, .. } | Mail::Watched { instance, .. } => *instance,
            // A process that has not begun yet will find the messages in its mailbox.
            Mail::Notified { process, .. } => *self.processes.get(process)?,
            Mail::Exited { parent, .. } | Mail::ClusterExited { parent, .. } => *parent,
            Mail::Born(birth) => return Some(birth.tenant),
            Mail::KillBorn { tenant, .. } => return Some(*tenant),
        };
        Some(self.instances.get(instance)?.plugin.tenant.index)
    }

    /// Dispatches one piece of mail.
    fn dispatch(&mut self, tenant: usize, mail: Mail, left: &mut usize) -> MailStep {
        *left -= 1;
        match mail {
            Mail::Resolved { connection, addresses } => self.resolved(connection, addresses),
            // Files that were queued before a stop are still sent.
            Mail::File { connection, file, news } => self.file_news(connection, file, news),
            // A stopping reactor begins nothing new.
            _ if self.stopping.has_ended_guests() => *left += 1,
            Mail::Deferred(deferred) => {
                self.deliver(deferred.instance, Event::Deferred(deferred));
            }
            Mail::Message(delivery) => {
                if !self.held_back.has(tenant) {
                    *left += 1;
                    return MailStep::Deliver(delivery);
                }
                // Behind the messages of its tenant that are held back already.
                self.held_back.push(delivery);
            }
            Mail::Watched { instance, watch, opened } => self.watch_opened(instance, watch, opened),
            Mail::Popped { instance, pop, item } => {
                self.deliver(instance, Event::Popped { pop, item });
            }
            Mail::Notified { process, messages } => {
                let told = messages.min(CROWDED);
                *left = left.saturating_sub(told.saturating_sub(1));
                self.notify(process, told);
                if told < messages {
                    let messages = messages - told;
                    self.agenda.mail.push(tenant, Mail::Notified { process, messages });
                }
            }
            Mail::Exited { process, parent, reason } => {
                self.deliver(parent, Event::Exited { process, reason });
            }
            Mail::ClusterExited { pid, parent, reason, held } => {
                self.deliver(parent, Event::ClusterExited { pid, reason, held });
            }
            Mail::Born(birth) => self.bear(*birth),
            Mail::KillBorn { process, .. } => self.kill_born(process),
        }
        MailStep::Dispatch
    }

    /// Delivers a message to its next subscriber. If the tenant has used its share the others get it in the next turn.
    fn deliver_mail(&mut self, mut delivery: Box<Delivery>, left: &mut usize) -> MailStep {
        if self.fair_share.has_used_its_share(delivery.tenant) {
            self.agenda.mail.push_front(delivery.tenant, Mail::Message(delivery));
            return MailStep::Dispatch;
        }
        match self.deliver_once(&mut delivery, left) {
            Delivered::ToOneMore => return MailStep::Deliver(delivery),
            Delivered::All => {}
            Delivered::InTheNextTurn => {
                self.agenda.mail.push_front(delivery.tenant, Mail::Message(delivery));
            }
            Delivered::UpToABusyOne => self.held_back.push(delivery),
        }
        MailStep::Dispatch
    }

    /// Takes the next tenant with messages that are held back; each tenant's are delivered in order.
    fn next_held_back(&mut self, mut tenants: VecDeque<usize>, left: usize) -> MailStep {
        let Some(tenant) = tenants.pop_front().filter(|_| 0 < left) else {
            return MailStep::Dispatch;
        };
        if self.fair_share.passes_over(TurnPart::HeldBack, tenant) {
            return MailStep::HeldBack(tenants);
        }
        match self.held_back.pop(tenant) {
            Some(delivery) => MailStep::DeliverHeldBack(delivery, tenants),
            None => MailStep::HeldBack(tenants),
        }
    }

    /// Delivers a message that was held back to its next subscriber.
    fn deliver_held_back(
        &mut self,
        mut delivery: Box<Delivery>,
        mut tenants: VecDeque<usize>,
        left: &mut usize,
    ) -> MailStep {
        match self.deliver_once(&mut delivery, left) {
            Delivered::ToOneMore => return MailStep::DeliverHeldBack(delivery, tenants),
            // The next message of the same tenant.
            Delivered::All => tenants.push_front(delivery.tenant),
            Delivered::InTheNextTurn | Delivered::UpToABusyOne => {
                self.held_back.push_front(delivery);
            }
        }
        MailStep::HeldBack(tenants)
    }

    /// Delivers a message to its next subscriber, unless that one's queue is full: a channel is as fast as its slowest
    /// subscriber, and a message for a busy one waits in the channel, where it is counted, and not in the queue.
    fn deliver_once(&mut self, delivery: &mut Delivery, left: &mut usize) -> Delivered {
        let Some((place, member)) = delivery.next() else { return Delivered::All };
        if *left == 0 {
            return Delivered::InTheNextTurn;
        }
        if self.is_busy(member.instance) {
            return Delivered::UpToABusyOne;
        }
        *left -= 1;
        delivery.after = place;
        if delivery.except != Some(member) {
            let (subscription, message) = (member.subscription, delivery.message.clone());
            self.deliver(member.instance, Event::Message { subscription, message });
        }
        Delivered::ToOneMore
    }

    /// Queues one event for each of `messages` messages in a process's mailbox.
    pub(super) fn notify(&mut self, process: u32, messages: usize) {
        let Some(&id) = self.processes.get(&process) else { return };
        for _ in 0..messages {
            self.enqueue(id, QueueItem::Mailbox);
        }
    }

    /// Whether the queue of an instance is full, so that it gets no more messages for now.
    fn is_busy(&self, id: InstanceId) -> bool {
        self.instances.get(id).is_some_and(|instance| CROWDED <= instance.queued())
    }

    /// Sends the exit of a process to an instance of this reactor, for a later turn.
    pub(super) fn send_later(&mut self, parent: InstanceId, process: u32, reason: ExitReason) {
        if let Some(instance) = self.instances.get(parent) {
            let tenant = instance.plugin.tenant.index;
            self.agenda.mail.push(tenant, Mail::Exited { process, parent, reason });
        }
    }
}
