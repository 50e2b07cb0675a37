//! Queues that the broker gives a name.

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, queue},
};
use sandloop_amqp::{Answer, Event, Failure, QueueName, Refusal};

use crate::{ask, broker::Broker, say};

/// The queue that the next method on channel 1 is about.
fn queue_of_next(broker: &mut Broker) -> String {
    let name = match broker.frame() {
        AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(method))) => method.queue,
        AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::Bind(method))) => method.queue,
        AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::Purge(method))) => method.queue,
        AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(method))) => method.queue,
        other => panic!("{other:?}"),
    };
    name.to_string()
}

#[test]
fn whatever_needs_the_name_waits_for_it() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let name = QueueName::new("");
    let declared = broker.request(channel, ask::declare(&name));
    broker.request(channel, ask::bind(&name, "x", ""));
    broker.request(channel, ask::consume(&name, "c"));
    assert_eq!(queue_of_next(&mut broker), "");
    broker.hears_nothing();
    assert_eq!(name.get(), None);
    broker.says(1, say::queue_declare_ok("amq.gen-1", 0, 0));
    let answer = Answer::Queue { name: "amq.gen-1".to_owned(), messages: 0, consumers: 0 };
    assert_eq!(broker.events(), [Event::Answered(declared, Ok(answer))]);
    assert_eq!(name.get().as_deref(), Some("amq.gen-1"));
    assert_eq!([(); 2].map(|()| queue_of_next(&mut broker)), ["amq.gen-1", "amq.gen-1"]);
}

#[test]
fn a_queue_has_its_new_name_after_recovery() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let name = QueueName::new("");
    broker.done((channel, 1), ask::declare(&name), say::queue_declare_ok("amq.gen-1", 0, 0));
    broker.done((channel, 1), ask::bind(&name, "x", ""), say::queue_bind_ok());
    broker.done((channel, 1), ask::consume(&name, "c"), say::consume_ok("c"));
    broker.again();
    // Asked for under the name that is known now, and sent under the one that it will have.
    let purged = broker.request(channel, sandloop_amqp::Request::PurgeQueue(name.clone()));
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(queue_of_next(&mut broker), "");
    broker.says(1, say::queue_declare_ok("amq.gen-2", 0, 0));
    assert_eq!(name.get().as_deref(), Some("amq.gen-2"));
    assert_eq!(queue_of_next(&mut broker), "amq.gen-2");
    broker.says(1, say::queue_bind_ok());
    assert_eq!(queue_of_next(&mut broker), "amq.gen-2");
    broker.says(1, say::consume_ok("c"));
    assert_eq!(queue_of_next(&mut broker), "amq.gen-2");
    broker.says(1, say::queue_purge_ok(0));
    assert_eq!(broker.events(), [Event::Recovered, Event::Answered(purged, Ok(Answer::Count(0)))]);
}

#[test]
fn a_queue_that_nobody_declares_has_no_name() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::consume(&QueueName::new(""), "c"));
    broker.hears_nothing();
    let failure = Failure::Refused(Refusal::Unnamed);
    assert_eq!(broker.events(), [Event::Answered(ticket, Err(failure))]);
}

/// The name of a queue that the author has named is the author's.
#[test]
fn a_broker_does_not_rename_a_queue() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let name = QueueName::new("mine");
    broker.done((channel, 1), ask::declare(&name), say::queue_declare_ok("yours", 0, 0));
    assert_eq!(name.get().as_deref(), Some("mine"));
}

#[test]
fn a_consumer_without_a_tag_has_the_brokers() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let q = QueueName::new("q");
    broker.done((channel, 1), ask::consume(&q, ""), say::consume_ok("amq.ctag-1"));
    broker.says_message(1, say::deliver("amq.ctag-1", 1), b"m");
    let events = broker.events();
    let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(delivery.consumer, "amq.ctag-1");
    broker.says(1, say::cancel("amq.ctag-1", true));
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    broker.hears_nothing();
}
