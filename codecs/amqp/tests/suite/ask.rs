//! What a plugin asks for, short enough to be read in a script.

use std::rc::Rc;

use sandloop_amqp::{
    Properties, Publish, QueueName, Request, Table,
    request::{Consumer, Exchange, ExchangeBinding, Queue, QueueBinding},
};

/// A durable exchange.
pub fn exchange(name: &str, kind: &str) -> Request {
    Request::DeclareExchange(Exchange {
        name: name.to_owned(),
        kind: kind.to_owned(),
        durable: true,
        ..Exchange::default()
    })
}

/// A durable queue.
pub fn queue(name: &str) -> Request {
    declare(&QueueName::new(name))
}

/// A queue under this name, which is durable if it is the author's.
pub fn declare(name: &QueueName) -> Request {
    Request::DeclareQueue(Queue {
        name: name.clone(),
        passive: false,
        durable: !name.is_by_broker(),
        exclusive: name.is_by_broker(),
        auto_delete: false,
        arguments: Table::new(),
    })
}

pub fn bind(queue: &QueueName, exchange: &str, key: &str) -> Request {
    Request::BindQueue(queue_binding(queue, exchange, key))
}

pub fn queue_binding(queue: &QueueName, exchange: &str, key: &str) -> QueueBinding {
    QueueBinding {
        queue: queue.clone(),
        exchange: exchange.to_owned(),
        routing_key: key.to_owned(),
        arguments: Table::new(),
    }
}

pub fn exchange_binding(source: &str, destination: &str) -> ExchangeBinding {
    ExchangeBinding {
        destination: destination.to_owned(),
        source: source.to_owned(),
        ..ExchangeBinding::default()
    }
}

pub fn consume(queue: &QueueName, tag: &str) -> Request {
    Request::Consume(Consumer {
        queue: queue.clone(),
        tag: tag.to_owned(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        arguments: Table::new(),
    })
}

pub fn get(queue: &str) -> Request {
    Request::Get { queue: QueueName::new(queue), no_ack: false }
}

/// A message to the exchange `x` with the key `k`.
pub fn publish(body: &[u8]) -> Publish {
    Publish {
        exchange: "x".to_owned(),
        routing_key: "k".to_owned(),
        mandatory: false,
        properties: Properties::default(),
        body: Rc::from(body),
    }
}
