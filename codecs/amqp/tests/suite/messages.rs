//! Messages that come: to consumers, and one by one.

use sandloop_amqp::{Answer, ChannelId, Delivery, Event, Failure, QueueName, Request};

use crate::{ask, broker::Broker, say};

/// With a consumer `c` on channel 1.
fn consuming() -> (Broker, ChannelId) {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    (broker, channel)
}

/// A delivery of message `number`.
fn deliver(broker: &mut Broker, number: u64, body: &[u8]) -> Box<Delivery> {
    broker.says_message(1, say::deliver("c", number), body);
    let mut events = broker.events();
    let Some(Event::Delivered(_, delivery)) = events.pop() else { panic!("not delivered") };
    assert!(events.is_empty());
    assert_eq!((delivery.tag.number(), delivery.body.as_slice()), (number, body));
    delivery
}

#[test]
fn a_delivery_has_everything_that_came_with_it() {
    let (mut broker, channel) = consuming();
    let delivery = deliver(&mut broker, 7, b"hello");
    assert_eq!(delivery.tag.channel(), channel);
    assert_eq!((delivery.consumer.as_str(), delivery.redelivered), ("c", false));
    assert_eq!((delivery.exchange.as_str(), delivery.routing_key.as_str()), ("x", "k"));
    assert_eq!(deliver(&mut broker, 8, b"").body, b"");
}

#[test]
fn deliveries_are_taken_and_refused() {
    let (mut broker, _) = consuming();
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| deliver(&mut broker, number, b"m").tag);
    broker.session.ack(one, false);
    broker.hears(1, say::ack(1, false));
    broker.session.ack(two, true);
    broker.hears(1, say::ack(2, true));
    broker.session.nack(three, true, false);
    broker.hears(1, say::nack(3, true, false));
    broker.session.nack(three, false, true);
    broker.hears(1, say::nack(3, false, true));
    broker.session.reject(four, true);
    broker.hears(1, say::reject(4, true));
    broker.session.reject(four, false);
    broker.hears(1, say::reject(4, false));
    assert!(broker.events().is_empty());
}

#[test]
fn acknowledgements_keep_their_place_among_requests() {
    let (mut broker, channel) = consuming();
    let tag = deliver(&mut broker, 1, b"m").tag;
    broker.request(channel, ask::queue("a"));
    broker.session.ack(tag, false);
    broker.request(channel, ask::queue("b"));
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.hears(1, say::ack(1, false));
    assert_eq!(broker.hears_method(1), (50, 10));
}

#[test]
fn an_acknowledgement_of_another_connection_is_harmless() {
    let (mut broker, _) = consuming();
    let tag = deliver(&mut broker, 1, b"m").tag;
    broker.breaks();
    broker.session.ack(tag, false);
    broker.connect();
    broker.session.nack(tag, false, true);
    broker.greet();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (60, 20));
    broker.session.reject(tag, true);
    broker.says(1, say::consume_ok("c"));
    broker.session.ack(tag, true);
    broker.hears_nothing();
    // The same number means another message now.
    let tag = deliver_after(&mut broker);
    broker.session.ack(tag, false);
    broker.hears(1, say::ack(1, false));
}

fn deliver_after(broker: &mut Broker) -> sandloop_amqp::DeliveryTag {
    assert_eq!(broker.events(), [Event::Recovered]);
    deliver(broker, 1, b"again").tag
}

#[test]
fn an_acknowledgement_of_a_channel_that_is_gone_is_harmless() {
    let (mut broker, _) = consuming();
    let tag = deliver(&mut broker, 1, b"m").tag;
    broker.says(1, say::channel_close(406, "PRECONDITION_FAILED", (60, 80)));
    broker.hears(1, say::channel_close_ok());
    let other = broker.channel();
    broker.session.ack(tag, false);
    broker.hears_nothing();
    assert!(broker.session.has_channel(other));
}

#[test]
fn an_acknowledgement_that_waits_is_forgotten_with_the_connection() {
    let (mut broker, channel) = consuming();
    let tag = deliver(&mut broker, 1, b"m").tag;
    // It waits behind this, which has to wait.
    broker.says(0, say::blocked("memory"));
    broker.session.publish(channel, ask::publish(b"held")).unwrap();
    broker.session.ack(tag, false);
    broker.hears_nothing();
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (60, 20));
    broker.says(1, say::consume_ok("c"));
    broker.hears_message(1, say::publish("x", "k", false), b"held");
    broker.hears_nothing();
}

#[test]
fn messages_still_come_until_a_consumer_is_cancelled() {
    let (mut broker, channel) = consuming();
    let cancelled = broker.request(channel, Request::Cancel("c".to_owned()));
    broker.hears(1, say::cancel("c", false));
    deliver(&mut broker, 1, b"late");
    broker.says(1, say::cancel_ok("c"));
    assert_eq!(broker.events(), [Event::Answered(cancelled, Ok(Answer::Done))]);
    broker.says(1, say::deliver("c", 2));
    broker.hears(0, say::close(503, "a message for the consumer c, which is not there"));
}

/// A broker may be quicker with the first message than with its word.
#[test]
fn a_message_may_come_before_its_consumer_is_answered() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::consume(&QueueName::new("q"), "c"));
    deliver(&mut broker, 1, b"early");
    broker.says(1, say::consume_ok("c"));
    assert_eq!(broker.events(), [Event::Answered(ticket, Ok(Answer::Done))]);
}

#[test]
fn the_broker_may_cancel_a_consumer() {
    for nowait in [true, false] {
        let (mut broker, channel) = consuming();
        broker.says(1, say::cancel("c", nowait));
        if !nowait {
            broker.hears(1, say::cancel_ok("c"));
        }
        broker.hears_nothing();
        assert_eq!(broker.events(), [Event::Cancelled(channel, "c".to_owned())]);
        broker.again();
        broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
        broker.hears_nothing();
        assert_eq!(broker.events(), [Event::Recovered]);
    }
}

#[test]
fn both_may_cancel_a_consumer_at_the_same_time() {
    let (mut broker, channel) = consuming();
    let ticket = broker.request(channel, Request::Cancel("c".to_owned()));
    broker.says(1, say::cancel("c", true));
    broker.says(1, say::cancel_ok("c"));
    assert_eq!(
        broker.events(),
        [Event::Cancelled(channel, "c".to_owned()), Event::Answered(ticket, Ok(Answer::Done))]
    );
}

#[test]
fn a_message_is_asked_for() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let [full, empty] = [(); 2].map(|()| broker.request(channel, ask::get("q")));
    broker.says_message(1, say::get_ok(1, 41), b"got");
    broker.says(1, say::get_empty());
    let answers = broker.answers();
    let [(first, Ok(Answer::Message(Some((delivery, left))))), (second, Ok(Answer::Message(None)))] =
        &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!((*first, *second, *left), (full, empty, 41));
    assert_eq!((delivery.body.as_slice(), delivery.consumer.as_str()), (&b"got"[..], ""));
    broker.hears_method(1);
    broker.hears_method(1);
    broker.session.ack(delivery.tag, false);
    broker.hears(1, say::ack(1, false));
}

/// It was asked for and is not answered, so it is under way.
#[test]
fn a_message_that_was_asked_for_and_has_half_come_is_asked_for_again() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::get("q"));
    broker.says(1, say::get_ok(1, 0));
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (60, 70));
    broker.says(1, say::get_empty());
    let answer = Answer::Message(None);
    assert_eq!(broker.events(), [Event::Recovered, Event::Answered(ticket, Ok(answer))]);
}

#[test]
fn a_message_that_was_asked_for_and_has_half_come_fails_with_its_channel() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::get("q"));
    broker.says(1, say::get_ok(1, 0));
    broker.says(1, say::channel_close(404, "NOT_FOUND", (0, 0)));
    let events = broker.events();
    let [Event::Answered(failed, Err(Failure::Channel(close))), Event::ChannelClosed(gone, _)] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*failed, *gone, close.code), (ticket, channel, 404));
}

#[test]
fn the_end_waits_for_a_message_that_was_asked_for() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::get("q"));
    assert_eq!(broker.hears_method(1), (60, 70));
    broker.says(1, say::get_ok(1, 0));
    broker.session.close();
    broker.hears_nothing();
    broker.says_bytes(&crate::broker::content(1, Default::default(), b"m", 100));
    broker.hears(0, say::close(200, "OK"));
    let answers = broker.answers();
    assert!(matches!(&answers[..], [(done, Ok(Answer::Message(Some(_))))] if *done == ticket));
}
