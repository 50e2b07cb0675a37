//! The topology: everything that was declared, bound and consumed, for recovery.

use crate::{
    ids::ChannelId,
    queue_name::QueueName,
    request::{Consumer, Exchange, ExchangeBinding, Queue, QueueBinding, Request},
};

/// The topology of a session, with the channel of each declaration.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    exchanges: Vec<(ChannelId, Exchange)>,
    queues: Vec<(ChannelId, Queue)>,
    exchange_bindings: Vec<(ChannelId, ExchangeBinding)>,
    queue_bindings: Vec<(ChannelId, QueueBinding)>,
    consumers: Vec<(ChannelId, Consumer)>,
}

impl Topology {
    /// Records a request that was done.
    pub(crate) fn record(&mut self, channel: ChannelId, request: &Request) {
        match request {
            Request::DeclareExchange(exchange) if !exchange.passive && !is_predefined(exchange) => {
                self.exchanges.retain(|(_, other)| other.name != exchange.name);
                self.exchanges.push((channel, exchange.clone()));
            }
            Request::DeclareQueue(queue) if !queue.passive => {
                self.queues.retain(|(_, other)| other.name != queue.name);
                self.queues.push((channel, queue.clone()));
            }
            Request::BindExchange(binding) => add(&mut self.exchange_bindings, channel, binding),
            Request::BindQueue(binding) => add(&mut self.queue_bindings, channel, binding),
            Request::Consume(consumer) => self.consumers.push((channel, consumer.clone())),
            Request::UnbindExchange(binding) => {
                let was_there = remove(&mut self.exchange_bindings, binding);
                self.end_exchange_if_unused(&binding.source, was_there);
            }
            Request::UnbindQueue(binding) => {
                let was_there = remove(&mut self.queue_bindings, binding);
                self.end_exchange_if_unused(&binding.exchange, was_there);
            }
            Request::DeleteExchange { name, .. } => self.end_exchange(name),
            Request::DeleteQueue { queue, .. } => self.end_queue(queue),
            Request::Cancel(tag) => self.end_consumer(channel, tag),
            _ => {}
        }
    }

    /// Removes a consumer that has ended.
    pub(crate) fn end_consumer(&mut self, channel: ChannelId, tag: &str) {
        let is_it = |(of, consumer): &(ChannelId, Consumer)| *of == channel && consumer.tag == tag;
        let Some(index) = self.consumers.iter().position(is_it) else { return };
        let (_, consumer) = self.consumers.remove(index);
        self.end_queue_if_unused(&consumer.queue);
    }

    /// Removes the consumers of a channel that has ended.
    pub(crate) fn end_channel(&mut self, channel: ChannelId) {
        while let Some((_, consumer)) = self.consumers.iter().find(|(of, _)| *of == channel) {
            let tag = consumer.tag.clone();
            self.end_consumer(channel, &tag);
        }
    }

    /// Removes what was declared and bound on a channel. Returns the queues to which the broker assigned a name, which only
    /// this session knows.
    pub(crate) fn forget_channel(&mut self, channel: ChannelId) -> Vec<QueueName> {
        self.end_channel(channel);
        self.exchanges.retain(|(of, _)| *of != channel);
        self.exchange_bindings.retain(|(of, _)| *of != channel);
        self.queue_bindings.retain(|(of, _)| *of != channel);
        let (gone, left) =
            std::mem::take(&mut self.queues).into_iter().partition(|(of, _)| *of == channel);
        self.queues = left;
        gone.into_iter().map(|(_, queue)| queue.name).filter(QueueName::is_by_broker).collect()
    }

    pub(crate) fn exchanges(&self) -> Vec<(ChannelId, Request)> {
        requests(&self.exchanges, Request::DeclareExchange)
    }

    pub(crate) fn queues(&self) -> Vec<(ChannelId, Request)> {
        requests(&self.queues, Request::DeclareQueue)
    }

    pub(crate) fn bindings(&self) -> Vec<(ChannelId, Request)> {
        let mut all = requests(&self.exchange_bindings, Request::BindExchange);
        all.extend(requests(&self.queue_bindings, Request::BindQueue));
        all
    }

    pub(crate) fn consumers(&self) -> Vec<(ChannelId, Request)> {
        requests(&self.consumers, Request::Consume)
    }

    /// Removes a request that cannot be repeated.
    pub(crate) fn forget(&mut self, request: &Request) {
        match request {
            Request::DeclareExchange(exchange) => {
                self.exchanges.retain(|(_, other)| other.name != exchange.name);
            }
            Request::DeclareQueue(queue) => {
                self.queues.retain(|(_, other)| other.name != queue.name);
            }
            Request::BindExchange(binding) => {
                remove(&mut self.exchange_bindings, binding);
            }
            Request::BindQueue(binding) => {
                remove(&mut self.queue_bindings, binding);
            }
            _ => {}
        }
    }

    fn end_exchange(&mut self, name: &str) {
        self.exchanges.retain(|(_, exchange)| exchange.name != name);
        self.queue_bindings.retain(|(_, binding)| binding.exchange != name);
        let (gone, left) = std::mem::take(&mut self.exchange_bindings)
            .into_iter()
            .partition(|(_, binding)| binding.source == name || binding.destination == name);
        self.exchange_bindings = left;
        for (_, ExchangeBinding { source, .. }) in gone {
            self.end_exchange_if_unused(&source, true);
        }
    }

    fn end_queue(&mut self, queue: &QueueName) {
        self.queues.retain(|(_, other)| other.name != *queue);
        self.consumers.retain(|(_, consumer)| consumer.queue != *queue);
        let (gone, left) = std::mem::take(&mut self.queue_bindings)
            .into_iter()
            .partition(|(_, binding)| binding.queue == *queue);
        self.queue_bindings = left;
        for (_, QueueBinding { exchange, .. }) in gone {
            self.end_exchange_if_unused(&exchange, true);
        }
    }

    /// The broker deletes a queue with `auto_delete` with its last consumer. Other clients may still consume it; then
    /// they declare it again.
    fn end_queue_if_unused(&mut self, queue: &QueueName) {
        let auto_delete =
            |(_, other): &(ChannelId, Queue)| other.name == *queue && other.auto_delete;
        let used = self.consumers.iter().any(|(_, consumer)| consumer.queue == *queue);
        if !used && self.queues.iter().any(auto_delete) {
            self.end_queue(queue);
        }
    }

    /// The broker deletes an exchange with `auto_delete` when something was unbound from it and nothing is left.
    fn end_exchange_if_unused(&mut self, name: &str, was_used: bool) {
        let auto_delete =
            |(_, exchange): &(ChannelId, Exchange)| exchange.name == name && exchange.auto_delete;
        let used = self.queue_bindings.iter().any(|(_, binding)| binding.exchange == name)
            || self.exchange_bindings.iter().any(|(_, binding)| binding.source == name);
        if was_used && !used && self.exchanges.iter().any(auto_delete) {
            self.end_exchange(name);
        }
    }
}

/// The default exchange and `amq.…` always exist, and may not be declared.
fn is_predefined(exchange: &Exchange) -> bool {
    exchange.name.is_empty() || exchange.name.starts_with("amq.")
}

fn add<T: Clone + PartialEq>(list: &mut Vec<(ChannelId, T)>, channel: ChannelId, thing: &T) {
    if !list.iter().any(|(_, other)| other == thing) {
        list.push((channel, thing.clone()));
    }
}

/// Removes an entry; true if it was there.
fn remove<T: PartialEq>(list: &mut Vec<(ChannelId, T)>, thing: &T) -> bool {
    let before = list.len();
    list.retain(|(_, other)| other != thing);
    list.len() < before
}

fn requests<T: Clone>(
    list: &[(ChannelId, T)],
    request: impl Fn(T) -> Request,
) -> Vec<(ChannelId, Request)> {
    list.iter().map(|(channel, thing)| (*channel, request(thing.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    const CHANNEL: ChannelId = ChannelId::of(1);

    fn exchange(name: &str, auto_delete: bool) -> Request {
        let kind = "fanout".to_owned();
        Request::DeclareExchange(Exchange {
            name: name.to_owned(),
            kind,
            auto_delete,
            ..Exchange::default()
        })
    }

    fn queue(name: &QueueName, auto_delete: bool) -> Request {
        Request::DeclareQueue(Queue {
            name: name.clone(),
            passive: false,
            durable: false,
            exclusive: false,
            auto_delete,
            arguments: Table::new(),
        })
    }

    fn binding(queue: &QueueName, exchange: &str) -> QueueBinding {
        QueueBinding {
            queue: queue.clone(),
            exchange: exchange.to_owned(),
            routing_key: String::new(),
            arguments: Table::new(),
        }
    }

    fn consume(queue: &QueueName, tag: &str) -> Request {
        Request::Consume(Consumer {
            queue: queue.clone(),
            tag: tag.to_owned(),
            no_local: false,
            no_ack: false,
            exclusive: false,
            arguments: Table::new(),
        })
    }

    /// Exchanges, queues, bindings, consumers.
    fn check(steps: &[Request], left: [usize; 4]) {
        let mut topology = Topology::default();
        steps.iter().for_each(|step| topology.record(CHANNEL, step));
        let counts = [
            topology.exchanges().len(),
            topology.queues().len(),
            topology.bindings().len(),
            topology.consumers().len(),
        ];
        assert_eq!(counts, left, "{steps:?}");
    }

    #[test]
    fn what_was_done_is_done_again_once() {
        let q = QueueName::new("q");
        let bind = Request::BindQueue(binding(&q, "x"));
        check(
            &[exchange("x", false), queue(&q, false), bind.clone(), bind, consume(&q, "c")],
            [1, 1, 1, 1],
        );
        check(
            &[exchange("x", false), exchange("x", true), exchange("amq.fanout", false)],
            [1, 0, 0, 0],
        );
    }

    #[test]
    fn what_was_undone_is_not_done_again() {
        let q = QueueName::new("q");
        let all = [
            exchange("x", false),
            queue(&q, false),
            Request::BindQueue(binding(&q, "x")),
            consume(&q, "c"),
        ];
        let and = |last: Request| [all.to_vec(), vec![last]].concat();
        check(&and(Request::UnbindQueue(binding(&q, "x"))), [1, 1, 0, 1]);
        check(&and(Request::Cancel("c".to_owned())), [1, 1, 1, 0]);
        check(
            &and(Request::DeleteExchange { name: "x".to_owned(), if_unused: false }),
            [0, 1, 0, 1],
        );
        let delete = Request::DeleteQueue { queue: q.clone(), if_unused: false, if_empty: false };
        check(&and(delete), [1, 0, 0, 0]);
    }

    #[test]
    fn what_a_channel_has_is_forgotten_with_it() {
        let (named, unnamed) = (QueueName::new("q"), QueueName::new(""));
        let mut topology = Topology::default();
        let other = ChannelId::of(2);
        for step in [exchange("x", false), queue(&named, false), queue(&unnamed, false)] {
            topology.record(CHANNEL, &step);
        }
        topology.record(CHANNEL, &Request::BindQueue(binding(&named, "x")));
        topology.record(CHANNEL, &consume(&named, "c"));
        topology.record(other, &exchange("y", false));
        assert_eq!(topology.forget_channel(CHANNEL).len(), 1);
        assert_eq!(topology.exchanges().len(), 1);
        let left = [topology.queues(), topology.bindings(), topology.consumers()];
        assert!(left.iter().all(Vec::is_empty));
    }

    #[test]
    fn what_the_broker_deletes_by_itself_is_gone_too() {
        let q = QueueName::new("q");
        let all = [
            exchange("x", true),
            queue(&q, true),
            Request::BindQueue(binding(&q, "x")),
            consume(&q, "c"),
            consume(&q, "d"),
        ];
        let and = |last: &[Request]| [all.to_vec(), last.to_vec()].concat();
        let cancel = |tag: &str| Request::Cancel(tag.to_owned());
        check(&and(&[cancel("c")]), [1, 1, 1, 1]);
        check(&and(&[cancel("c"), cancel("d")]), [0, 0, 0, 0]);
        check(&and(&[Request::UnbindQueue(binding(&q, "x"))]), [0, 1, 0, 2]);
    }
}
