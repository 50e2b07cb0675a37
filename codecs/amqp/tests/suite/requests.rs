//! Everything that can be asked for: the bytes that are sent, and what is made of the answer.

use amq_protocol::{frame::AMQPFrame, protocol::AMQPClass};
use sandloop_amqp::{
    Answer, Event, QueueName, Request, Table, Value,
    request::{Consumer, Exchange, ExchangeBinding, Queue, QueueBinding},
};

use crate::{
    broker::{Broker, bytes, output},
    say,
};

/// `request` must become a method with these bytes, and `reply` be its answer.
#[track_caller]
fn check(request: Request, method: &[u8], reply: AMQPClass, answer: Answer) {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, request);
    let mut frame = vec![1, 0, 1];
    frame.extend((method.len() as u32).to_be_bytes());
    frame.extend(method);
    frame.push(206);
    let out = output(&mut broker.session);
    assert_eq!(out, frame, "{} is not {}", out.escape_ascii(), frame.escape_ascii());
    assert!(broker.events().is_empty(), "answered before the broker has");
    broker.says_bytes(&bytes(&AMQPFrame::Method(1, reply)));
    assert_eq!(broker.events()[0], Event::Answered(ticket, Ok(answer)));
}

fn arguments() -> Table {
    Table::from([("n".to_owned(), Value::I32(5))])
}

/// Its bytes, with their length.
const ARGUMENTS: &[u8] = b"\0\0\0\x07\x01nI\0\0\0\x05";

fn q() -> QueueName {
    QueueName::new("q")
}

#[test]
fn exchanges_are_declared() {
    let exchange = Exchange {
        name: "logs".to_owned(),
        kind: "topic".to_owned(),
        durable: true,
        arguments: arguments(),
        ..Exchange::default()
    };
    let head = b"\0\x28\0\x0a\0\0\x04logs\x05topic";
    let declare = |exchange: Exchange, flags: u8| {
        let method = [&head[..], &[flags], ARGUMENTS].concat();
        let request = Request::DeclareExchange(exchange);
        check(request, &method, say::exchange_declare_ok(), Answer::Done);
    };
    declare(exchange.clone(), 0b00010);
    declare(Exchange { passive: true, ..exchange.clone() }, 0b00011);
    declare(Exchange { auto_delete: true, ..exchange.clone() }, 0b00110);
    declare(Exchange { internal: true, ..exchange }, 0b01010);
}

#[test]
fn exchanges_are_deleted() {
    for (if_unused, flag) in [(false, 0), (true, 1)] {
        let method = [&b"\0\x28\0\x14\0\0\x01x"[..], &[flag]].concat();
        let request = Request::DeleteExchange { name: "x".to_owned(), if_unused };
        check(request, &method, say::exchange_delete_ok(), Answer::Done);
    }
}

#[test]
fn exchanges_are_bound_to_exchanges() {
    let binding = ExchangeBinding {
        destination: "to".to_owned(),
        source: "from".to_owned(),
        routing_key: "k".to_owned(),
        arguments: arguments(),
    };
    let rest = [&b"\0\0\x02to\x04from\x01k\0"[..], ARGUMENTS].concat();
    let bind = [&b"\0\x28\0\x1e"[..], &rest].concat();
    let request = Request::BindExchange(binding.clone());
    check(request, &bind, say::exchange_bind_ok(), Answer::Done);
    let unbind = [&b"\0\x28\0\x28"[..], &rest].concat();
    let request = Request::UnbindExchange(binding);
    check(request, &unbind, say::exchange_unbind_ok(), Answer::Done);
}

#[test]
fn queues_are_declared() {
    let queue = Queue {
        name: q(),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: arguments(),
    };
    let declare = |queue: Queue, name: &[u8], flags: u8| {
        let method = [&b"\0\x32\0\x0a\0\0"[..], name, &[flags], ARGUMENTS].concat();
        let answer = Answer::Queue { name: "q".to_owned(), messages: 7, consumers: 2 };
        check(Request::DeclareQueue(queue), &method, say::queue_declare_ok("q", 7, 2), answer);
    };
    declare(queue.clone(), b"\x01q", 0);
    declare(Queue { passive: true, ..queue.clone() }, b"\x01q", 0b00001);
    declare(Queue { durable: true, ..queue.clone() }, b"\x01q", 0b00010);
    declare(Queue { exclusive: true, ..queue.clone() }, b"\x01q", 0b00100);
    declare(Queue { auto_delete: true, ..queue.clone() }, b"\x01q", 0b01000);
    declare(Queue { name: QueueName::new(""), ..queue }, b"\0", 0);
}

#[test]
fn queues_are_bound_and_unbound() {
    let binding = QueueBinding {
        queue: q(),
        exchange: "x".to_owned(),
        routing_key: "a.*".to_owned(),
        arguments: arguments(),
    };
    let bind = [&b"\0\x32\0\x14\0\0\x01q\x01x\x03a.*\0"[..], ARGUMENTS].concat();
    check(Request::BindQueue(binding.clone()), &bind, say::queue_bind_ok(), Answer::Done);
    let unbind = [&b"\0\x32\0\x32\0\0\x01q\x01x\x03a.*"[..], ARGUMENTS].concat();
    check(Request::UnbindQueue(binding), &unbind, say::queue_unbind_ok(), Answer::Done);
}

#[test]
fn queues_are_purged_and_deleted() {
    let purge = b"\0\x32\0\x1e\0\0\x01q\0";
    check(Request::PurgeQueue(q()), purge, say::queue_purge_ok(9), Answer::Count(9));
    for (if_unused, if_empty, flags) in [(false, false, 0), (true, false, 1), (false, true, 2)] {
        let method = [&b"\0\x32\0\x28\0\0\x01q"[..], &[flags]].concat();
        let request = Request::DeleteQueue { queue: q(), if_unused, if_empty };
        check(request, &method, say::queue_delete_ok(3), Answer::Count(3));
    }
}

#[test]
fn consumers_begin_and_end() {
    let consumer = Consumer {
        queue: q(),
        tag: "c".to_owned(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        arguments: arguments(),
    };
    let consume = |consumer: Consumer, flags: u8| {
        let method = [&b"\0\x3c\0\x14\0\0\x01q\x01c"[..], &[flags], ARGUMENTS].concat();
        check(Request::Consume(consumer), &method, say::consume_ok("c"), Answer::Done);
    };
    consume(consumer.clone(), 0);
    consume(Consumer { no_local: true, ..consumer.clone() }, 0b0001);
    consume(Consumer { no_ack: true, ..consumer.clone() }, 0b0010);
    consume(Consumer { exclusive: true, ..consumer }, 0b0100);
    let cancel = b"\0\x3c\0\x1e\x01c\0";
    check(Request::Cancel("c".to_owned()), cancel, say::cancel_ok("c"), Answer::Done);
}

#[test]
fn deliveries_are_bounded_and_recovered() {
    for (global, flag) in [(false, 0), (true, 1)] {
        let method = [&b"\0\x3c\0\x0a\0\0\0\0\x01\x2c"[..], &[flag]].concat();
        check(Request::Qos { prefetch: 300, global }, &method, say::qos_ok(), Answer::Done);
    }
    for (requeue, flag) in [(false, 0), (true, 1)] {
        let method = [&b"\0\x3c\0\x6e"[..], &[flag]].concat();
        check(Request::Recover { requeue }, &method, say::recover_ok(), Answer::Done);
    }
}

#[test]
fn messages_are_asked_for() {
    for (no_ack, flag) in [(false, 0), (true, 1)] {
        let method = [&b"\0\x3c\0\x46\0\0\x01q"[..], &[flag]].concat();
        let request = Request::Get { queue: q(), no_ack };
        check(request, &method, say::get_empty(), Answer::Message(None));
    }
}

#[test]
fn confirms_and_transactions_are_selected() {
    check(Request::Confirm, b"\0\x55\0\x0a\0", say::confirm_select_ok(), Answer::Done);
    check(Request::SelectTx, b"\0\x5a\0\x0a", say::tx_select_ok(), Answer::Done);
    check(Request::Commit, b"\0\x5a\0\x14", say::commit_ok(), Answer::Done);
    check(Request::Rollback, b"\0\x5a\0\x1e", say::rollback_ok(), Answer::Done);
}

#[test]
fn channels_flow_and_close() {
    for (active, flag) in [(false, 0), (true, 1)] {
        let method = [&b"\0\x14\0\x14"[..], &[flag]].concat();
        check(Request::Flow(active), &method, say::flow_ok(active), Answer::Done);
    }
    let close = b"\0\x14\0\x28\0\xc8\x02OK\0\0\0\0";
    check(Request::Close, close, say::channel_close_ok(), Answer::Done);
}
