//! One channel: requests to be sent, requests in flight, the message being received.

use std::collections::{BTreeMap, VecDeque};

use amq_protocol::protocol::{AMQPClass, basic::AMQPMethod as B};

use crate::{
    assembly::Assembly,
    confirms::{Confirms, Unconfirmed},
    error::Refusal,
    ids::Ticket,
    message::{DeliveryTag, Publish},
    request::{Answer, Request},
};

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Its number on the wire.
    pub number: u16,
    pub phase: Phase,
    /// In order.
    pub waiting: VecDeque<Item>,
    /// Sent and not answered, in order: a broker answers a channel in the order in which it was asked, with the
    /// exception that [`Channel::position`] has.
    pub in_flight: VecDeque<Sent>,
    /// The consumers that the broker may deliver to, and whether their messages count as acknowledged when sent.
    pub consumers: BTreeMap<String, bool>,
    /// Once `confirm.select` is sent on this connection.
    pub confirms: Option<Confirms>,
    pub assembly: Option<Assembly>,
    /// The broker wants publishes.
    pub flow: bool,
    pub modes: Modes,
    pub transaction: Transaction,
    /// What was asked for, so that the other can be refused at once.
    wants: Option<Wants>,
}

/// The phase of a channel. A channel that has ended is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be opened when there is a connection.
    Wanted,
    Opening,
    Open,
    /// `channel.close` is sent.
    Closing,
}

/// Something that waits to be sent.
#[derive(Debug)]
pub(crate) enum Item {
    Request(Ticket, Request),
    Publish(Ticket, Box<Publish>),
    Settle(DeliveryTag, Settle),
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settle {
    Ack { multiple: bool },
    Nack { multiple: bool, requeue: bool },
    Reject { requeue: bool },
}

/// A request that awaits its answer.
#[derive(Debug)]
pub(crate) struct Sent {
    /// None for a request of the session's recovery.
    pub ticket: Option<Ticket>,
    pub request: Request,
    /// It is answered, but an earlier request is not: requests are recorded in their order.
    pub is_answered: bool,
}

/// The modes of the channel, which recovery sets again.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    pub confirms: bool,
    pub transactions: bool,
    pub prefetch: Option<u16>,
    pub prefetch_global: Option<u16>,
}

/// Whether a lost connection has interrupted a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// Nothing was sent since the last commit, or there are no transactions.
    Clean,
    /// Something was sent since the last commit.
    Begun,
    /// A part was lost with a connection: the next commit must fail.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Confirms,
    Transactions,
}

/// A request or a publish that was not done.
#[derive(Debug)]
pub(crate) enum Unfinished {
    Request(Ticket),
    /// With the message, if its bytes are still counted as buffered.
    Publish(Ticket, Option<Box<Publish>>),
}

impl Unfinished {
    fn ticket(&self) -> Ticket {
        match self {
            Unfinished::Request(ticket) | Unfinished::Publish(ticket, _) => *ticket,
        }
    }
}

impl Channel {
    pub(crate) fn new(number: u16) -> Channel {
        Channel {
            number,
            phase: Phase::Wanted,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            consumers: BTreeMap::new(),
            confirms: None,
            assembly: None,
            flow: true,
            modes: Modes::default(),
            transaction: Transaction::Clean,
            wants: None,
        }
    }

    /// Refuses what would make the broker close the channel.
    pub(crate) fn check(&mut self, request: &Request) -> Result<(), Refusal> {
        let wants = match request {
            Request::Confirm => Wants::Confirms,
            Request::SelectTx => Wants::Transactions,
            _ => return Ok(()),
        };
        if self.wants.is_some_and(|other| other != wants) {
            return Err(Refusal::ConfirmsAndTransactions);
        }
        self.wants = Some(wants);
        Ok(())
    }

    /// Whether the channel uses transactions.
    pub(crate) fn is_transactional(&self) -> bool {
        self.wants == Some(Wants::Transactions)
    }

    /// The index of the request that is answered now. It is the first, except after requests to consume or to cancel,
    /// which RabbitMQ answers from the queue while the channel goes on.
    pub(crate) fn position(&self, is_it: impl Fn(&Request) -> bool) -> Option<usize> {
        let is_late =
            |request: &Request| matches!(request, Request::Consume(_) | Request::Cancel(_));
        let is_next = |sent: &Sent| !sent.is_answered && is_it(&sent.request);
        let index = self.in_flight.iter().position(is_next)?;
        let mut before = self.in_flight.range(..index);
        before.all(|sent| sent.is_answered || is_late(&sent.request)).then_some(index)
    }

    /// Finds the request that `reply` answers, and applies the answer to the channel.
    pub(crate) fn answer(&mut self, reply: &AMQPClass) -> Option<(Option<Ticket>, Answer)> {
        let index = self.position(|request| request.answer(reply).is_some())?;
        let sent = self.in_flight.get_mut(index)?;
        let answer = sent.request.answer(reply)?;
        sent.is_answered = true;
        match (&mut sent.request, &answer, reply) {
            (Request::Confirm, ..) => self.modes.confirms = true,
            (Request::Qos { prefetch, global: false }, ..) => self.modes.prefetch = Some(*prefetch),
            (Request::Qos { prefetch, .. }, ..) => self.modes.prefetch_global = Some(*prefetch),
            (Request::DeclareQueue(queue), Answer::Queue { name, .. }, _) => queue.name.named(name),
            (Request::Consume(consumer), _, AMQPClass::Basic(B::ConsumeOk(ok))) => {
                // The broker names a consumer without a name.
                consumer.tag = ok.consumer_tag.to_string();
                self.consumers.insert(consumer.tag.clone(), consumer.no_ack);
            }
            (Request::Cancel(tag), ..) => {
                self.consumers.remove(tag);
            }
            _ => {}
        }
        Some((sent.ticket, answer))
    }

    /// Takes the first request, if it is answered.
    pub(crate) fn pop_answered(&mut self) -> Option<Sent> {
        self.in_flight.pop_front_if(|sent| sent.is_answered)
    }

    /// Removes a consumer that the broker has ended.
    pub(crate) fn end_consumer(&mut self, tag: &str) {
        self.consumers.remove(tag);
        let is_it = |request: &Request| matches!(request, Request::Consume(new) if new.tag == tag);
        self.in_flight.retain(|sent| !(sent.is_answered && is_it(&sent.request)));
    }

    /// Whether the broker may deliver to this consumer.
    pub(crate) fn consumes(&self, tag: &str) -> bool {
        self.no_ack(tag).is_some()
    }

    /// Whether the messages of this consumer count as acknowledged when they are sent, if it is there.
    pub(crate) fn no_ack(&self, tag: &str) -> Option<bool> {
        let waiting = || {
            let mut waiting = self.in_flight.iter().filter(|sent| !sent.is_answered);
            waiting.find_map(|sent| match &sent.request {
                Request::Consume(new) if new.tag == tag => Some(new.no_ack),
                _ => None,
            })
        };
        self.consumers.get(tag).copied().or_else(waiting)
    }

    /// Whether nothing waits to be sent, answered or confirmed.
    pub(crate) fn is_idle(&self) -> bool {
        let unconfirmed = self.confirms.as_ref().map_or(0, Confirms::len);
        self.waiting.is_empty() && self.in_flight.is_empty() && unconfirmed == 0
    }

    /// Prepares for a new connection. What can be repeated waits again, in its order; the rest is returned: what has
    /// failed, and what is done.
    pub(crate) fn disconnected(&mut self) -> Loss {
        self.phase = Phase::Wanted;
        self.assembly = None;
        self.consumers.clear();
        self.flow = true;
        if self.transaction == Transaction::Begun {
            self.transaction = Transaction::Lost;
        }
        let mut loss = Loss::default();
        let mut again = Vec::new();
        // A broker that has answered a request has done those before it, even if their answers are late.
        let done = self.in_flight.iter().rposition(|sent| sent.is_answered);
        let done = done.map_or(0, |index| index + 1);
        loss.done.extend(self.in_flight.drain(..done));
        for sent in std::mem::take(&mut self.in_flight) {
            let Some(ticket) = sent.ticket else { continue };
            match sent.request {
                // It may or may not have been done.
                Request::Commit => loss.failed.push(Unfinished::Request(ticket)),
                // The end of the connection has done it.
                Request::Rollback | Request::Recover { .. } | Request::Close => {
                    loss.done.push(sent);
                }
                request => again.push((ticket, Item::Request(ticket, request))),
            }
        }
        for unconfirmed in self.take_unconfirmed() {
            let ticket = unconfirmed.ticket;
            match unconfirmed.publish {
                Some(publish) => again.push((ticket, Item::Publish(ticket, publish))),
                None => loss.failed.push(Unfinished::Publish(ticket, None)),
            }
        }
        again.sort_by_key(|(ticket, _)| *ticket);
        for (_, item) in again.into_iter().rev() {
            self.waiting.push_front(item);
        }
        // The broker delivers those messages again. Transactions keep their acknowledgements, to fail the commit.
        if !self.is_transactional() {
            self.waiting.retain(|item| !matches!(item, Item::Settle(..)));
        }
        loss
    }

    /// Ends the channel and returns everything that was not done, in order.
    pub(crate) fn end(&mut self) -> Vec<Unfinished> {
        let mut all = Vec::new();
        let waiting = self.in_flight.drain(..).filter(|sent| !sent.is_answered);
        let sent = waiting.filter_map(|sent| sent.ticket);
        all.extend(sent.map(Unfinished::Request));
        for unconfirmed in self.take_unconfirmed() {
            all.push(Unfinished::Publish(unconfirmed.ticket, unconfirmed.publish));
        }
        for item in self.waiting.drain(..) {
            match item {
                Item::Request(ticket, _) => all.push(Unfinished::Request(ticket)),
                Item::Publish(ticket, publish) => {
                    all.push(Unfinished::Publish(ticket, Some(publish)));
                }
                Item::Settle(..) => {}
            }
        }
        all.sort_by_key(Unfinished::ticket);
        all
    }

    fn take_unconfirmed(&mut self) -> VecDeque<Unconfirmed> {
        self.confirms.take().map(|mut confirms| confirms.reset()).unwrap_or_default()
    }
}

/// What a lost connection means for the requests of a channel.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    /// These may or may not have been done.
    pub failed: Vec<Unfinished>,
    /// These were done by the broker, or by the end of the connection.
    pub done: Vec<Sent>,
}
