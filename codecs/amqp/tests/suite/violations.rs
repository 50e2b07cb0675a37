//! Everything that no broker may do, and the code with which the connection is closed for it.

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, BasicProperties, connection},
};
use sandloop_amqp::{Event, Failure, QueueName, Request, Settings};

use crate::{
    ask,
    broker::{Broker, content, method},
    say,
};

/// With frames of at most 4096 bytes and messages of at most 1000. Channel 1 has confirms and a consumer `c`, channel
/// 2 was closed, channel 3 has transactions.
fn broker() -> Broker {
    broker_with(false)
}

fn broker_with(recovery: bool) -> Broker {
    let mut broker = Broker::open_with(Settings {
        frame_max: 4096,
        message_max: 1000,
        recovery,
        ..Settings::default()
    });
    let channels = [(); 3].map(|()| broker.channel());
    broker.done((channels[0], 1), Request::Confirm, say::confirm_select_ok());
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channels[0], 1), consume, say::consume_ok("c"));
    broker.says(2, say::channel_close(404, "NOT_FOUND", (0, 0)));
    broker.hears(2, say::channel_close_ok());
    broker.events();
    broker.done((channels[2], 3), Request::SelectTx, say::tx_select_ok());
    broker
}

/// Says this, after which the connection must be closed with `code`, and everything fail with it. The words.
#[track_caller]
fn check_after(mut broker: Broker, bytes: &[u8], code: u16) -> String {
    let channel = broker.session.open_channel().unwrap();
    let ticket = broker.request(channel, ask::queue("waits"));
    broker.hears(2, say::channel_open());
    broker.says_bytes(bytes);
    let frame = broker.frame();
    let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close))) = frame
    else {
        panic!("{frame:?}");
    };
    assert_eq!(close.reply_code, code, "{}", close.reply_text);
    broker.hears_nothing();
    let events = broker.events();
    let [.., Event::Answered(failed, Err(one)), Event::Closed(Some(other))] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((failed, one), (&ticket, other));
    let Failure::Protocol(told) = other else { panic!("{other:?}") };
    assert_eq!((told.code, told.text.as_str()), (code, close.reply_text.as_str()));
    assert!(!told.text.is_empty());
    // Nothing that follows matters.
    broker.says(1, say::queue_bind_ok());
    broker.says_bytes(&[0xFF; 100]);
    broker.hears_nothing();
    assert!(broker.events().is_empty() && broker.session.is_over());
    told.text.clone()
}

#[track_caller]
fn check(bytes: &[u8], code: u16) {
    let text = check_after(broker(), bytes, code);
    check_again(bytes, code, &text);
}

/// With recovery the connection is closed for the same reason, and nothing has failed: another one does everything.
#[track_caller]
fn check_again(bytes: &[u8], code: u16, text: &str) {
    let mut broker = broker_with(true);
    let channel = broker.session.open_channel().unwrap();
    let ticket = broker.request(channel, ask::queue("waits"));
    broker.hears(2, say::channel_open());
    broker.says_bytes(bytes);
    if bytes.starts_with(b"A") {
        // Another version of the protocol is no accident.
        assert!(matches!(broker.events()[..], [.., Event::Closed(Some(Failure::Protocol(_)))]));
        return;
    }
    broker.hears(0, say::close(code, text));
    let reason = format!("the broker broke the protocol: {code} {text}");
    assert_eq!(broker.events().last(), Some(&Event::Disconnect(reason)));
    assert!(broker.session.is_faulty() && !broker.session.is_over());
    // Nothing that follows matters.
    broker.says_bytes(&[0xFF; 100]);
    broker.hears_nothing();
    broker.breaks();
    assert!(broker.session.is_idle());
    broker.connect();
    broker.greet();
    assert!(!broker.session.is_faulty());
    for number in [1, 3, 2] {
        broker.hears(number, say::channel_open());
    }
    for number in [1, 3, 2] {
        broker.says(number, say::channel_open_ok());
    }
    assert_eq!(broker.hears_method(1), (85, 10), "confirms");
    assert_eq!(broker.hears_method(3), (90, 10), "transactions");
    broker.says(1, say::confirm_select_ok());
    broker.says(3, say::tx_select_ok());
    assert_eq!(broker.hears_method(1), (60, 20), "the consumer");
    broker.says(1, say::consume_ok("c"));
    assert_eq!(broker.hears_method(2), (50, 10), "what waited");
    broker.says(2, say::queue_declare_ok("waits", 0, 0));
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Recovered, Event::Answered(done, Ok(_))] if *done == ticket),
        "{events:?}"
    );
}

/// A frame of any type.
pub fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, 0, channel];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame.push(206);
    frame
}

/// The payload of a frame.
pub fn payload(mut frame: Vec<u8>) -> Vec<u8> {
    frame.pop();
    frame.split_off(7)
}

/// `basic.deliver` to the consumer `c`, and what comes after it.
fn delivery(rest: &[u8]) -> Vec<u8> {
    [method(1, say::deliver("c", 1)), rest.to_vec()].concat()
}

#[test]
fn bytes_that_are_no_frame() {
    let good = method(1, say::queue_bind_ok());
    let mut wrong_end = good.clone();
    *wrong_end.last_mut().unwrap() = 205;
    check(&wrong_end, 501);
    let mut shifted = good;
    shifted.insert(7, 0);
    check(&shifted, 501);
    for kind in [0, 4, 5, 6, 7, 9, 255] {
        check(&frame(kind, 1, b""), 501);
        check(&[kind], 501);
    }
    check(b"AMQP\0\0\x09\x01", 501);
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", 501);
}

#[test]
fn frames_that_are_larger_than_agreed_on() {
    // 4096 bytes in all fit: this is refused for what is in it.
    check(&frame(3, 1, &[0; 4088]), 505);
    check(&frame(3, 1, &[0; 4089]), 501);
    check(&[3, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF], 501);
    check(&[1, 0, 0, 0x7F, 0, 0, 0], 501);
}

#[test]
fn heartbeats_that_are_more_than_that() {
    check(&frame(8, 1, b""), 501);
    check(&frame(8, 0, b"x"), 501);
}

#[test]
fn methods_that_nobody_knows() {
    check(&frame(1, 1, b""), 502);
    check(&frame(1, 1, b"\0\x3c"), 502);
    check(&frame(1, 1, b"\0\x63\0\x0a"), 502);
    check(&frame(1, 1, b"\0\x3c\0\x63"), 502);
    check(&frame(1, 0, b"\0\x0a\0\x63"), 502);
}

#[test]
fn arguments_that_are_cut_or_too_many() {
    let methods = [
        (0, say::start("PLAIN")),
        (0, say::tune(1, 1, 1)),
        (0, say::close(320, "CONNECTION_FORCED")),
        (0, say::blocked("memory")),
        (1, say::channel_close(404, "NOT_FOUND", (50, 10))),
        (1, say::flow(true)),
        (1, say::queue_declare_ok("q", 1, 2)),
        (1, say::queue_delete_ok(1)),
        (1, say::consume_ok("c")),
        (1, say::cancel("c", true)),
        (1, say::returned("x", "k")),
        (1, say::deliver("c", 1)),
        (1, say::get_ok(1, 2)),
        (1, say::ack(1, false)),
        (1, say::nack(1, false, false)),
    ];
    for (channel, class) in methods {
        let whole = payload(method(u16::from(channel), class));
        for cut in 4..whole.len() {
            check(&frame(1, channel, &whole[..cut]), 502);
        }
        check(&frame(1, channel, &[&whole[..], b"x"].concat()), 502);
    }
}

#[test]
fn methods_that_a_client_says() {
    for class in [say::open("/"), say::tune_ok(0, 0, 0)] {
        check(&method(0, class), 503);
    }
    for class in [say::channel_open(), say::publish("x", "k", false), say::reject(1, true)] {
        check(&method(1, class), 503);
    }
}

#[test]
fn methods_that_make_no_sense_now() {
    for class in
        [say::start("PLAIN"), say::tune(0, 0, 0), say::secure(), say::open_ok(), say::close_ok()]
    {
        check(&method(0, class), 503);
    }
    let unasked = [
        say::channel_open_ok(),
        say::channel_close_ok(),
        say::flow_ok(true),
        say::exchange_declare_ok(),
        say::exchange_delete_ok(),
        say::exchange_bind_ok(),
        say::exchange_unbind_ok(),
        say::queue_declare_ok("q", 0, 0),
        say::queue_delete_ok(0),
        say::queue_purge_ok(0),
        say::queue_bind_ok(),
        say::queue_unbind_ok(),
        say::qos_ok(),
        say::consume_ok("c"),
        say::cancel_ok("c"),
        say::get_ok(1, 0),
        say::get_empty(),
        say::recover_ok(),
        say::confirm_select_ok(),
        say::tx_select_ok(),
        say::commit_ok(),
        say::rollback_ok(),
    ];
    for class in unasked {
        check(&method(1, class), 503);
    }
}

#[test]
fn methods_on_the_wrong_channel() {
    // About the connection, on a channel.
    check(&method(1, say::close(320, "shutdown")), 503);
    check(&method(1, say::blocked("memory")), 503);
    // About a channel, on the connection.
    check(&method(0, say::queue_bind_ok()), 504);
    check(&method(0, say::channel_close(404, "NOT_FOUND", (0, 0))), 504);
    check(&content(0, BasicProperties::default(), b"m", 10), 504);
    // A channel that was closed, and is being opened again.
    check(&method(2, say::queue_bind_ok()), 503);
    check(&method(2, say::deliver("c", 1)), 503);
    // One that never was.
    for class in [say::deliver("c", 1), say::channel_close_ok(), say::close(320, "shutdown")] {
        check(&method(4, class), 504);
    }
    check(&content(4, BasicProperties::default(), b"m", 10), 504);
    check(&frame(3, 4, b"m"), 504);
}

#[test]
fn a_method_on_a_closed_channel() {
    let closed = |broker: &mut Broker| {
        broker.says(1, say::channel_close(404, "NOT_FOUND", (0, 0)));
        broker.hears(1, say::channel_close_ok());
        broker.events();
    };
    let after = |bytes: &[u8]| {
        // Number 2 is the one that is taken again, so that number 1 stays closed.
        let mut broker = broker();
        let other = broker.channel();
        closed(&mut broker);
        let again = broker.session.open_channel().unwrap();
        broker.hears(1, say::channel_open());
        broker.request(again, Request::Close);
        broker.says(1, say::channel_open_ok());
        assert_eq!(broker.hears_method(1), (20, 40));
        broker.says(1, say::channel_close_ok());
        assert!(broker.session.has_channel(other) && !broker.session.has_channel(again));
        broker.events();
        broker.says_bytes(bytes);
        let events = broker.events();
        let [Event::Closed(Some(Failure::Protocol(close)))] = &events[..] else {
            panic!("{events:?}");
        };
        broker.hears(0, say::close(504, &close.text));
        assert_eq!(close.text, "channel 1 is not open");
    };
    after(&method(1, say::deliver("c", 1)));
    after(&method(1, say::channel_close_ok()));
    after(&method(1, say::ack(1, false)));
    after(&content(1, BasicProperties::default(), b"m", 10));
    after(&frame(3, 1, b"m"));
}

#[test]
fn content_out_of_its_order() {
    let whole = content(1, BasicProperties::default(), b"m", 10);
    let (head, body) = whole.split_at(whole.len() - 9);
    check(head, 505);
    check(body, 505);
    check(&delivery(body), 505);
    check(&delivery(&[head, head].concat()), 505);
    check(&delivery(&method(1, say::deliver("c", 2))), 505);
    check(&delivery(&method(1, say::ack(1, false))), 505);
    check(&delivery(&[head, &method(1, say::flow(false))].concat()), 505);
    // After a message that is whole, or empty, none follows.
    check(&delivery(&[head, body, body].concat()), 505);
    let empty = content(1, BasicProperties::default(), b"", 10);
    check(&delivery(&[&empty[..], &frame(3, 1, b"")].concat()), 505);
}

#[test]
fn a_body_that_is_longer_than_its_header_says() {
    let whole = content(1, BasicProperties::default(), b"ten bytes!", 10);
    let head = &whole[..whole.len() - 18];
    check(&delivery(&[head, &frame(3, 1, b"eleven byte")].concat()), 501);
    let pieces = [frame(3, 1, b"ten byte"), frame(3, 1, b"s!!")].concat();
    check(&delivery(&[head, &pieces].concat()), 501);
}

#[test]
fn a_header_that_is_cut() {
    for cut in 0..14 {
        check(&delivery(&frame(2, 1, &b"\0\x3c\0\0\0\0\0\0\0\0\0\x01\0\0"[..cut])), 502);
    }
}

#[test]
fn a_header_of_another_class() {
    check(&delivery(&frame(2, 1, b"\0\x32\0\0\0\0\0\0\0\0\0\0\0\0")), 501);
}

/// Tables in tables, so deep.
pub fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(b"\0\0\0\0".to_vec(), |inner, _| {
        let length = (inner.len() + 3) as u32;
        [&length.to_be_bytes()[..], b"\x01tF", &inner].concat()
    })
}

/// The methods with tables that only clients send are not even looked at: that would take the stack along.
#[test]
fn tables_that_nest_without_end_where_no_broker_has_any() {
    let large = || Broker::open_with(Settings::default());
    let table = nested(18_000);
    for (method, before) in [
        (&b"\0\x0a\0\x0b"[..], &b""[..]),
        (b"\0\x28\0\x0a", b"\0\0\x01x\x01k\0"),
        (b"\0\x28\0\x1e", b"\0\0\x01x\x01x\x01k\0"),
        (b"\0\x28\0\x28", b"\0\0\x01x\x01x\x01k\0"),
        (b"\0\x32\0\x0a", b"\0\0\x01q\0"),
        (b"\0\x32\0\x14", b"\0\0\x01q\x01x\x01k\0"),
        (b"\0\x32\0\x32", b"\0\0\x01q\x01x\x01k"),
        (b"\0\x3c\0\x14", b"\0\0\x01q\x01c\0"),
    ] {
        let mut broker = large();
        broker.channel();
        let channel = u8::from(method[1] != 10);
        broker.says_bytes(&frame(1, channel, &[method, before, &table].concat()));
        broker.hears(0, say::close(503, "a method that only clients send"));
    }
    let mut broker = Broker::new(Settings { recovery: false, ..Settings::default() });
    broker.connect();
    broker.says_bytes(&frame(1, 0, &[&b"\0\x0a\0\x0a\0\x09"[..], &table].concat()));
    broker.hears_nothing();
    let events = broker.events();
    let [Event::Closed(Some(Failure::Protocol(close)))] = &events[..] else { panic!("{events:?}") };
    assert_eq!(close.code, 502);
}

#[test]
fn messages_and_confirms_that_nobody_asked_for() {
    let text = check_after(broker(), &method(1, say::deliver("d", 1)), 503);
    assert_eq!(text, "a message for the consumer d, which is not there");
    let text = check_after(broker(), &method(3, say::deliver("c", 1)), 503);
    assert_eq!(text, "a message for the consumer c, which is not there");
    check(&method(1, say::ack(1, false)), 503);
    check(&method(1, say::ack(0, false)), 503);
    check(&method(1, say::nack(9, true, false)), 503);
    let text = check_after(broker(), &method(3, say::ack(1, false)), 503);
    assert_eq!(text, "a confirm on a channel without confirms");
    // Twice the answer to one question.
    let mut broker = broker();
    let channel = broker.channel();
    broker.done((channel, 2), ask::get("q"), say::get_empty());
    broker.says(2, say::get_empty());
    broker.hears(0, say::close(503, "method 60.72 answers nothing that was asked"));
}

/// The words of a broker may be as long as the specification allows, and ours with them are cut.
#[test]
fn words_that_are_too_long_are_cut() {
    let tag = "\u{e9}".repeat(127);
    let text = check_text(&tag);
    assert!(text.starts_with("a message for the consumer \u{e9}\u{e9}"), "{text}");
    assert_eq!(text.len(), 255);
}

fn check_text(tag: &str) -> String {
    let mut broker = broker();
    broker.says(1, say::deliver(tag, 1));
    let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close))) =
        broker.frame()
    else {
        panic!("not closed");
    };
    close.reply_text.to_string()
}
