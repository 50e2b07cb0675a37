//! Brokers and plugins that never come to an end: what is held is bounded, and nothing is left behind.

use amq_protocol::{frame::AMQPFrame, protocol::BasicProperties};
use sandloop_amqp::{ChannelId, Event, Failure, QueueName, Request, Settings};
use sandloop_testkit::heap::{Counting, held, peak_of};

use crate::{
    ask,
    broker::{Broker, bytes, content, method, output},
    say,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// `work` must never hold more than `bound` beyond what was there before.
#[track_caller]
fn check_peak(bound: isize, work: impl FnOnce()) {
    let peak = peak_of(work);
    assert!(peak < bound, "{peak} bytes");
}

/// After a hundred times, a thousand more must leave nothing behind.
#[track_caller]
fn check_growth(mut work: impl FnMut()) {
    (0..100).for_each(|_| work());
    let before = held();
    (0..1000).for_each(|_| work());
    let grown = held() - before;
    assert!(grown < 1000, "{grown} bytes are left of 1000 times");
}

const FRAME: isize = 128 * 1024;

/// With a consumer `c` on channel 1.
fn consuming() -> (Broker, ChannelId) {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    broker.said = Vec::new();
    (broker, channel)
}

/// Says this to the session and forgets it.
fn say_and_forget(broker: &mut Broker, bytes: &[u8]) {
    broker.session.receive(bytes);
    while broker.session.next_event().is_some() {}
    let length = broker.session.output().len();
    broker.session.consume(length);
}

#[test]
fn what_a_broker_says_of_a_size_is_not_believed() {
    // A frame that is as large as can be, of which little comes.
    let (mut broker, _) = consuming();
    check_peak(1024, || broker.session.receive(&[3, 0, 1, 0, 1, 0xFF, 0xF8, 1, 2, 3]));
    // Messages that are as large as can be, of which nothing comes.
    let (mut broker, _) = consuming();
    let head = [&b"\0\x3c\0\0"[..], &(16u64 * 1024 * 1024).to_be_bytes(), b"\0\0"].concat();
    let mut header = vec![2, 0, 1, 0, 0, 0, 14];
    header.extend(head);
    header.push(206);
    check_peak(80 * 1024, || {
        say_and_forget(&mut broker, &method(1, say::deliver("c", 1)));
        say_and_forget(&mut broker, &header);
    });
}

#[test]
fn a_frame_is_held_once_until_it_is_whole() {
    let (mut broker, _) = consuming();
    let whole = content(1, BasicProperties::default(), &[7; 131_064], 131_064);
    say_and_forget(&mut broker, &method(1, say::deliver("c", 1)));
    // While it comes in pieces, with what a buffer that grows holds for a moment; and the body beside it at the end.
    check_peak(4 * FRAME, || {
        for piece in whole.chunks(1000) {
            say_and_forget(&mut broker, piece);
        }
    });
}

#[test]
fn endless_words_are_not_held() {
    let (mut broker, _) = consuming();
    let message =
        [method(1, say::deliver("c", 1)), content(1, BasicProperties::default(), &[7; 3000], 1000)]
            .concat();
    let words = [
        bytes(&AMQPFrame::Heartbeat(0)),
        method(0, say::blocked("memory")),
        method(0, say::unblocked()),
        method(1, say::flow(true)),
        message,
    ];
    let words = words.concat();
    check_peak(128 * 1024, || {
        for _ in 0..5000 {
            say_and_forget(&mut broker, &words);
        }
    });
    // A message of which nothing comes, again and again.
    let empty = bytes(&AMQPFrame::Body(1, Vec::new()));
    say_and_forget(&mut broker, &method(1, say::deliver("c", 1)));
    let header = content(1, BasicProperties::default(), &[7; 10], 10)[..22].to_vec();
    say_and_forget(&mut broker, &header);
    check_peak(1024, || {
        for _ in 0..10_000 {
            say_and_forget(&mut broker, &empty);
        }
    });
    assert!(!broker.session.is_over());
}

#[test]
fn output_that_is_never_wholly_taken_is_not_held() {
    let (mut broker, channel) = consuming();
    let publish = ask::publish(&[7; 1000]);
    check_peak(1024 * 1024, || {
        for _ in 0..20_000 {
            broker.session.publish(channel, publish.clone()).unwrap();
            while broker.session.next_event().is_some() {}
            // Something is always left.
            let length = broker.session.output().len();
            broker.session.consume(length - 100);
        }
    });
    assert!(!broker.session.output().is_empty());
}

/// The bodies are shared; what the session holds of its own is bounded by what is counted.
#[test]
fn a_plugin_that_never_stops_publishing_is_refused() {
    let (mut broker, channel) = consuming();
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    let buffer = Settings::default().buffer as isize;
    check_peak(3 * buffer, || {
        let mut refused = 0;
        for _ in 0..20_000 {
            let publish = ask::publish(&[7; 1000]);
            refused += usize::from(broker.session.publish(channel, publish).is_err());
        }
        assert!(10_000 < refused);
    });
}

#[test]
fn nothing_is_left_of_requests() {
    let (mut broker, channel) = consuming();
    check_growth(|| {
        broker.said = Vec::new();
        let q = QueueName::new("q");
        broker.done((channel, 1), ask::exchange("x", "fanout"), say::exchange_declare_ok());
        broker.done((channel, 1), ask::queue("q"), say::queue_declare_ok("q", 0, 0));
        broker.done((channel, 1), ask::bind(&q, "x", ""), say::queue_bind_ok());
        let tag = broker.session.consumer_tag();
        broker.done((channel, 1), ask::consume(&q, &tag), say::consume_ok(&tag));
        broker.done((channel, 1), Request::Cancel(tag.clone()), say::cancel_ok(&tag));
        broker.done((channel, 1), ask::get("q"), say::get_empty());
    });
}

#[test]
fn nothing_is_left_of_channels() {
    let (mut broker, _) = consuming();
    check_growth(|| {
        broker.said = Vec::new();
        let channel = broker.channel();
        let q = QueueName::new("q");
        let tag = broker.session.consumer_tag();
        broker.done((channel, 2), ask::consume(&q, &tag), say::consume_ok(&tag));
        broker.says(2, say::channel_close(404, "NOT_FOUND", (0, 0)));
        broker.hears(2, say::channel_close_ok());
        assert!(matches!(broker.events()[..], [Event::ChannelClosed(_, Failure::Channel(_))]));
    });
}

#[test]
fn nothing_is_left_of_connections() {
    let (mut broker, channel) = consuming();
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    broker.session.publish(channel, ask::publish(b"never confirmed")).unwrap();
    broker.request(channel, ask::get("never answered"));
    check_growth(|| {
        broker.again();
        broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
        broker.hears_method(1);
        broker.says(1, say::confirm_select_ok());
        broker.hears_method(1);
        broker.says(1, say::consume_ok("c"));
        output(&mut broker.session);
        assert_eq!(broker.events(), [Event::Recovered]);
    });
}
