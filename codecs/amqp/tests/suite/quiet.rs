//! A broker that wants no messages, and one that says nothing.

use amq_protocol::frame::AMQPFrame;
use sandloop_amqp::{ChannelId, Event, Settings};

use crate::{
    ask,
    broker::{Broker, bytes},
    say,
};

fn with_channel() -> (Broker, ChannelId) {
    let mut broker = Broker::open();
    let channel = broker.channel();
    (broker, channel)
}

#[test]
fn messages_wait_while_the_broker_is_blocked() {
    let (mut broker, channel) = with_channel();
    let other = broker.channel();
    broker.says(0, say::blocked("low on memory"));
    assert_eq!(broker.events(), [Event::Blocked("low on memory".to_owned())]);
    assert!(broker.session.is_blocked());
    broker.session.publish(channel, ask::publish(b"held")).unwrap();
    broker.request(channel, ask::queue("behind"));
    // Requests of others go on.
    broker.request(other, ask::queue("q"));
    assert_eq!(broker.hears_method(2), (50, 10));
    broker.hears_nothing();
    assert!(broker.events().is_empty());
    broker.says(0, say::unblocked());
    broker.hears_message(1, say::publish("x", "k", false), b"held");
    assert_eq!(broker.hears_method(1), (50, 10));
    assert_eq!(broker.events()[0], Event::Unblocked);
    assert!(!broker.session.is_blocked());
}

#[test]
fn a_new_connection_is_not_blocked() {
    let (mut broker, channel) = with_channel();
    broker.says(0, say::blocked("disk"));
    broker.session.publish(channel, ask::publish(b"held")).unwrap();
    broker.events();
    broker.breaks();
    assert_eq!(broker.events(), [Event::Unblocked]);
    broker.connect();
    broker.greet();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    broker.hears_message(1, say::publish("x", "k", false), b"held");
}

#[test]
fn unblocked_without_blocked_means_nothing() {
    let (mut broker, _) = with_channel();
    broker.says(0, say::unblocked());
    broker.hears_nothing();
    assert!(broker.events().is_empty());
}

#[test]
fn a_channel_stops_its_messages_when_the_broker_says_so() {
    let (mut broker, channel) = with_channel();
    let other = broker.channel();
    broker.says(1, say::flow(false));
    broker.hears(1, say::flow_ok(false));
    broker.session.publish(channel, ask::publish(b"held")).unwrap();
    broker.session.publish(other, ask::publish(b"free")).unwrap();
    broker.hears_message(2, say::publish("x", "k", false), b"free");
    broker.hears_nothing();
    broker.says(1, say::flow(true));
    broker.hears(1, say::flow_ok(true));
    broker.hears_message(1, say::publish("x", "k", false), b"held");
}

#[test]
fn messages_flow_on_a_new_connection() {
    let (mut broker, channel) = with_channel();
    broker.says(1, say::flow(false));
    broker.session.publish(channel, ask::publish(b"held")).unwrap();
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    broker.hears_message(1, say::publish("x", "k", false), b"held");
}

#[test]
fn a_word_is_said_at_each_beat_without_one() {
    let (mut broker, channel) = with_channel();
    broker.says_bytes(&bytes(&AMQPFrame::Heartbeat(0)));
    broker.session.beat();
    broker.hears_nothing();
    broker.session.beat();
    assert_eq!(broker.frame(), AMQPFrame::Heartbeat(0));
    // Having said that, and then something else, there is no need.
    broker.request(channel, ask::queue("q"));
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.session.beat();
    broker.hears_nothing();
}

#[test]
fn output_that_nobody_takes_is_not_said() {
    let (mut broker, channel) = with_channel();
    broker.session.beat();
    broker.request(channel, ask::queue("q"));
    broker.session.beat();
    assert_eq!(broker.hears_method(1), (50, 10));
    assert_eq!(broker.frame(), AMQPFrame::Heartbeat(0));
}

/// So many beats, and what the last of them comes to.
fn beats(broker: &mut Broker, count: usize) -> Vec<Event> {
    for _ in 1..count {
        broker.session.beat();
        assert!(broker.events().is_empty());
    }
    broker.session.beat();
    broker.events()
}

#[test]
fn two_silent_heartbeats_end_a_connection() {
    let (mut broker, channel) = with_channel();
    broker.session.beat();
    broker.says_bytes(&[8]);
    // A part of a frame is a sign of life too.
    let lost = [Event::Disconnect("the broker has said nothing for two heartbeats".to_owned())];
    assert_eq!(beats(&mut broker, 5), lost);
    // What is said by a connection that is given up does not matter, nor what time it is.
    broker.says(1, say::queue_bind_ok());
    assert!(beats(&mut broker, 9).is_empty());
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.events(), [Event::Recovered]);
    assert!(broker.session.has_channel(channel));
}

#[test]
fn a_broker_that_does_not_answer_the_end_is_given_up() {
    let (mut broker, _) = with_channel();
    broker.session.close();
    broker.hears(0, say::close(200, "OK"));
    let events = beats(&mut broker, 5);
    assert!(matches!(events[..], [Event::Disconnect(_)]), "{events:?}");
    broker.hears_nothing();
    broker.breaks();
    assert_eq!(broker.events(), [Event::Closed(None)]);
}

#[test]
fn there_is_no_beat_without_a_connection() {
    let mut broker = Broker::new(Settings::default());
    assert!(beats(&mut broker, 9).is_empty());
    broker.hears_nothing();
    let mut broker = Broker::open();
    broker.breaks();
    assert!(beats(&mut broker, 9).is_empty());
    broker.hears_nothing();
}
