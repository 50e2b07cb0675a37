//! What a new connection is told, in which order, and what becomes of what was under way.

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, exchange, queue},
};
use sandloop_amqp::{
    Answer, ChannelId, Event, Failure, QueueName, Request, Settings, Unconfirmed, error::Close,
};

use crate::{ask, broker::Broker, say};

/// What the session says next, as `channel: method what`.
fn word(broker: &mut Broker) -> String {
    use basic::AMQPMethod as B;
    use exchange::AMQPMethod as E;
    use queue::AMQPMethod as Q;
    let AMQPFrame::Method(channel, class) = broker.frame() else { panic!("no method") };
    let what = match class {
        AMQPClass::Channel(_) => "open".to_owned(),
        AMQPClass::Confirm(_) => "confirm".to_owned(),
        AMQPClass::Tx(_) => "tx".to_owned(),
        AMQPClass::Exchange(E::Declare(method)) => format!("exchange {}", method.exchange),
        AMQPClass::Exchange(E::Bind(method)) => {
            format!("bind {} to {}", method.source, method.destination)
        }
        AMQPClass::Queue(Q::Declare(method)) => format!("queue {}", method.queue),
        AMQPClass::Queue(Q::Bind(method)) => {
            format!("bind {} to {}", method.exchange, method.queue)
        }
        AMQPClass::Basic(B::Qos(method)) => format!("qos {}", method.prefetch_count),
        AMQPClass::Basic(B::Consume(method)) => format!("consume {}", method.queue),
        other => panic!("{other:?}"),
    };
    format!("{channel}: {what}")
}

/// The answer to such a word.
fn answer(broker: &mut Broker, word: &str) {
    let (channel, what) = word.split_once(": ").unwrap();
    let (method, name) = what.split_once(' ').unwrap_or((what, ""));
    let reply = match method {
        "open" => say::channel_open_ok(),
        "confirm" => say::confirm_select_ok(),
        "tx" => say::tx_select_ok(),
        "exchange" => say::exchange_declare_ok(),
        "bind" if name.starts_with("x") && name.contains("to x") => say::exchange_bind_ok(),
        "bind" => say::queue_bind_ok(),
        "queue" => say::queue_declare_ok(if name.is_empty() { "amq.gen-2" } else { name }, 0, 0),
        "qos" => say::qos_ok(),
        "consume" => say::consume_ok(&format!("c-{name}")),
        other => panic!("{other}"),
    };
    broker.says(channel.parse().unwrap(), reply);
}

/// One stage: everything of it is said at once, and nothing more until the last is answered.
#[track_caller]
fn stage(broker: &mut Broker, words: &[&str]) {
    let heard: Vec<String> = words.iter().map(|_| word(broker)).collect();
    assert_eq!(heard, words);
    for word in words {
        broker.hears_nothing();
        assert!(broker.events().is_empty());
        answer(broker, word);
    }
}

/// Has these done on channels 1 and 2.
fn does(broker: &mut Broker, channels: [ChannelId; 2], requests: Vec<(usize, Request)>) {
    for (number, request) in requests {
        broker.request(channels[number - 1], request);
        let word = word(broker);
        answer(broker, &word);
    }
    assert!(broker.answers().iter().all(|(_, answer)| answer.is_ok()));
}

fn two_channels() -> (Broker, [ChannelId; 2]) {
    let mut broker = Broker::open();
    let channels = [broker.channel(), broker.channel()];
    (broker, channels)
}

#[test]
fn each_stage_waits_for_the_answers_of_the_one_before_on_all_channels() {
    let (mut broker, channels) = two_channels();
    let (q, r) = (QueueName::new("q"), QueueName::new("r"));
    let requests = vec![
        (1, ask::queue("q")),
        (1, ask::consume(&q, "c-q")),
        (1, Request::Qos { prefetch: 10, global: false }),
        (1, Request::Qos { prefetch: 30, global: true }),
        (1, Request::Qos { prefetch: 20, global: false }),
        (2, Request::SelectTx),
        (1, Request::Confirm),
        (1, ask::exchange("x1", "fanout")),
        (2, ask::exchange("x2", "topic")),
        (1, ask::exchange("amq.fanout", "fanout")),
        (2, ask::bind(&q, "x1", "")),
        (2, Request::BindExchange(ask::exchange_binding("x1", "x2"))),
        (2, ask::declare(&r)),
        (2, ask::consume(&r, "c-r")),
    ];
    does(&mut broker, channels, requests);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    stage(&mut broker, &["1: qos 20", "1: qos 30", "1: confirm", "2: tx"]);
    stage(&mut broker, &["1: exchange x1", "2: exchange x2"]);
    stage(&mut broker, &["1: queue q", "2: queue r"]);
    stage(&mut broker, &["2: bind x1 to x2", "2: bind x1 to q"]);
    stage(&mut broker, &["1: consume q", "2: consume r"]);
    assert_eq!(broker.events(), [Event::Recovered]);
    broker.hears_nothing();
}

#[test]
fn what_is_under_way_is_done_again_in_the_order_in_which_it_was_asked_for() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    let publish =
        |broker: &mut Broker, body| broker.session.publish(channel, ask::publish(body)).unwrap();
    let first = publish(&mut broker, b"first");
    let second = broker.request(channel, ask::get("second"));
    let third = publish(&mut broker, b"third");
    let fourth = publish(&mut broker, b"fourth");
    let fifth = broker.request(channel, ask::get("fifth"));
    // The third is confirmed; the others are not.
    broker.says(1, say::ack(2, false));
    assert_eq!(broker.answers(), [(third, Ok(Answer::Done))]);
    broker.breaks();
    let sixth = publish(&mut broker, b"sixth");
    assert!(broker.events().is_empty());
    broker.connect();
    broker.greet();
    stage(&mut broker, &["1: open"]);
    stage(&mut broker, &["1: confirm"]);
    let method = say::publish("x", "k", false);
    broker.hears_message(1, method.clone(), b"first");
    assert_eq!(broker.hears_method(1), (60, 70));
    broker.hears_message(1, method.clone(), b"fourth");
    assert_eq!(broker.hears_method(1), (60, 70));
    broker.hears_message(1, method, b"sixth");
    broker.says(1, say::get_empty());
    broker.says(1, say::get_empty());
    // Their numbers begin anew.
    broker.says(1, say::ack(3, true));
    let answered: Vec<_> = broker.answers().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(answered, [second, fifth, first, fourth, sixth]);
    assert_eq!(broker.session.buffered(), 0);
}

#[test]
fn messages_are_reported_instead_if_the_plugin_wants_it() {
    let settings = Settings { unconfirmed: Unconfirmed::Report, ..Settings::default() };
    let mut broker = Broker::open_with(settings);
    let channel = broker.channel();
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    let sent = broker.session.publish(channel, ask::publish(b"sent")).unwrap();
    assert_eq!(broker.session.buffered(), 0, "it is not kept");
    broker.says(0, say::blocked("memory"));
    let held = broker.session.publish(channel, ask::publish(b"held")).unwrap();
    broker.breaks();
    let failure = Failure::Lost("it broke".to_owned());
    assert_eq!(broker.answers(), [(sent, Err(failure))]);
    broker.connect();
    broker.greet();
    stage(&mut broker, &["1: open"]);
    stage(&mut broker, &["1: confirm"]);
    broker.hears_message(1, say::publish("x", "k", false), b"held");
    broker.hears_nothing();
    broker.says(1, say::ack(1, false));
    assert_eq!(broker.answers(), [(held, Ok(Answer::Done))]);
}

/// A request for confirms that was not answered counts the messages behind it all the same.
#[test]
fn confirms_that_were_not_selected_yet_are_selected_before_the_messages_behind_them() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    broker.request(channel, Request::Confirm);
    broker.session.publish(channel, ask::publish(b"m")).unwrap();
    broker.again();
    stage(&mut broker, &["1: open"]);
    assert_eq!(word(&mut broker), "1: confirm");
    broker.hears_message(1, say::publish("x", "k", false), b"m");
    broker.hears_nothing();
}

#[test]
fn what_is_asked_for_while_it_recovers_waits() {
    let (mut broker, channels) = two_channels();
    does(&mut broker, channels, vec![(1, ask::exchange("x1", "fanout"))]);
    broker.again();
    broker.request(channels[1], ask::queue("q"));
    let third = broker.session.open_channel().unwrap();
    broker.request(third, ask::queue("r"));
    stage(&mut broker, &["1: open", "2: open"]);
    stage(&mut broker, &["1: exchange x1"]);
    assert_eq!(broker.events(), [Event::Recovered]);
    assert_eq!([(); 2].map(|()| word(&mut broker)), ["2: queue q", "3: open"]);
    broker.says(3, say::channel_open_ok());
    assert_eq!(word(&mut broker), "3: queue r");
}

#[test]
fn a_delivery_while_it_recovers_is_acknowledged_afterwards() {
    let (mut broker, channels) = two_channels();
    let (q, r) = (QueueName::new("q"), QueueName::new("r"));
    let consume = vec![(1, ask::consume(&q, "c-q")), (2, ask::consume(&r, "c-r"))];
    does(&mut broker, channels, consume);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    assert_eq!([(); 2].map(|()| word(&mut broker)), ["1: consume q", "2: consume r"]);
    broker.says(1, say::consume_ok("c-q"));
    broker.says_message(1, say::deliver("c-q", 1), b"m");
    let events = broker.events();
    let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
    broker.session.ack(delivery.tag, false);
    broker.hears_nothing();
    broker.says(2, say::consume_ok("c-r"));
    assert_eq!(broker.events(), [Event::Recovered]);
    broker.hears(1, say::ack(1, false));
}

#[test]
fn what_a_channel_that_is_closed_had_declared_is_declared_on_another() {
    let (mut broker, channels) = two_channels();
    let q = QueueName::new("q");
    let requests = vec![
        (1, ask::exchange("x1", "fanout")),
        (1, ask::queue("q")),
        (1, ask::bind(&q, "x1", "")),
        (1, ask::consume(&q, "c-q")),
    ];
    does(&mut broker, channels, requests);
    broker.request(channels[0], Request::Close);
    broker.hears_method(1);
    broker.says(1, say::channel_close_ok());
    broker.events();
    broker.again();
    stage(&mut broker, &["2: open"]);
    stage(&mut broker, &["2: exchange x1"]);
    stage(&mut broker, &["2: queue q"]);
    stage(&mut broker, &["2: bind x1 to q"]);
    assert_eq!(broker.events(), [Event::Recovered]);
}

#[test]
fn a_channel_that_fails_while_it_recovers_leaves_the_rest_to_others() {
    let (mut broker, channels) = two_channels();
    let (q, r) = (QueueName::new("q"), QueueName::new("r"));
    let requests = vec![
        (1, Request::Qos { prefetch: 1, global: false }),
        (1, ask::exchange("x1", "fanout")),
        (1, ask::exchange("x2", "fanout")),
        (1, ask::exchange("x3", "fanout")),
        (1, ask::queue("q")),
        (1, ask::bind(&q, "x3", "")),
        (2, ask::consume(&q, "c-q")),
        (1, ask::consume(&r, "c-r")),
    ];
    does(&mut broker, channels, requests);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    stage(&mut broker, &["1: qos 1"]);
    let exchanges = ["1: exchange x1", "1: exchange x2", "1: exchange x3"];
    assert_eq!([(); 3].map(|()| word(&mut broker)), exchanges);
    let waits = broker.request(channels[0], ask::queue("waits"));
    answer(&mut broker, "1: exchange x1");
    let text = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x2'";
    broker.says(1, say::channel_close(406, text, (40, 10)));
    broker.hears(1, say::channel_close_ok());
    let close = Close { code: 406, text: text.to_owned(), class: 40, method: 10 };
    let failure = Failure::Channel(close);
    assert_eq!(
        broker.events(),
        [Event::Answered(waits, Err(failure.clone())), Event::ChannelClosed(channels[0], failure)]
    );
    stage(&mut broker, &["2: exchange x3"]);
    stage(&mut broker, &["2: queue q"]);
    stage(&mut broker, &["2: bind x3 to q"]);
    stage(&mut broker, &["2: consume q"]);
    assert_eq!(broker.events(), [Event::Recovered]);
    // It would only take another channel along.
    broker.again();
    stage(&mut broker, &["2: open"]);
    stage(&mut broker, &["2: exchange x1", "2: exchange x3"]);
    stage(&mut broker, &["2: queue q"]);
    stage(&mut broker, &["2: bind x3 to q"]);
    stage(&mut broker, &["2: consume q"]);
    assert_eq!(broker.events(), [Event::Recovered]);
}

#[test]
fn a_recovery_goes_on_without_any_channel() {
    let (mut broker, channels) = two_channels();
    does(&mut broker, channels, vec![(1, ask::exchange("x1", "fanout")), (1, ask::queue("q"))]);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    assert_eq!(word(&mut broker), "1: exchange x1");
    broker.says(2, say::channel_close(541, "INTERNAL_ERROR", (0, 0)));
    broker.says(1, say::channel_close(541, "INTERNAL_ERROR", (40, 10)));
    let events = broker.events();
    let [Event::ChannelClosed(..), Event::ChannelClosed(..), Event::Recovered] = &events[..] else {
        panic!("{events:?}");
    };
    let channel = broker.session.open_channel().unwrap();
    assert!(broker.session.has_channel(channel));
}

/// The broker has not noticed yet that the last connection is gone, which the queue belongs to.
#[test]
fn a_queue_that_still_belongs_to_the_last_connection_is_tried_again() {
    let (mut broker, channels) = two_channels();
    let name = QueueName::new("mine");
    let Request::DeclareQueue(mut queue) = ask::declare(&name) else { unreachable!() };
    queue.exclusive = true;
    does(&mut broker, channels, vec![(1, Request::DeclareQueue(queue))]);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    assert_eq!(word(&mut broker), "1: queue mine");
    let text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine'";
    broker.says(1, say::channel_close(405, text, (50, 10)));
    assert_eq!(broker.events(), [Event::Disconnect(format!("405 {text}"))]);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    stage(&mut broker, &["1: queue mine"]);
    assert_eq!(broker.events(), [Event::Recovered]);
    assert!(channels.iter().all(|channel| broker.session.has_channel(*channel)));
}

#[test]
fn a_locked_queue_is_an_error_of_its_channel_at_any_other_time() {
    let (mut broker, channels) = two_channels();
    let ticket = broker.request(channels[0], ask::queue("theirs"));
    broker.says(1, say::channel_close(405, "RESOURCE_LOCKED", (50, 10)));
    let answers = broker.answers();
    assert!(
        matches!(&answers[..], [(failed, Err(Failure::Channel(close)))]
            if *failed == ticket && close.code == 405),
        "{answers:?}"
    );
}

/// With everything declared that can be undone, `undo` leaves `left` to be recovered.
#[track_caller]
fn check_undone(undo: Vec<(Request, AMQPClass)>, left: &[&str]) {
    let (mut broker, channels) = two_channels();
    let (q, r) = (QueueName::new("q"), QueueName::new("r"));
    let Request::DeclareExchange(mut temporary) = ask::exchange("x2", "fanout") else {
        unreachable!()
    };
    temporary.auto_delete = true;
    let Request::DeclareQueue(mut short_lived) = ask::queue("r") else { unreachable!() };
    short_lived.auto_delete = true;
    let requests = vec![
        (1, ask::exchange("x1", "fanout")),
        (1, Request::DeclareExchange(temporary)),
        (1, ask::queue("q")),
        (1, Request::DeclareQueue(short_lived)),
        (1, Request::BindExchange(ask::exchange_binding("x2", "x1"))),
        (1, ask::bind(&q, "x1", "")),
        (1, ask::bind(&r, "x1", "")),
        (1, ask::consume(&q, "c-q")),
        (1, ask::consume(&r, "c-r")),
    ];
    does(&mut broker, channels, requests);
    for (request, reply) in undo {
        broker.done((channels[0], 1), request, reply);
    }
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    let mut said = Vec::new();
    while broker.events().is_empty() {
        let word = word(&mut broker);
        answer(&mut broker, &word);
        said.push(word);
    }
    assert_eq!(said.iter().map(|word| &word[3..]).collect::<Vec<_>>(), left);
}

#[test]
fn what_was_undone_or_has_gone_by_itself_is_not_recovered() {
    let (q, r) = (QueueName::new("q"), QueueName::new("r"));
    let all = [
        "exchange x1",
        "exchange x2",
        "queue q",
        "queue r",
        "bind x2 to x1",
        "bind x1 to q",
        "bind x1 to r",
        "consume q",
        "consume r",
    ];
    let without = |gone: &[&str]| -> Vec<&str> {
        all.into_iter().filter(|word| !gone.contains(word)).collect()
    };
    check_undone(vec![], &all);
    let delete = |name: &str| Request::DeleteExchange { name: name.to_owned(), if_unused: false };
    let exchange = |name: &str| (delete(name), say::exchange_delete_ok());
    check_undone(vec![exchange("x2")], &without(&["exchange x2", "bind x2 to x1"]));
    // Nothing is left that the exchange with `auto_delete` is bound to.
    let gone = ["exchange x1", "bind x1 to q", "bind x1 to r", "exchange x2", "bind x2 to x1"];
    check_undone(vec![exchange("x1")], &without(&gone));
    let unbind = Request::UnbindExchange(ask::exchange_binding("x2", "x1"));
    let unbind = (unbind, say::exchange_unbind_ok());
    check_undone(vec![unbind], &without(&["exchange x2", "bind x2 to x1"]));
    // Something that never was bound changes nothing.
    let unbind = Request::UnbindExchange(ask::exchange_binding("x2", "x3"));
    check_undone(vec![(unbind, say::exchange_unbind_ok())], &all);
    let unbind = Request::UnbindQueue(ask::queue_binding(&q, "x1", ""));
    check_undone(vec![(unbind, say::queue_unbind_ok())], &without(&["bind x1 to q"]));
    let delete = Request::DeleteQueue { queue: q, if_unused: false, if_empty: false };
    let gone = ["queue q", "bind x1 to q", "consume q"];
    check_undone(vec![(delete, say::queue_delete_ok(0))], &without(&gone));
    let cancel = |tag: &str| (Request::Cancel(tag.to_owned()), say::cancel_ok(tag));
    check_undone(vec![cancel("c-q")], &without(&["consume q"]));
    // The last consumer takes the queue with `auto_delete` along.
    let gone = ["queue r", "bind x1 to r", "consume r"];
    check_undone(vec![cancel("c-r")], &without(&gone));
    let another = (ask::consume(&r, "d"), say::consume_ok("d"));
    check_undone(vec![another, cancel("c-r")], &all);
}

/// It was not heard whether the consumer has ended, so it is there and ends again, in its place.
#[test]
fn a_cancel_that_was_not_answered_is_asked_for_again() {
    let (mut broker, channels) = two_channels();
    does(&mut broker, channels, vec![(1, ask::consume(&QueueName::new("q"), "c-q"))]);
    let ticket = broker.request(channels[0], Request::Cancel("c-q".to_owned()));
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    stage(&mut broker, &["1: consume q"]);
    broker.hears_and_says(1, say::cancel("c-q", false), say::cancel_ok("c-q"));
    assert_eq!(broker.events(), [Event::Recovered, Event::Answered(ticket, Ok(Answer::Done))]);
}

#[test]
fn what_the_end_of_a_connection_does_is_done_with_it() {
    let (mut broker, channels) = two_channels();
    let recovered = broker.request(channels[0], Request::Recover { requeue: true });
    let closed = broker.request(channels[1], Request::Close);
    broker.breaks();
    assert_eq!(
        broker.events(),
        [
            Event::Answered(recovered, Ok(Answer::Done)),
            Event::Answered(closed, Ok(Answer::Done)),
            Event::ChannelClosed(channels[1], Failure::Closed)
        ]
    );
    broker.connect();
    broker.greet();
    stage(&mut broker, &["1: open"]);
    assert_eq!(broker.events(), [Event::Recovered]);
}

#[test]
fn attempts_that_fail_change_nothing() {
    let (mut broker, channels) = two_channels();
    does(&mut broker, channels, vec![(1, ask::exchange("x1", "fanout"))]);
    let ticket = broker.request(channels[0], ask::queue("q"));
    for _ in 0..3 {
        broker.breaks();
        assert!(broker.session.is_idle());
    }
    broker.connect();
    broker.breaks();
    broker.connect();
    broker.says(0, say::start("PLAIN"));
    broker.breaks();
    assert!(broker.events().is_empty());
    broker.connect();
    broker.greet();
    stage(&mut broker, &["1: open", "2: open"]);
    stage(&mut broker, &["1: exchange x1"]);
    assert_eq!(word(&mut broker), "1: queue q");
    answer(&mut broker, "1: queue q");
    let events = broker.events();
    assert!(
        matches!(&events[..], [Event::Recovered, Event::Answered(done, Ok(_))] if *done == ticket),
        "{events:?}"
    );
}

/// The queue answers for the consumer, and is gone: what was asked for last counts, not what was answered last.
#[test]
fn what_is_answered_late_counts_in_its_place() {
    for is_heard in [true, false] {
        let (mut broker, channels) = two_channels();
        let q = QueueName::new("q");
        does(&mut broker, channels, vec![(1, ask::queue("q"))]);
        let consumed = broker.request(channels[0], ask::consume(&q, "c-q"));
        let delete = Request::DeleteQueue { queue: q, if_unused: false, if_empty: false };
        let deleted = broker.request(channels[0], delete);
        broker.says(1, say::queue_delete_ok(0));
        if is_heard {
            broker.says(1, say::consume_ok("c-q"));
        }
        broker.again();
        // A broker that has deleted it has begun the consumer before.
        let done = |ticket, answer| Event::Answered(ticket, Ok(answer));
        assert_eq!(
            broker.events(),
            [done(deleted, Answer::Count(0)), done(consumed, Answer::Done)]
        );
        stage(&mut broker, &["1: open", "2: open"]);
        assert_eq!(broker.events(), [Event::Recovered]);
        broker.hears_nothing();
    }
}

#[test]
fn a_part_of_a_frame_is_forgotten_with_its_connection() {
    let (mut broker, channels) = two_channels();
    let ticket = broker.request(channels[0], ask::get("q"));
    let message = crate::broker::method(1, say::get_ok(1, 0));
    broker.says_bytes(&message[..message.len() - 1]);
    broker.again();
    stage(&mut broker, &["1: open", "2: open"]);
    assert_eq!(broker.hears_method(1), (60, 70));
    broker.says(1, say::get_empty());
    let answered = Event::Answered(ticket, Ok(Answer::Message(None)));
    assert_eq!(broker.events(), [Event::Recovered, answered]);
}
