//! `amqp-print`: the last program of EventMachine's slides.

use sandloop_tests::{Config, Host, Isolation, Plugin, pika::Pika, rabbitmq::Broker, sandloop};
use serde_json::json;

use super::address_of;

#[test]
fn each_message_of_the_exchange_is_a_line() {
    let vhost = Broker::shared().vhost();
    let host = printing(&vhost.uri);

    let mut pika = Pika::connect(&vhost.uri);
    // The program has declared them when its consumer is there.
    bound(&mut pika);
    for body in ["first", "two\nlines", "\u{1b}[2Jthird"] {
        pika.call(
            json!({"do": "publish", "exchange": "test-xchange", "routing_key": "", "body": body}),
        );
    }
    assert_eq!(host.wait_printed_lines(3), ["first", "two\\nlines", "\\u{1b}[2Jthird"]);
    host.stop();
}

/// Texts that are not UTF-8, and a consumer that the broker ends: each next message is printed all the same.
#[test]
fn what_comes_from_others_and_what_the_broker_ends_stops_nothing() {
    let vhost = Broker::shared().vhost();
    let host = printing(&vhost.uri);
    let mut pika = Pika::connect(&vhost.uri);
    bound(&mut pika);
    let bytes = json!({"bytes": "\u{9c}\u{80}\u{ff}\u{1}"});
    let mut printed = 0;
    for properties in [
        json!({"correlation_id": bytes.clone()}),
        json!({"message_id": bytes.clone(), "content_type": bytes.clone()}),
        json!({"type": bytes.clone(), "app_id": bytes}),
    ] {
        pika.call(json!({"do": "publish", "exchange": "test-xchange", "routing_key": "",
            "body": "of others", "properties": properties}));
        printed += 1;
        assert_eq!(host.wait_printed_lines(printed).last().map(String::as_str), Some("of others"));
    }
    for time in 1..=2 {
        pika.call(json!({"do": "queue_delete", "queue": "test-queue"}));
        host.wait_lines("again in", time, |line| {
            line.0.contains("; again in") && line.0.contains("ended the consumer")
        });
        bound(&mut pika);
        pika.call(json!({"do": "publish", "exchange": "test-xchange", "routing_key": "", "body": "later"}));
        printed += 1;
        assert_eq!(host.wait_printed_lines(printed).last().map(String::as_str), Some("later"));
    }
    host.stop();
}

/// A host whose plugin prints this broker's messages.
fn printing(uri: &str) -> Host {
    let plugin = Plugin::new("amqp-print")
        .isolation(Isolation::Plugin)
        .prints()
        .option("uri", uri)
        .may_connect(&[address_of(uri)]);
    Host::start(&Config::new().plugin(plugin))
}

/// The exchange and the queue of the plugin, as it declares them.
fn bound(pika: &mut Pika) {
    pika.call(
        json!({"do": "exchange_declare", "exchange": "test-xchange", "exchange_type": "fanout"}),
    );
    pika.queue("test-queue");
    pika.call(json!({"do": "queue_bind", "queue": "test-queue", "exchange": "test-xchange"}));
}

#[test]
fn a_wrong_uri_stops_the_start_and_is_not_shown() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plugin = Plugin::new("amqp-print")
        .isolation(Isolation::Plugin)
        .option("uri", "amqp://user:secret@broker:port");
    let file = dir.path().join("plugins.toml");
    std::fs::write(&file, Config::new().plugin(plugin).to_toml()).expect("a new file");
    let outcome = sandloop(dir.path(), &["check", "plugins.toml"]);
    assert_ne!(outcome.code, Some(0), "{outcome:?}");
    let words = "option `uri`: the broker's URI cannot be read: invalid port number; write \
                 amqp://user:password@host:5672/vhost";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
}
