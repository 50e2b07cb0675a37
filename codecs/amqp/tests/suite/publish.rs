//! Messages on their way out, and those that come back.

use std::rc::Rc;

use amq_protocol::{frame::AMQPFrame, protocol::BasicProperties};
use sandloop_amqp::{
    Answer, ChannelId, Event, Failure, Properties, Publish, Refusal, Settings, Table, Value,
};

use crate::{
    ask,
    broker::{Broker, PROTOCOL_HEADER, content, output},
    say,
};

/// With an open channel and frames of at most 4096 bytes.
fn small_frames() -> (Broker, ChannelId) {
    let mut broker = Broker::open_with(Settings { frame_max: 4096, ..Settings::default() });
    let channel = broker.channel();
    (broker, channel)
}

/// The sizes of the frames with the body.
fn check(body: usize, pieces: &[usize]) {
    let (mut broker, channel) = small_frames();
    let body: Vec<u8> = (0..body).map(|index| index as u8).collect();
    let ticket = broker.session.publish(channel, ask::publish(&body)).unwrap();
    broker.hears(1, say::publish("x", "k", false));
    let AMQPFrame::Header(1, 60, header) = broker.frame() else { panic!("no header") };
    assert_eq!(header.body_size, body.len() as u64);
    assert_eq!(header.properties, BasicProperties::default());
    let mut read = Vec::new();
    for length in pieces {
        let AMQPFrame::Body(1, piece) = broker.frame() else { panic!("no body") };
        assert_eq!(piece.len(), *length);
        read.extend(piece);
    }
    assert_eq!(read, body);
    broker.hears_nothing();
    assert_eq!(broker.events(), [Event::Answered(ticket, Ok(Answer::Done))]);
}

#[test]
fn a_body_is_cut_where_a_frame_is_full() {
    check(0, &[]);
    check(1, &[1]);
    check(4088, &[4088]);
    check(4089, &[4088, 1]);
    check(10_000, &[4088, 4088, 1824]);
}

fn every_property() -> Properties {
    let text = |text: &str| Some(text.to_owned());
    Properties {
        content_type: text("ct"),
        content_encoding: text("ce"),
        headers: Some(Table::from([("h".to_owned(), Value::Bool(true))])),
        delivery_mode: Some(2),
        priority: Some(5),
        correlation_id: text("ci"),
        reply_to: text("rt"),
        expiration: text("60"),
        message_id: text("mi"),
        timestamp: Some(0x0102_0304_0506_0708),
        kind: text("ty"),
        user_id: text("ui"),
        app_id: text("ai"),
    }
}

/// All of them in the order of the specification, behind the class, the weight, the length and the flags.
const EVERY_PROPERTY: &[u8] =
    b"\0\x3c\0\0\0\0\0\0\0\0\0\x02\xff\xf8\x02ct\x02ce\0\0\0\x04\x01ht\x01\x02\x05\
    \x02ci\x02rt\x0260\x02mi\x01\x02\x03\x04\x05\x06\x07\x08\x02ty\x02ui\x02ai";

#[test]
fn every_property_has_its_place() {
    let (mut broker, channel) = small_frames();
    let publish = Publish {
        exchange: "x".to_owned(),
        routing_key: "k".to_owned(),
        mandatory: true,
        properties: every_property(),
        body: Rc::from(&b"hi"[..]),
    };
    broker.session.publish(channel, publish).unwrap();
    let mut expected = b"\x01\0\x01\0\0\0\x0b\0\x3c\0\x28\0\0\x01x\x01k\x01\xce".to_vec();
    expected.extend(b"\x02\0\x01\0\0\0");
    expected.push(EVERY_PROPERTY.len() as u8);
    expected.extend(EVERY_PROPERTY);
    expected.extend(b"\xce\x03\0\x01\0\0\0\x02hi\xce");
    let out = output(&mut broker.session);
    assert_eq!(out, expected, "{}", out.escape_ascii());
}

#[test]
fn every_property_is_read() {
    let (mut broker, channel) = small_frames();
    broker.says(1, say::returned("x", "k"));
    let length = EVERY_PROPERTY.len() as u8;
    let header = [&b"\x02\0\x01\0\0\0"[..], &[length], EVERY_PROPERTY, b"\xce"].concat();
    broker.says_bytes(&header);
    broker.says_bytes(b"\x03\0\x01\0\0\0\x02hi\xce");
    let events = broker.events();
    let [Event::Returned(on, returned)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*on, &returned.properties), (channel, &every_property()));
    assert_eq!(returned.body, b"hi");
}

#[test]
fn a_mandatory_message_comes_back_before_it_is_confirmed() {
    let (mut broker, channel) = small_frames();
    broker.done((channel, 1), sandloop_amqp::Request::Confirm, say::confirm_select_ok());
    let publish = Publish { mandatory: true, ..ask::publish(&[7; 5000]) };
    let ticket = broker.session.publish(channel, publish).unwrap();
    broker.hears_message(1, say::publish("x", "k", true), &[7; 5000]);
    broker.says_message(1, say::returned("x", "k"), &[7; 5000]);
    broker.says(1, say::ack(1, false));
    let events = broker.events();
    let [Event::Returned(on, returned), Event::Answered(answered, Ok(Answer::Done))] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*on, *answered, returned.code), (channel, ticket, 312));
    assert_eq!(returned.text, "NO_ROUTE");
    assert_eq!((returned.exchange.as_str(), returned.routing_key.as_str()), ("x", "k"));
    assert_eq!(returned.body, [7; 5000]);
}

#[test]
fn a_message_is_put_together_from_any_pieces() {
    for piece in [1, 7, 100] {
        let (mut broker, channel) = small_frames();
        broker.says(1, say::returned("x", "k"));
        broker.says_bytes(&content(1, BasicProperties::default(), b"a hundred bytes", piece));
        let events = broker.events();
        let [Event::Returned(on, returned)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*on, returned.body.as_slice()), (channel, &b"a hundred bytes"[..]));
    }
}

#[test]
fn a_message_may_come_between_the_pieces_of_another_channel() {
    let mut broker = Broker::open();
    let (one, two) = (broker.channel(), broker.channel());
    broker.says(1, say::returned("x", "one"));
    let pieces = content(1, BasicProperties::default(), b"first", 100);
    let (header, body) = pieces.split_at(pieces.len() - 13);
    broker.says_bytes(header);
    broker.says_message(2, say::returned("x", "two"), b"second");
    broker.says_bytes(body);
    let events = broker.events();
    let [Event::Returned(first, second), Event::Returned(third, fourth)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((*first, second.body.as_slice()), (two, &b"second"[..]));
    assert_eq!((*third, fourth.body.as_slice()), (one, &b"first"[..]));
}

#[test]
fn what_has_no_room_on_the_wire_is_refused_at_once() {
    let (mut broker, channel) = small_frames();
    let refused = |broker: &mut Broker, publish: Publish, what| {
        let refusal = Failure::Refused(Refusal::TooLong(what));
        assert_eq!(broker.session.publish(channel, publish), Err(refusal));
    };
    let long = "l".repeat(256);
    let publish = || ask::publish(b"");
    refused(&mut broker, Publish { exchange: long.clone(), ..publish() }, "the exchange's name");
    refused(&mut broker, Publish { routing_key: long.clone(), ..publish() }, "the routing key");
    let properties = Properties { app_id: Some(long.clone()), ..Properties::default() };
    refused(&mut broker, Publish { properties, ..publish() }, "app-id");
    let headers = Some(Table::from([(long, Value::Void)]));
    let properties = Properties { headers, ..Properties::default() };
    refused(&mut broker, Publish { properties, ..publish() }, "the name of an argument");
    assert_eq!(broker.session.buffered(), 0);
    broker.hears_nothing();
}

#[test]
fn headers_that_do_not_fit_into_a_frame_are_refused_and_the_next_message_goes() {
    let (mut broker, channel) = small_frames();
    let headers = Some(Table::from([("h".to_owned(), Value::Text("v".repeat(5000)))]));
    let properties = Properties { headers, ..Properties::default() };
    let large = Publish { properties, ..ask::publish(b"large") };
    let ticket = broker.session.publish(channel, large).unwrap();
    let next = broker.session.publish(channel, ask::publish(b"next")).unwrap();
    broker.hears_message(1, say::publish("x", "k", false), b"next");
    broker.hears_nothing();
    let failure = Failure::Refused(Refusal::FrameTooSmall(4096));
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(failure)), Event::Answered(next, Ok(Answer::Done))]
    );
    assert_eq!(broker.session.buffered(), 0);
}

#[test]
fn arguments_that_do_not_fit_into_a_frame_are_refused_and_the_next_request_goes() {
    let (mut broker, channel) = small_frames();
    let sandloop_amqp::Request::DeclareQueue(mut queue) = ask::queue("q") else { unreachable!() };
    queue.arguments.insert("a".to_owned(), Value::Text("v".repeat(5000)));
    let ticket = broker.request(channel, sandloop_amqp::Request::DeclareQueue(queue));
    broker.request(channel, ask::exchange("x", "fanout"));
    assert_eq!(broker.hears_method(1), (40, 10));
    broker.hears_nothing();
    let failure = Failure::Refused(Refusal::FrameTooSmall(4096));
    assert_eq!(broker.events(), [Event::Answered(ticket, Err(failure))]);
}

/// Whoever drives a session takes the output in pieces of any size.
#[test]
fn output_is_taken_in_any_pieces() {
    let mut broker = Broker::new(Settings::default());
    broker.session.connected();
    let mut taken = Vec::new();
    while let Some(byte) = broker.session.output().first().copied() {
        taken.push(byte);
        broker.session.consume(1);
    }
    assert_eq!(taken, PROTOCOL_HEADER);
}
