//! `amqp-bridge`: people with lines and WebSockets on one side, a broker on the other.

use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::paths::python;
use sandloop_tests::pika::Pika;
use sandloop_tests::rabbitmq::{Broker, Vhost};
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, component, until, workspace};
use serde_json::json;

use super::address_of;
use crate::drain::Cause;

/// The two sections that share the component.
fn bridge(uri: &str, source: &str) -> Config {
    let file = component("amqp-bridge");
    let broker = Plugin::named("broker", &file)
        .isolation(Isolation::Plugin)
        .key("tenant", "\"bridge\"")
        .option("uri", uri)
        .option("source", source)
        .option("queue", "replies")
        .may_connect(&[address_of(uri)]);
    let people = Plugin::named("people", &file).key("tenant", "\"bridge\"");
    Config::new()
        .plugin(broker)
        .plugin(people)
        .listen(Listen::tcp("people").key("handler", "\"lines\""))
        .listen(Listen::tcp("people").key("handler", "\"web\""))
}

/// Declares a fanout exchange and a queue that is bound to it, as the bridge does.
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

    let host = Host::start(&bridge(&vhost.uri, "replies"));
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

/// The end of a connection in the broker's log: a separate line if the client has sent `connection.close`, and one with a colon
/// and a cause behind it otherwise.
fn told_end(vhost: &Vhost) -> String {
    let of_this = format!("amqp-bridge, vhost: '{}'", vhost.name);
    let ends = |line: &&str| line.contains("closing AMQP connection") && line.contains(&of_this);
    let log = || Broker::shared().log();
    until(
        || log().lines().find(ends).map(str::to_owned),
        || format!("no end of a connection in\n{}", log()),
    )
}

/// A host that stops ends its connections to the broker by the protocol, and so does a version that a reload replaces.
#[test]
fn whoever_is_drained_says_goodbye_to_the_broker() {
    Cause::ALL.into_iter().for_each(say_goodbye);
}

fn say_goodbye(cause: Cause) {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    bound(&mut pika, "amqp-bridge", "lines");
    bound(&mut pika, "replies", "replies");
    let host = Host::start(&bridge(&vhost.uri, "replies"));
    let mut ann = host.connect("people");
    ann.send("hello\n");
    assert_eq!(pika.bodies("lines", 1), ["hello"]);
    cause.begin(&host, "broker");
    let line = told_end(&vhost);
    assert!(!line.trim_end().ends_with(':'), "{cause:?}: {line}");
    drop(ann);
    cause.end(host);
}

/// A message whose texts are not UTF-8, and a consumer that the broker ends: people get the next messages, and can send.
#[test]
fn what_comes_from_others_and_what_the_broker_ends_stops_nothing() {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    for (exchange, queue) in [("amqp-bridge", "lines"), ("replies", "replies")] {
        bound(&mut pika, exchange, queue);
    }
    let host = Host::start(&bridge(&vhost.uri, "replies"));
    let mut ann = host.connect("people");
    ann.send("first\n");
    assert_eq!(pika.bodies("lines", 1), ["first"]);
    let bytes = json!({"bytes": "\u{9c}\u{80}\u{ff}\u{1}"});
    pika.call(
        json!({"do": "publish", "exchange": "replies", "routing_key": "", "body": "of others",
        "properties": {"correlation_id": bytes.clone(), "message_id": bytes}}),
    );
    ann.expect("of others\n");
    for (time, line) in ["second", "third"].into_iter().enumerate() {
        pika.call(json!({"do": "queue_delete", "queue": "replies"}));
        host.wait_lines("again in", time + 1, |line| {
            line.0.contains("; again in") && line.0.contains("ended the consumer")
        });
        bound(&mut pika, "replies", "replies");
        pika.call(
            json!({"do": "publish", "exchange": "replies", "routing_key": "", "body": "later"}),
        );
        ann.expect("later\n");
        ann.send(format!("{line}\n"));
        assert_eq!(pika.bodies("lines", 1), [line]);
    }
}

#[test]
fn a_websocket_and_lines_hear_each_other() {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    // Outgoing messages come back: the source is the exchange itself.
    bound(&mut pika, "amqp-bridge", "replies");
    let host = Host::start(&bridge(&vhost.uri, "amqp-bridge"));
    let mut ann = host.connect("people");
    // Her subscription exists once she has got her own message.
    ann.send("first\n");
    ann.expect("first\n");
    let url = host.addresses("people")[1].replace("tcp://", "ws://") + "/";
    let mut python = Command::new(python());
    python.arg(workspace().join("tests/peers/websocket_bridge.py"));
    python.args([&url, "from the web", "from the web"]);
    let outcome = finish(python);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ok\n"), "{outcome:?}");
    ann.expect("from the web\n");
}

/// RFC 9110, 7.8 and 15.5.22.
#[test]
fn who_asks_for_a_page_is_told_to_upgrade() {
    let people = Plugin::named("people", &component("amqp-bridge"));
    let web = Listen::tcp("people").key("handler", "\"web\"");
    let host = Host::start(&Config::new().plugin(people).listen(web));
    for (request, connection) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "Upgrade"),
        ("POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "Upgrade"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", "Upgrade"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "Upgrade, close"),
    ] {
        let mut peer = host.connect("people");
        peer.send(request);
        peer.finish();
        let answer = String::from_utf8(peer.rest()).expect("text");
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
        assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
        assert!(answer.contains(&format!("\r\nConnection: {connection}\r\n")), "{answer}");
    }
}

#[test]
fn a_line_waits_while_the_broker_is_away() {
    let mut broker = Broker::start();
    let host = Host::start(&bridge(&broker.uri(), "replies"));
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
