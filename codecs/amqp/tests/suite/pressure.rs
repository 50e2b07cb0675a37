//! Bounds: what is refused, what waits, and when there is room again.

use sandloop_amqp::{Answer, ChannelId, Event, Failure, Publish, Refusal, Request, Settings};

use crate::{
    ask,
    broker::{Broker, output},
    say,
};

/// What a message counts for besides its body.
const FRAMES: usize = 256;
/// Bytes of output above which messages wait.
const ENOUGH: usize = 64 * 1024;

/// With a channel with confirms, and a buffer of so many bytes.
fn with_buffer(buffer: usize) -> (Broker, ChannelId) {
    let mut broker = Broker::open_with(Settings { buffer, ..Settings::default() });
    let channel = broker.channel();
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    (broker, channel)
}

fn kilobyte() -> Publish {
    ask::publish(&[7; 1024 - FRAMES])
}

#[test]
fn messages_are_refused_when_the_buffer_is_full_and_there_is_word_when_it_is_not() {
    let (mut broker, channel) = with_buffer(10 * 1024);
    for sent in 1..=10 {
        broker.session.publish(channel, kilobyte()).unwrap();
        assert_eq!(broker.session.buffered(), sent * 1024);
    }
    let full = Err(Failure::Refused(Refusal::Full));
    assert_eq!(broker.session.publish(channel, kilobyte()), full);
    assert_eq!(broker.session.publish(channel, ask::publish(b"")), full);
    // That they were sent changes nothing: they may have to be sent again.
    output(&mut broker.session);
    assert_eq!(broker.session.publish(channel, kilobyte()), full);
    broker.says(1, say::ack(4, true));
    assert_eq!(broker.answers().len(), 4);
    broker.says(1, say::ack(5, false));
    let events = broker.events();
    assert!(matches!(events[..], [Event::Writable, Event::Answered(..)]), "{events:?}");
    assert_eq!(broker.session.buffered(), 5 * 1024);
    broker.says(1, say::ack(6, false));
    assert_eq!(broker.events().len(), 1, "said once");
    broker.session.publish(channel, kilobyte()).unwrap();
}

#[test]
fn one_message_always_fits() {
    let (mut broker, channel) = with_buffer(10);
    broker.session.publish(channel, ask::publish(&[7; 100_000])).unwrap();
    let full = Err(Failure::Refused(Refusal::Full));
    assert_eq!(broker.session.publish(channel, ask::publish(b"")), full);
    broker.says(1, say::ack(1, false));
    assert_eq!(broker.session.buffered(), 0);
    broker.session.publish(channel, ask::publish(&[7; 100_000])).unwrap();
}

#[test]
fn requests_are_refused_when_there_are_too_many_and_there_is_word_when_there_are_not() {
    let mut broker = Broker::open_with(Settings { requests: 4, ..Settings::default() });
    let channel = broker.channel();
    for _ in 0..4 {
        broker.request(channel, ask::get("q"));
    }
    let full = Err(Failure::Refused(Refusal::Full));
    assert_eq!(broker.session.request(channel, ask::get("q")), full);
    broker.says(1, say::get_empty());
    assert_eq!(broker.events().len(), 1);
    broker.says(1, say::get_empty());
    let events = broker.events();
    assert!(matches!(events[..], [Event::Answered(..), Event::Writable]), "{events:?}");
    broker.says(1, say::get_empty());
    assert_eq!(broker.events().len(), 1, "said once");
    broker.request(channel, ask::get("q"));
}

#[test]
fn messages_wait_where_they_are_counted_and_not_in_the_output() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let publish = ask::publish(&[7; 1024]);
    let mut count = 0;
    while broker.session.publish(channel, publish.clone()).is_ok() {
        count += 1;
    }
    let largest = ENOUGH + 1024 + FRAMES;
    assert!(broker.session.output().len() < largest);
    assert!(4 * 1024 * 1024 - largest < broker.session.buffered());
    // However little is taken at a time, all of them come, and no more than this is there at once.
    let mut answered = broker.answers().len();
    loop {
        let length = broker.session.output().len();
        assert!(length < largest, "{length}");
        if length == 0 {
            break;
        }
        broker.session.consume(length.min(9999));
        answered += broker.answers().len();
    }
    assert_eq!((answered, broker.session.buffered()), (count, 0));
}

#[test]
fn a_message_without_confirms_is_done_when_it_is_in_the_output() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let large = ask::publish(&[7; ENOUGH]);
    let first = broker.session.publish(channel, large.clone()).unwrap();
    let second = broker.session.publish(channel, large).unwrap();
    assert_eq!(broker.events(), [Event::Answered(first, Ok(Answer::Done))]);
    output(&mut broker.session);
    assert_eq!(broker.events(), [Event::Answered(second, Ok(Answer::Done))]);
}

#[test]
fn a_broker_that_reads_slowly_holds_messages_back_for_good() {
    let (mut broker, channel) = with_buffer(1024 * 1024);
    let mut refused = 0;
    for _ in 0..3000 {
        refused += usize::from(broker.session.publish(channel, kilobyte()).is_err());
    }
    assert_eq!(refused, 3000 - 1024);
    assert!(broker.session.output().len() < ENOUGH + 2 * 1024);
    assert_eq!(broker.session.buffered(), 1024 * 1024);
}
