//! A broker that closes the connection for a fault, with recovery: what is under way goes on over the next one.

use sandloop_amqp::{Event, Failure, QueueName, Request, error::Close};

use crate::{ask, broker::Broker, say};

/// Closes the connection because of this method.
fn close_for(code: u16, (class_id, method_id): (u16, u16)) -> amq_protocol::protocol::AMQPClass {
    use amq_protocol::protocol::{AMQPClass, connection};
    AMQPClass::Connection(connection::AMQPMethod::Close(connection::Close {
        reply_code: code,
        reply_text: "FAULT".into(),
        class_id,
        method_id,
    }))
}

#[test]
fn a_connection_that_the_broker_closes_is_made_again() {
    for code in [320, 311, 402, 403, 501, 502, 503, 504, 505, 506, 530, 540, 541, 999] {
        let mut broker = Broker::open();
        let channel = broker.channel();
        let consume = ask::consume(&QueueName::new("q"), "c");
        broker.done((channel, 1), consume, say::consume_ok("c"));
        let ticket = broker.request(channel, ask::queue("a"));
        assert_eq!(broker.hears_method(1), (50, 10));
        broker.says(0, say::close(code, "FAULT"));
        broker.hears(0, say::close_ok());
        broker.hears_nothing();
        assert_eq!(broker.events(), [Event::Disconnect(format!("{code} FAULT"))]);
        assert!(broker.session.is_faulty());
        broker.again();
        broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
        assert_eq!(broker.hears_method(1), (60, 20));
        broker.says(1, say::consume_ok("c"));
        assert_eq!(broker.hears_method(1), (50, 10));
        broker.says(1, say::queue_declare_ok("a", 0, 0));
        let events = broker.events();
        assert!(
            matches!(&events[..], [Event::Recovered, Event::Answered(done, Ok(_))] if *done == ticket),
            "{code} {events:?}"
        );
    }
}

#[test]
fn a_first_connection_is_made_again_unless_nobody_is_known() {
    for (code, is_final) in
        [(320, false), (402, true), (403, true), (504, false), (530, true), (541, false)]
    {
        let mut broker = Broker::new(sandloop_amqp::Settings::default());
        broker.connect();
        broker.says(0, say::start("PLAIN"));
        broker.says(0, say::tune(0, 0, 0));
        broker.says(0, say::close(code, "FAULT"));
        let events = broker.events();
        if is_final {
            assert!(matches!(events[..], [Event::Closed(Some(_))]), "{code} {events:?}");
        } else {
            assert_eq!(events, [Event::Disconnect(format!("{code} FAULT"))]);
            broker.again();
            assert_eq!(broker.events(), [Event::Opened]);
        }
    }
}

#[test]
fn an_error_page_of_a_proxy_is_no_end() {
    for page in
        [&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], b"SSH-2.0-x", b"\x15\x03\x01", b"<"]
    {
        let mut broker = Broker::new(sandloop_amqp::Settings::default());
        broker.connect();
        broker.says_bytes(page);
        // The other side may not even speak AMQP.
        broker.hears_nothing();
        assert!(matches!(broker.events()[..], [Event::Disconnect(_)]));
        assert!(broker.session.is_faulty());
        broker.again();
        assert_eq!(broker.events(), [Event::Opened]);
    }
}

#[test]
fn a_request_that_the_connection_is_closed_for_is_not_repeated() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let other = broker.request(channel, ask::queue("a"));
    let recover = broker.request(channel, Request::Recover { requeue: false });
    assert_eq!(broker.hears_method(1), (50, 10));
    assert_eq!(broker.hears_method(1), (60, 110));
    broker.says(0, close_for(541, (60, 110)));
    broker.hears(0, say::close_ok());
    let close = Close { code: 541, text: "FAULT".to_owned(), class: 60, method: 110 };
    assert_eq!(
        broker.events(),
        [
            Event::Answered(recover, Err(Failure::Connection(close))),
            Event::Disconnect("541 FAULT".to_owned())
        ]
    );
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.says(1, say::queue_declare_ok("a", 0, 0));
    broker.hears_nothing();
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Recovered, Event::Answered(done, Ok(_))] if *done == other),
        "{events:?}"
    );
}

#[test]
fn what_no_broker_does_is_an_error_of_the_plugin() {
    for code in [502, 503, 530, 540] {
        let mut broker = Broker::open();
        let channel = broker.channel();
        let recover = broker.request(channel, Request::Recover { requeue: false });
        assert_eq!(broker.hears_method(1), (60, 110));
        broker.says(0, close_for(code, (60, 110)));
        broker.hears(0, say::close_ok());
        let close = Close { code, text: "FAULT".to_owned(), class: 60, method: 110 };
        let failure = Failure::Connection(close);
        assert_eq!(
            broker.events(),
            [Event::Answered(recover, Err(failure.clone())), Event::Closed(Some(failure))]
        );
    }
}

#[test]
fn a_consumer_that_the_connection_is_closed_for_is_told_and_not_begun_again() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    assert_eq!(broker.hears_method(1), (60, 20));
    broker.says(0, close_for(530, (60, 20)));
    broker.hears(0, say::close_ok());
    assert_eq!(
        broker.events(),
        [Event::Cancelled(channel, "c".to_owned()), Event::Disconnect("530 FAULT".to_owned())]
    );
    broker.again();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    broker.hears_nothing();
    assert_eq!(broker.events(), [Event::Recovered]);
}
