//! `amqp-bridge`: people with lines and WebSockets on one side, a broker on the other.

use sandloop_tests::{
    Config, Host, Isolation, Listen, Plugin, component, pika::Pika, rabbitmq::Broker,
};
use serde_json::json;

use super::address_of;

/// The two sections that share the component.
fn bridge(uri: &str) -> Config {
    let file = component("amqp-bridge");
    let broker = Plugin::named("broker", &file)
        .isolation(Isolation::Plugin)
        .key("tenant", "\"bridge\"")
        .option("uri", uri)
        .option("source", "replies")
        .option("queue", "replies")
        .may_connect(&[address_of(uri)]);
    let people = Plugin::named("people", &file).key("tenant", "\"bridge\"");
    Config::new()
        .plugin(broker)
        .plugin(people)
        .listen(Listen::tcp("people").key("handler", "\"lines\""))
        .listen(Listen::tcp("people").key("handler", "\"web\""))
}

/// Declares a fanout exchange and a queue that gets what it gets, as the bridge does.
fn bound(pika: &mut Pika, exchange: &str, queue: &str) {
    pika.call(json!({"do": "exchange_declare", "exchange": exchange, "exchange_type": "fanout", "durable": true}));
    pika.queue(queue);
    pika.call(json!({"do": "queue_bind", "queue": queue, "exchange": exchange}));
}

#[test]
fn lines_become_messages_and_messages_lines() {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    for (exchange, queue) in [("amqp-bridge", "lines"), ("replies", "replies")] {
        bound(&mut pika, exchange, queue);
    }

    let host = Host::start(&bridge(&vhost.uri));
    let (mut ann, mut bob) = (host.connect("people"), host.connect("people"));
    ann.send("hello\r\nwor");
    ann.send("ld\n");
    assert_eq!(pika.bodies("lines", 2), ["hello", "world"]);

    for number in 0..100 {
        pika.call(json!({"do": "publish", "exchange": "replies", "routing_key": "",
            "body": format!("reply {number}\nof 100")}));
    }
    for peer in [&mut ann, &mut bob] {
        for number in 0..100 {
            peer.expect(format!("reply {number} of 100\n"));
        }
    }
}

#[test]
fn a_line_waits_while_the_broker_is_away() {
    let mut broker = Broker::start();
    let host = Host::start(&bridge(&broker.uri()));
    let mut pika = Pika::connect(&broker.uri());
    bound(&mut pika, "amqp-bridge", "lines");
    let mut ann = host.connect("people");
    ann.send("before\n");
    assert_eq!(pika.bodies("lines", 1), ["before"]);
    drop(pika);

    broker.stop();
    host.wait_line("no connection to the broker", |line| {
        line.0.contains("no connection to the broker")
    });
    for number in 0..50 {
        ann.send(format!("{number}\n"));
    }
    broker.start_again();
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(Pika::connect(&broker.uri()).bodies("lines", 50), expected);
}
