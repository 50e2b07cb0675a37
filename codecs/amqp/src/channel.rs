//! One channel: what waits to be sent, what is under way, what is being received.

use std::collections::{BTreeSet, VecDeque};

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
    /// The consumers that the broker may deliver to.
    pub consumers: BTreeSet<String>,
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

/// Where it is in its life. It is removed when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be opened as soon as there is a connection.
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

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settle {
    Ack { multiple: bool },
    Nack { multiple: bool, requeue: bool },
    Reject { requeue: bool },
}

/// Something that waits for its answer.
#[derive(Debug)]
pub(crate) struct Sent {
    /// None if the session itself asked, to recover.
    pub ticket: Option<Ticket>,
    pub request: Request,
    /// It is, but something that was asked for before is not: what it has changed is remembered in its turn.
    pub is_answered: bool,
}

/// What a new connection has to be told of the channel.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    pub confirms: bool,
    pub transactions: bool,
    pub prefetch: Option<u16>,
    pub prefetch_global: Option<u16>,
}

/// What a transaction has to do with a connection that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// Nothing was sent since the last commit, or there are no transactions.
    Clean,
    /// Something was.
    Begun,
    /// Something was, and the broker has forgotten it: the next commit must not pass for a whole one.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Confirms,
    Transactions,
}

/// Something that was asked for and not done.
#[derive(Debug)]
pub(crate) enum Unfinished {
    Request(Ticket),
    /// With the message, if it is still kept and counted.
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
    pub fn new(number: u16) -> Channel {
        Channel {
            number,
            phase: Phase::Wanted,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            consumers: BTreeSet::new(),
            confirms: None,
            assembly: None,
            flow: true,
            modes: Modes::default(),
            transaction: Transaction::Clean,
            wants: None,
        }
    }

    /// Refuses what the broker would close the channel for.
    pub fn check(&mut self, request: &Request) -> Result<(), Refusal> {
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

    /// What is sent may belong to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.wants == Some(Wants::Transactions)
    }

    /// The request that is answered now: the first, but for those to consume and to cancel. RabbitMQ has the queue
    /// answer them, and meanwhile goes on with the channel.
    pub fn position(&self, is_it: impl Fn(&Request) -> bool) -> Option<usize> {
        let is_late =
            |request: &Request| matches!(request, Request::Consume(_) | Request::Cancel(_));
        let is_next = |sent: &Sent| !sent.is_answered && is_it(&sent.request);
        let index = self.in_flight.iter().position(is_next)?;
        let mut before = self.in_flight.range(..index);
        before.all(|sent| sent.is_answered || is_late(&sent.request)).then_some(index)
    }

    /// Finds the request that this answers, and remembers what it means for the channel.
    pub fn answer(&mut self, reply: &AMQPClass) -> Option<(Option<Ticket>, Answer)> {
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
                // If it had none, the broker has given one.
                consumer.tag = ok.consumer_tag.to_string();
                self.consumers.insert(consumer.tag.clone());
            }
            (Request::Cancel(tag), ..) => {
                self.consumers.remove(tag);
            }
            _ => {}
        }
        Some((sent.ticket, answer))
    }

    /// The first request, if it is answered.
    pub fn pop_answered(&mut self) -> Option<Sent> {
        self.in_flight.pop_front_if(|sent| sent.is_answered)
    }

    /// The broker has ended a consumer.
    pub fn end_consumer(&mut self, tag: &str) {
        self.consumers.remove(tag);
        let is_it = |request: &Request| matches!(request, Request::Consume(new) if new.tag == tag);
        self.in_flight.retain(|sent| !(sent.is_answered && is_it(&sent.request)));
    }

    /// Whether the broker may deliver to this consumer.
    pub fn consumes(&self, tag: &str) -> bool {
        let is_it = |request: &Request| matches!(request, Request::Consume(new) if new.tag == tag);
        let mut waiting = self.in_flight.iter().filter(|sent| !sent.is_answered);
        self.consumers.contains(tag) || waiting.any(|sent| is_it(&sent.request))
    }

    /// Nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        let unconfirmed = self.confirms.as_ref().map_or(0, Confirms::len);
        self.waiting.is_empty() && self.in_flight.is_empty() && unconfirmed == 0
    }

    /// The connection is gone. What can be done again waits again, in the order in which it was asked for; what
    /// cannot is handed out: those that failed, and those that are done with the connection.
    pub fn disconnected(&mut self) -> Loss {
        self.phase = Phase::Wanted;
        self.assembly = None;
        self.consumers.clear();
        self.flow = true;
        if self.transaction == Transaction::Begun {
            self.transaction = Transaction::Lost;
        }
        let mut loss = Loss::default();
        let mut again = Vec::new();
        // A broker that has answered one has done those before it, whose answers are late.
        let done = self.in_flight.iter().rposition(|sent| sent.is_answered);
        let done = done.map_or(0, |index| index + 1);
        loss.done.extend(self.in_flight.drain(..done));
        for sent in std::mem::take(&mut self.in_flight) {
            let Some(ticket) = sent.ticket else { continue };
            match sent.request {
                // Whether it was done is not known.
                Request::Commit => loss.failed.push(Unfinished::Request(ticket)),
                // The end of a connection does the same.
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
        // The broker delivers those messages again. A transaction has to know that they were to be part of it.
        if !self.is_transactional() {
            self.waiting.retain(|item| !matches!(item, Item::Settle(..)));
        }
        loss
    }

    /// The channel is gone: everything that was asked for and not done, in order.
    pub fn end(&mut self) -> Vec<Unfinished> {
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

/// What a lost connection took along.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    /// Whether these were done can never be known.
    pub failed: Vec<Unfinished>,
    /// These are done, by the broker or by the end of the connection.
    pub done: Vec<Sent>,
}
