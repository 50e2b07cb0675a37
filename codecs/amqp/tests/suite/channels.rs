//! Channels: how many there are, how one fails, and how one ends.

use amq_protocol::protocol::AMQPClass;
use sandloop_amqp::{Answer, Event, Failure, QueueName, Refusal, Request, Settings, error::Close};

use crate::{ask, broker::Broker, say};

const NOT_FOUND: &str = "NOT_FOUND - no queue 'q' in vhost '/'";

/// That close, about `basic.get`.
fn not_found() -> AMQPClass {
    say::channel_close(404, NOT_FOUND, (60, 70))
}

fn failure() -> Failure {
    Failure::Channel(Close { code: 404, text: NOT_FOUND.to_owned(), class: 60, method: 70 })
}

#[test]
fn everything_under_way_fails_with_its_channel_in_order_and_others_go_on() {
    let mut broker = Broker::open();
    let (channel, other) = (broker.channel(), broker.channel());
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    let elsewhere = broker.request(other, ask::queue("elsewhere"));
    let first = broker.request(channel, ask::get("q"));
    let second = broker.session.publish(channel, ask::publish(b"sent")).unwrap();
    let third = broker.request(channel, ask::queue("sent"));
    broker.says(0, say::blocked("memory"));
    let fourth = broker.session.publish(channel, ask::publish(b"waits")).unwrap();
    let fifth = broker.request(channel, ask::queue("waits"));
    broker.events();
    broker.says(1, not_found());
    let failed = [first, second, third, fourth, fifth]
        .map(|ticket| Event::Answered(ticket, Err(failure())))
        .to_vec();
    let closed = Event::ChannelClosed(channel, failure());
    assert_eq!(broker.events(), [failed, vec![closed]].concat());
    assert_eq!(failure().reply().map(|close| close.code), Some(404));
    assert_eq!(broker.session.buffered(), 0);
    assert!(!broker.session.has_channel(channel));
    assert_eq!(broker.session.request(channel, ask::queue("q")), Err(Failure::Closed));
    assert_eq!(broker.session.publish(channel, ask::publish(b"")), Err(Failure::Closed));
    broker.says(2, say::queue_declare_ok("elsewhere", 0, 0));
    let answers = broker.answers();
    assert!(matches!(&answers[..], [(ticket, Ok(_))] if *ticket == elsewhere));
}

#[test]
fn a_broker_is_told_that_its_close_was_heard() {
    let mut broker = Broker::open();
    broker.channel();
    broker.says(1, not_found());
    broker.hears(1, say::channel_close_ok());
    broker.hears_nothing();
}

#[test]
fn a_channel_that_fails_in_the_midst_of_a_message_gives_nothing_of_it() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    broker.says(1, say::deliver("c", 1));
    broker.says(1, not_found());
    assert_eq!(broker.events(), [Event::ChannelClosed(channel, failure())]);
}

#[test]
fn a_channel_that_is_not_let_open_fails() {
    let mut broker = Broker::open();
    let channel = broker.session.open_channel().unwrap();
    let ticket = broker.request(channel, ask::queue("q"));
    broker.hears(1, say::channel_open());
    broker.says(1, not_found());
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(failure())), Event::ChannelClosed(channel, failure())]
    );
}

#[test]
fn a_channel_closes_after_everything_that_was_asked_for_before() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let q = QueueName::new("q");
    let consumed = broker.request(channel, ask::consume(&q, "c"));
    let closed = broker.request(channel, Request::Close);
    let late = broker.request(channel, ask::queue("late"));
    assert_eq!(broker.hears_method(1), (60, 20));
    // A broker that is told to close leaves open what it has not answered.
    broker.hears_nothing();
    broker.says(1, say::consume_ok("c"));
    assert_eq!(broker.hears_method(1), (20, 40));
    broker.says(1, say::channel_close_ok());
    broker.hears_nothing();
    let done = |ticket| Event::Answered(ticket, Ok(Answer::Done));
    assert_eq!(
        broker.events(),
        [
            done(consumed),
            done(closed),
            Event::Answered(late, Err(Failure::Closed)),
            Event::ChannelClosed(channel, Failure::Closed)
        ]
    );
}

#[test]
fn messages_still_come_until_a_channel_is_closed() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    broker.request(channel, Request::Close);
    broker.says_message(1, say::deliver("c", 1), b"late");
    assert!(matches!(broker.events()[..], [Event::Delivered(..)]));
}

/// It may know the channel no more, so an answer would be about none.
#[test]
fn a_broker_is_not_answered_after_the_last_word_on_a_channel() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    broker.request(channel, Request::Close);
    assert_eq!(broker.hears_method(1), (20, 40));
    broker.says(1, say::flow(false));
    broker.says(1, say::cancel("c", false));
    broker.hears_nothing();
    assert_eq!(broker.events(), [Event::Cancelled(channel, "c".to_owned())]);
}

#[test]
fn both_may_close_a_channel_at_the_same_time() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, Request::Close);
    assert_eq!(broker.hears_method(1), (20, 40));
    broker.says(1, not_found());
    broker.hears(1, say::channel_close_ok());
    assert!(broker.events().is_empty());
    broker.says(1, say::channel_close_ok());
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Ok(Answer::Done)), Event::ChannelClosed(channel, Failure::Closed)]
    );
    broker.hears_nothing();
}

#[test]
fn a_number_is_used_again_when_its_channel_is_gone() {
    let mut broker = Broker::open();
    let (one, two) = (broker.channel(), broker.channel());
    broker.request(one, Request::Close);
    // Not before the broker has answered.
    let three = broker.session.open_channel().unwrap();
    assert_eq!(broker.hears_method(1), (20, 40));
    broker.hears_and_says(3, say::channel_open(), say::channel_open_ok());
    broker.says(1, say::channel_close_ok());
    let four = broker.session.open_channel().unwrap();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    broker.says(2, not_found());
    broker.hears(2, say::channel_close_ok());
    let five = broker.session.open_channel().unwrap();
    broker.hears_and_says(2, say::channel_open(), say::channel_open_ok());
    let mut all = [one, two, three, four, five].to_vec();
    all.dedup();
    assert_eq!(all.len(), 5, "what names a channel is never used again");
    broker.request(five, ask::queue("q"));
    assert_eq!(broker.hears_method(2), (50, 10));
}

#[test]
fn there_are_as_many_channels_as_both_allow() {
    let mut broker = Broker::new(Settings::default());
    broker.connect();
    broker.greet_with(say::tune(2, 0, 0));
    let one = broker.channel();
    broker.channel();
    let refusal = Failure::Refused(Refusal::Channels(2));
    assert_eq!(broker.session.open_channel(), Err(refusal));
    broker.request(one, Request::Close);
    broker.hears_method(1);
    broker.says(1, say::channel_close_ok());
    broker.channel();
}

#[test]
fn channels_that_turn_out_to_be_too_many_fail() {
    let mut broker = Broker::new(Settings::default());
    let channels = [(); 3].map(|()| broker.session.open_channel().unwrap());
    let ticket = broker.request(channels[2], ask::queue("q"));
    broker.connect();
    broker.greet_with(say::tune(2, 0, 0));
    let refusal = Failure::Refused(Refusal::Channels(2));
    assert_eq!(
        broker.events(),
        [
            Event::Opened,
            Event::Answered(ticket, Err(refusal.clone())),
            Event::ChannelClosed(channels[2], refusal)
        ]
    );
    broker.hears(1, say::channel_open());
    broker.hears(2, say::channel_open());
    broker.hears_nothing();
}

#[test]
fn no_bound_on_channels_is_as_many_as_there_are_numbers() {
    let mut broker = Broker::new(Settings { channel_max: 0, ..Settings::default() });
    let waiting = broker.session.open_channel().unwrap();
    broker.connect();
    broker.greet_with(say::tune(0, 0, 0));
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert!(broker.session.has_channel(waiting));
    broker.channel();
}
