//! How a session ends: as the plugin wishes, as the broker wishes, and in between.

use sandloop_amqp::{Answer, Event, Failure, Settings, error::Close};

use crate::{ask, broker::Broker, say};

fn lost() -> Failure {
    Failure::Lost("it broke".to_owned())
}

fn connection(code: u16, text: &str) -> Failure {
    Failure::Connection(Close { code, text: text.to_owned(), class: 0, method: 0 })
}

#[test]
fn without_recovery_an_error_of_the_connection_ends_it_with_everything_under_way() {
    for (code, text) in [(504, "CHANNEL_ERROR"), (540, "NOT_IMPLEMENTED"), (541, "INTERNAL_ERROR")]
    {
        let settings = Settings { recovery: false, ..Settings::default() };
        let mut broker = Broker::open_with(settings);
        let (one, two) = (broker.channel(), broker.channel());
        let second = broker.request(two, ask::queue("b"));
        let first = broker.request(one, ask::queue("a"));
        let waits = broker.session.open_channel().unwrap();
        let third = broker.request(waits, ask::queue("c"));
        assert_eq!(broker.hears_method(2), (50, 10));
        assert_eq!(broker.hears_method(1), (50, 10));
        broker.hears(3, say::channel_open());
        broker.says(0, say::close(code, text));
        broker.hears(0, say::close_ok());
        broker.hears_nothing();
        let failure = connection(code, text);
        let answered = |ticket| Event::Answered(ticket, Err(failure.clone()));
        let closed = Event::Closed(Some(failure.clone()));
        assert_eq!(broker.events(), [answered(first), answered(second), answered(third), closed]);
        assert!(broker.session.is_over());
    }
}

#[test]
fn a_broker_that_stops_is_waited_for() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::queue("q"));
    assert_eq!(broker.hears_method(1), (50, 10));
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    broker.says(0, say::close(320, text));
    broker.hears(0, say::close_ok());
    assert_eq!(broker.events(), [Event::Disconnect(format!("320 {text}"))]);
    assert!(!broker.session.is_over() && !broker.session.is_idle());
    broker.breaks();
    assert!(broker.session.is_idle());
    broker.connect();
    broker.greet();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Recovered, Event::Answered(done, Ok(_))] if *done == ticket),
        "{events:?}"
    );
}

#[test]
fn without_recovery_a_lost_connection_is_the_end() {
    let settings = || Settings { recovery: false, ..Settings::default() };
    let mut broker = Broker::open_with(settings());
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::queue("q"));
    broker.breaks();
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(lost())), Event::Closed(Some(lost()))]
    );
    let mut broker = Broker::open_with(settings());
    broker.says(0, say::close(320, "shutdown"));
    broker.hears(0, say::close_ok());
    assert_eq!(broker.events(), [Event::Closed(Some(connection(320, "shutdown")))]);
    let mut broker = Broker::new(settings());
    broker.breaks();
    assert_eq!(broker.events(), [Event::Closed(Some(lost()))]);
}

#[test]
fn an_end_in_order_waits_for_what_is_under_way() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    broker.done((channel, 1), sandloop_amqp::Request::Confirm, say::confirm_select_ok());
    let declared = broker.request(channel, ask::queue("q"));
    let published = broker.session.publish(channel, ask::publish(b"m")).unwrap();
    broker.session.close();
    assert_eq!(broker.session.request(channel, ask::queue("q")), Err(Failure::Closed));
    assert_eq!(broker.session.publish(channel, ask::publish(b"")), Err(Failure::Closed));
    assert_eq!(broker.session.open_channel(), Err(Failure::Closed));
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.hears_message(1, say::publish("x", "k", false), b"m");
    broker.hears_nothing();
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    broker.hears_nothing();
    broker.says(1, say::ack(1, false));
    broker.hears(0, say::close(200, "OK"));
    let answered: Vec<_> = broker.answers().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(answered, [declared, published]);
    assert!(!broker.session.is_over());
    broker.says(0, say::close_ok());
    assert_eq!(broker.events(), [Event::Closed(None)]);
    assert!(broker.session.is_over());
}

#[test]
fn a_delivery_can_be_acknowledged_until_the_end() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&sandloop_amqp::QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    broker.says_message(1, say::deliver("c", 1), b"m");
    let events = broker.events();
    let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
    let ticket = broker.request(channel, ask::queue("q"));
    broker.session.close();
    broker.session.ack(delivery.tag, false);
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.hears(1, say::ack(1, false));
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    broker.hears(0, say::close(200, "OK"));
    broker.session.ack(delivery.tag, false);
    broker.hears_nothing();
    assert_eq!(broker.answers()[0].0, ticket);
}

#[test]
fn nothing_under_way_ends_at_once() {
    let mut broker = Broker::open();
    broker.channel();
    broker.session.close();
    broker.hears(0, say::close(200, "OK"));
    broker.session.close();
    broker.hears_nothing();
    broker.says(0, say::close_ok());
    assert_eq!(broker.events(), [Event::Closed(None)]);
    broker.session.close();
    broker.session.abort();
    broker.breaks();
    assert!(broker.events().is_empty(), "it ends once");
}

#[test]
fn what_was_asked_in_the_handshake_is_done_before_the_end() {
    let mut broker = Broker::new(Settings::default());
    let channel = broker.session.open_channel().unwrap();
    let ticket = broker.request(channel, ask::queue("q"));
    broker.connect();
    broker.session.close();
    assert!(broker.events().is_empty());
    broker.greet();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    broker.hears_and_says(0, say::close(200, "OK"), say::close_ok());
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Opened, Event::Answered(done, Ok(_)), Event::Closed(None)]
            if *done == ticket),
        "{events:?}"
    );
}

#[test]
fn an_end_without_a_connection_is_at_once() {
    let mut broker = Broker::new(Settings::default());
    let channel = broker.session.open_channel().unwrap();
    let ticket = broker.request(channel, ask::queue("q"));
    broker.session.close();
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(Failure::Closed)), Event::Closed(None)]
    );
    broker.session.connected();
    broker.hears_nothing();
    let mut broker = Broker::new(Settings::default());
    broker.connect();
    broker.session.close();
    assert_eq!(broker.events(), [Event::Closed(None)]);
}

#[test]
fn a_connection_that_is_lost_before_the_end_is_not_made_again() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::queue("q"));
    broker.session.close();
    broker.breaks();
    // That the plugin wished it to end does not make it done.
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(lost())), Event::Closed(Some(lost()))]
    );
    let mut broker = Broker::open();
    broker.session.close();
    broker.hears(0, say::close(200, "OK"));
    broker.breaks();
    assert_eq!(broker.events(), [Event::Closed(None)]);
}

#[test]
fn the_end_of_a_session_that_recovers_waits_for_the_recovery() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let declare = ask::exchange("x", "fanout");
    broker.done((channel, 1), declare, say::exchange_declare_ok());
    let ticket = broker.request(channel, ask::queue("q"));
    broker.again();
    broker.session.close();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (40, 10));
    broker.says(1, say::exchange_declare_ok());
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    broker.hears_and_says(0, say::close(200, "OK"), say::close_ok());
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Recovered, Event::Answered(done, Ok(_)), Event::Closed(None)]
            if *done == ticket),
        "{events:?}"
    );
}

#[test]
fn both_may_close_the_connection_at_the_same_time() {
    let mut broker = Broker::open();
    broker.session.close();
    broker.hears(0, say::close(200, "OK"));
    broker.says(0, say::close(320, "shutdown"));
    broker.hears(0, say::close_ok());
    assert_eq!(broker.events(), [Event::Closed(None)]);
    let mut broker = Broker::open();
    broker.session.close();
    broker.says(0, say::close(541, "INTERNAL_ERROR"));
    assert_eq!(broker.events(), [Event::Closed(Some(connection(541, "INTERNAL_ERROR")))]);
}

#[test]
fn what_comes_after_the_last_word_does_not_matter() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    broker.session.close();
    broker.hears(0, say::close(200, "OK"));
    broker.says(1, say::deliver("nobody", 1));
    broker.says(7, say::queue_bind_ok());
    broker.says(0, say::blocked("memory"));
    assert!(broker.events().is_empty());
    broker.says_bytes(b"\xff\xff\xff\xff");
    broker.hears_nothing();
    assert_eq!(broker.events(), [Event::Closed(None)]);
    assert!(!broker.session.has_channel(channel));
}

#[test]
fn an_end_now_fails_what_is_under_way_and_tells_the_broker() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let ticket = broker.request(channel, ask::queue("q"));
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.session.abort();
    broker.hears(0, say::close(200, "OK"));
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(Failure::Closed)), Event::Closed(None)]
    );
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    assert!(broker.events().is_empty());
    let mut broker = Broker::new(Settings::default());
    broker.connect();
    broker.session.abort();
    broker.hears_nothing();
    assert_eq!(broker.events(), [Event::Closed(None)]);
}

#[test]
fn a_session_is_open_when_it_says_so() {
    let mut broker = Broker::new(Settings::default());
    assert!(broker.session.is_idle() && !broker.session.is_open());
    broker.connect();
    assert!(!broker.session.is_idle() && !broker.session.is_open());
    broker.greet();
    assert!(broker.session.is_open());
    let channel = broker.channel();
    broker.again();
    assert!(!broker.session.is_open(), "it recovers");
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert!(broker.session.is_open() && broker.session.has_channel(channel));
    let ticket = broker.request(channel, ask::get("q"));
    broker.says(1, say::get_empty());
    assert_eq!(broker.answers(), [(ticket, Ok(Answer::Message(None)))]);
}
