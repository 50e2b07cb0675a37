//! What is asked for is done in order, whenever it was asked.

use sandloop_amqp::{Answer, Event, Failure, QueueName, Request, Settings};

use crate::{ask, broker::Broker, say};

/// Exchange, queue, binding, consumer, message: the program that everybody writes first.
fn ask_for_everything(broker: &mut Broker) -> Vec<Event> {
    let channel = broker.session.open_channel().unwrap();
    let q = QueueName::new("q");
    let requests = [
        ask::exchange("x", "fanout"),
        ask::queue("q"),
        ask::bind(&q, "x", ""),
        ask::consume(&q, "c"),
    ];
    let done = |ticket| Event::Answered(ticket, Ok(Answer::Done));
    let mut tickets = requests.map(|request| broker.request(channel, request)).map(done);
    let Event::Answered(ticket, _) = tickets[1].clone() else { unreachable!() };
    let name = "q".to_owned();
    tickets[1] = Event::Answered(ticket, Ok(Answer::Queue { name, messages: 0, consumers: 0 }));
    let publish = broker.session.publish(channel, ask::publish(b"hello")).unwrap();
    [tickets.to_vec(), vec![done(publish)]].concat()
}

/// The methods on the channel that follow, in order, with the message.
fn hears_everything(broker: &mut Broker) {
    let methods = [(40, 10), (50, 10), (50, 20), (60, 20)];
    assert_eq!(methods.map(|_| broker.hears_method(1)), methods);
    broker.hears_message(1, say::publish("x", "k", false), b"hello");
    broker.hears_nothing();
}

fn answer_everything(broker: &mut Broker) {
    broker.says(1, say::exchange_declare_ok());
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    broker.says(1, say::queue_bind_ok());
    broker.says(1, say::consume_ok("c"));
}

/// The answers in the order in which they come: a message without confirms is done when it is sent.
fn expected(mut events: Vec<Event>) -> Vec<Event> {
    events.rotate_right(1);
    events
}

#[test]
fn what_is_asked_before_the_connection_waits_for_it() {
    let mut broker = Broker::new(Settings::default());
    let events = ask_for_everything(&mut broker);
    assert!(broker.session.output().is_empty());
    broker.connect();
    broker.greet();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    hears_everything(&mut broker);
    answer_everything(&mut broker);
    assert_eq!(broker.events(), [vec![Event::Opened], expected(events)].concat());
}

#[test]
fn what_is_asked_in_the_handshake_waits_for_its_end() {
    let mut broker = Broker::new(Settings::default());
    broker.connect();
    let events = ask_for_everything(&mut broker);
    broker.hears_nothing();
    broker.greet();
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    hears_everything(&mut broker);
    answer_everything(&mut broker);
    assert_eq!(broker.events(), [vec![Event::Opened], expected(events)].concat());
}

#[test]
fn what_is_asked_before_the_channel_is_open_waits_for_it() {
    let mut broker = Broker::open();
    let events = ask_for_everything(&mut broker);
    broker.hears(1, say::channel_open());
    broker.hears_nothing();
    broker.says(1, say::channel_open_ok());
    hears_everything(&mut broker);
    answer_everything(&mut broker);
    assert_eq!(broker.events(), expected(events));
}

#[test]
fn nothing_waits_for_the_answer_to_what_was_asked_before() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let requests = ["a", "b", "c"].map(|name| broker.request(channel, ask::queue(name)));
    assert_eq!([(); 3].map(|()| broker.hears_method(1)), [(50, 10); 3]);
    for (name, ticket) in ["a", "b", "c"].into_iter().zip(requests) {
        broker.says(1, say::queue_declare_ok(name, 0, 0));
        let name = name.to_owned();
        let answer = Answer::Queue { name, messages: 0, consumers: 0 };
        assert_eq!(broker.events(), [Event::Answered(ticket, Ok(answer))]);
    }
}

#[test]
fn channels_do_not_wait_for_each_other() {
    let mut broker = Broker::open();
    let (one, two) = (broker.channel(), broker.channel());
    let first = broker.request(one, ask::queue("a"));
    let second = broker.request(two, ask::exchange("x", "direct"));
    assert_eq!((broker.hears_method(1), broker.hears_method(2)), ((50, 10), (40, 10)));
    broker.says(2, say::exchange_declare_ok());
    broker.says(1, say::queue_declare_ok("a", 0, 0));
    let answered: Vec<_> = broker.answers().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(answered, [second, first]);
}

/// RabbitMQ has the queue answer `basic.consume` and `basic.cancel`, and the channel goes on meanwhile.
#[test]
fn a_consumer_may_be_answered_late() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let q = QueueName::new("q");
    let requests = [
        ask::consume(&q, "a"),
        ask::consume(&q, "b"),
        Request::Cancel("a".to_owned()),
        ask::get("q"),
        ask::bind(&q, "x", ""),
    ];
    let [a, b, cancel, get, bind] = requests.map(|request| broker.request(channel, request));
    broker.says_message(1, say::get_ok(1, 0), b"m");
    broker.says(1, say::queue_bind_ok());
    broker.says(1, say::consume_ok("b"));
    broker.says(1, say::consume_ok("a"));
    broker.says(1, say::cancel_ok("a"));
    let answered: Vec<_> = broker.answers().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(answered, [get, bind, b, a, cancel]);
}

#[test]
fn an_answer_to_something_else_is_a_violation() {
    let q = QueueName::new("q");
    let check = |requests: &[Request], reply| {
        let mut broker = Broker::open_with(Settings { recovery: false, ..Settings::default() });
        let channel = broker.channel();
        for request in requests {
            broker.request(channel, request.clone());
        }
        broker.says(1, reply);
        let events = broker.events();
        let Some(Event::Closed(Some(Failure::Protocol(close)))) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(close.code, 503);
    };
    check(&[], say::queue_declare_ok("q", 0, 0));
    check(&[ask::queue("q")], say::exchange_declare_ok());
    // All others are answered in order.
    check(&[ask::queue("q"), ask::exchange("x", "fanout")], say::exchange_declare_ok());
    check(&[ask::consume(&q, "a")], say::consume_ok("b"));
    check(&[Request::Cancel("a".to_owned())], say::cancel_ok("b"));
    check(&[ask::queue("q"), ask::get("q")], say::get_empty());
    check(&[ask::queue("q"), ask::get("q")], say::get_ok(1, 0));
    check(&[ask::queue("q")], say::channel_open_ok());
    check(&[ask::queue("q")], say::channel_close_ok());
}
