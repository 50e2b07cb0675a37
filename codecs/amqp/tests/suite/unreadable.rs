//! Messages as publishers write them: texts that are not UTF-8, headers that cannot be read. A broker hands them on,
//! and the session goes on.

use sandloop_amqp::{Answer, ChannelId, Event, Failure, QueueName, Request, Settings, Value};

use crate::{
    ask,
    broker::{Broker, content, method},
    recorded::properties,
    say,
    violations::{frame, nested, payload},
};

/// Flags of the properties, in their order.
const FLAGS: [(&str, u16); 13] = [
    ("content-type", 1 << 15),
    ("content-encoding", 1 << 14),
    ("headers", 1 << 13),
    ("delivery-mode", 1 << 12),
    ("priority", 1 << 11),
    ("correlation-id", 1 << 10),
    ("reply-to", 1 << 9),
    ("expiration", 1 << 8),
    ("message-id", 1 << 7),
    ("timestamp", 1 << 6),
    ("type", 1 << 5),
    ("user-id", 1 << 4),
    ("app-id", 1 << 3),
];

const HEADERS: u16 = 1 << 13;

/// Bytes that are not UTF-8, as people publish them.
const WILD: [&[u8]; 6] =
    [b"\x9c\x80\xff\x01", b"\xff", b"caf\xe9", b"\xc3(", b"\xed\xa0\x80", &[0xFF; 255]];

/// Channel 1 has the consumer `c`, which acknowledges, and `n`, which does not.
fn broker() -> (Broker, ChannelId) {
    let mut broker = Broker::open_with(Settings { message_max: 1000, ..Settings::default() });
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    let consume = match ask::consume(&QueueName::new("q"), "n") {
        Request::Consume(consumer) => {
            Request::Consume(sandloop_amqp::request::Consumer { no_ack: true, ..consumer })
        }
        other => other,
    };
    broker.done((channel, 1), consume, say::consume_ok("n"));
    (broker, channel)
}

/// A header with a body of one byte, and the body.
fn message(flags: u16, properties: &[u8]) -> Vec<u8> {
    let header = [&b"\0\x3c\0\0\0\0\0\0\0\0\0\x01"[..], &flags.to_be_bytes(), properties].concat();
    [frame(2, 1, &header), frame(3, 1, b"m")].concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8][..], bytes].concat()
}

/// The session goes on: the next message arrives.
#[track_caller]
fn goes_on(broker: &mut Broker) {
    broker.hears_nothing();
    broker.says_message(1, say::deliver("c", 99), b"next");
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Delivered(_, delivery)] if delivery.body == b"next"),
        "{events:?}"
    );
}

#[test]
fn every_property_is_bytes() {
    for bytes in WILD {
        for (name, flag) in FLAGS {
            if ["headers", "delivery-mode", "priority", "timestamp"].contains(&name) {
                continue;
            }
            let (mut broker, channel) = broker();
            broker.says(1, say::deliver("c", 1));
            broker.says_bytes(&message(flag, &short(bytes)));
            let events = broker.events();
            let [Event::Delivered(of, delivery)] = &events[..] else { panic!("{events:?}") };
            assert_eq!((*of, delivery.body.as_slice()), (channel, &b"m"[..]));
            assert_eq!(delivery.undecoded.get(name), Some(bytes), "{name}");
            assert_eq!(delivery.undecoded.iter().count(), 1, "{name}");
            let expected = String::from_utf8_lossy(bytes);
            let fields = format!("{:?}", delivery.properties);
            assert!(fields.contains(&expected[..3]), "{name} {fields}");
            goes_on(&mut broker);
        }
    }
}

#[test]
fn names_of_exchanges_and_keys_and_consumers_are_bytes() {
    for bytes in WILD {
        let wild = short(bytes);
        // basic.deliver
        let (mut broker, channel) = broker();
        let deliver = [&b"\0\x3c\0\x3c\x01c\0\0\0\0\0\0\0\x01\0"[..], &wild, &wild].concat();
        broker.says_bytes(&[frame(1, 1, &deliver), message(0, b"")].concat());
        let events = broker.events();
        let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(delivery.undecoded.get("exchange"), Some(bytes));
        assert_eq!(delivery.undecoded.get("routing-key"), Some(bytes));
        assert!(
            delivery.exchange.contains('\u{fffd}') && delivery.routing_key.contains('\u{fffd}')
        );
        // basic.return
        let returned = [&b"\0\x3c\0\x32\x01\x38"[..], &wild, &wild, &wild].concat();
        broker.says_bytes(&[frame(1, 1, &returned), message(0, b"")].concat());
        let events = broker.events();
        let [Event::Returned(_, returned)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(returned.undecoded.get("routing-key"), Some(bytes));
        // basic.get-ok
        let ticket = broker.request(channel, ask::get("q"));
        assert_eq!(broker.hears_method(1), (60, 70));
        let got = [&b"\0\x3c\0\x47\0\0\0\0\0\0\0\x01\0"[..], &wild, &wild, &[0; 4]].concat();
        broker.says_bytes(&[frame(1, 1, &got), message(0, b"")].concat());
        let answers = broker.answers();
        let [(answered, Ok(Answer::Message(Some((delivery, 0)))))] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!((*answered, delivery.undecoded.get("routing-key")), (ticket, Some(bytes)));
        // basic.cancel of a consumer that is not there
        broker.says_bytes(&frame(1, 1, &[&b"\0\x3c\0\x1e"[..], &wild, b"\x01"].concat()));
        assert!(matches!(broker.events()[..], [Event::Cancelled(..)]));
        // connection.blocked
        broker.says_bytes(&frame(1, 0, &[&b"\0\x0a\0\x3c"[..], &wild].concat()));
        assert!(matches!(broker.events()[..], [Event::Blocked(_)]));
        goes_on(&mut broker);
        // channel.close
        let close = [&b"\0\x14\0\x28\x01\x94"[..], &wild, &[0; 4]].concat();
        broker.says_bytes(&frame(1, 1, &close));
        let events = broker.events();
        let [Event::ChannelClosed(_, Failure::Channel(close))] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(close.code, 404);
        // connection.close
        broker.hears(1, say::channel_close_ok());
        let close = [&b"\0\x0a\0\x32\x01\x40"[..], &wild, &[0; 4]].concat();
        broker.says_bytes(&frame(1, 0, &close));
        broker.hears(0, say::close_ok());
        assert!(matches!(broker.events()[..], [Event::Disconnect(_)]));
    }
}

#[test]
fn names_and_values_of_headers_are_bytes() {
    for bytes in WILD {
        let (mut broker, _) = broker();
        let long = [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
        let inner = [&short(bytes)[..], b"V"].concat();
        let inner = [&(inner.len() as u32).to_be_bytes()[..], &inner].concat();
        let table = [&short(bytes)[..], b"S", &long, b"\x01iF", &inner].concat();
        let table = [&(table.len() as u32).to_be_bytes()[..], &table].concat();
        broker.says(1, say::deliver("c", 1));
        broker.says_bytes(&message(HEADERS, &table));
        let events = broker.events();
        let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
        let headers = delivery.properties.headers.as_ref().unwrap();
        let name = String::from_utf8_lossy(bytes).chars().take(85).collect::<String>();
        assert_eq!(headers[&name], Value::Binary(bytes.to_vec()));
        assert!(matches!(&headers["i"], Value::Table(inner) if inner[&name] == Value::Void));
        goes_on(&mut broker);
    }
}

/// Frames behind the method that nobody can make a message of, and what is said of them.
fn unreadable() -> Vec<(Vec<u8>, &'static str)> {
    let mut all = vec![
        (message(HEADERS, b"\0\0\0\x04\x01nV"), "headers of a message that are cut"),
        (message(HEADERS, b"\0\0\0\x02\x01nV"), "headers of a message that are cut"),
        (message(HEADERS, b"\xff\xff\xff\xff\x01nV"), "headers of a message that are cut"),
        (message(HEADERS, b"\0\0\0\x02\x01n"), "headers of a message that are cut"),
        (
            message(HEADERS, b"\0\0\0\x0b\x01nF\0\0\0\x05\x01nV"),
            "headers of a message that are cut",
        ),
        (
            message(HEADERS, b"\0\0\0\x03\x01nz"),
            "headers of a message with a type that nobody knows",
        ),
        (
            message(HEADERS, b"\0\0\0\x03\x01n?"),
            "headers of a message with a type that nobody knows",
        ),
        (message(HEADERS, &nested(32)), "headers of a message that nest more than 32 levels deep"),
        (message(HEADERS, &nested(40)), "headers of a message that nest more than 32 levels deep"),
        (message(HEADERS, &nested(500)), "headers of a message that nest more than 32 levels deep"),
        (message(1, b""), "properties of a message with flags that nobody knows"),
        (message(2, b""), "properties of a message with flags that nobody knows"),
        (message(0, b"x"), "properties of a message that are longer than their flags say"),
        (content(1, properties(), &[7; 1001], 100), "a message of 1001 bytes, more than 1000"),
    ];
    let whole = payload(content(1, properties(), b"", 1));
    for cut in 14..whole.len() {
        all.push((frame(2, 1, &whole[..cut]), ""));
    }
    all
}

#[test]
fn what_cannot_be_read_is_rejected_and_told() {
    for (bytes, reason) in unreadable() {
        let (mut broker, channel) = broker();
        broker.says(1, say::deliver("c", 5));
        broker.says_bytes(&bytes);
        broker.hears(1, say::reject(5, false));
        let events = broker.events();
        let [Event::Unreadable(of, what)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*of, what.consumer.as_str()), (channel, "c"));
        assert_eq!((what.exchange.as_str(), what.routing_key.as_str()), ("x", "k"));
        assert!(what.reason.contains(reason) && !what.reason.is_empty(), "{what:?}");
        goes_on(&mut broker);
    }
}

#[test]
fn what_counts_as_acknowledged_is_only_told() {
    for (bytes, _) in unreadable() {
        let (mut broker, _) = broker();
        for method in [say::deliver("n", 5), say::returned("x", "k")] {
            broker.says(1, method);
            broker.says_bytes(&bytes);
            assert!(matches!(broker.events()[..], [Event::Unreadable(..)]));
        }
        goes_on(&mut broker);
    }
}

#[test]
fn what_was_asked_for_and_cannot_be_read_fails() {
    for (bytes, _) in unreadable() {
        for no_ack in [false, true] {
            let (mut broker, channel) = broker();
            let get = Request::Get { queue: QueueName::new("q"), no_ack };
            let ticket = broker.request(channel, get);
            assert_eq!(broker.hears_method(1), (60, 70));
            broker.says(1, say::get_ok(5, 0));
            broker.says_bytes(&bytes);
            if !no_ack {
                // It comes again only to whoever asks for it.
                broker.hears(1, say::reject(5, true));
            }
            let answers = broker.answers();
            assert!(
                matches!(&answers[..], [(failed, Err(Failure::Protocol(_)))] if *failed == ticket),
                "{answers:?}"
            );
            goes_on(&mut broker);
        }
    }
}

#[test]
fn a_message_may_be_as_large_as_the_bound() {
    let (mut broker, _) = broker();
    broker.says_message(1, say::deliver("c", 1), &[7; 1000]);
    assert!(matches!(broker.events()[..], [Event::Delivered(..)]));
    broker.says(1, say::deliver("c", 1));
    broker.says_bytes(&message(HEADERS, &nested(31)));
    assert!(matches!(broker.events()[..], [Event::Delivered(..)]));
    // What a header says of a size is not believed, and not waited for in memory.
    let endless = [&b"\0\x3c\0\0"[..], &u64::MAX.to_be_bytes(), b"\0\0"].concat();
    broker.says_bytes(&[method(1, say::deliver("c", 2)), frame(2, 1, &endless)].concat());
    for _ in 0..100 {
        broker.says_bytes(&frame(3, 1, &[7; 4000]));
    }
    assert!(broker.events().is_empty());
}
