//! A connection that is lost is made again, with everything that was declared on it.

use sandloop_tests::{pika::Pika, rabbitmq::Broker};
use serde_json::json;

use super::Calls;

/// Has the broker close every connection of a virtual host, as an operator does.
fn close_all(broker: &Broker, vhost: &str) {
    broker.ctl(&["close_all_connections", "--vhost", vhost, "for a test"]);
}

#[test]
fn everything_is_there_again() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.say("e channel e");
    calls.ask("qos prefetch c count=1", "ok");
    calls.ask("from exchange from e kind=topic", "ok");
    calls.ask("to exchange to c kind=fanout auto_delete", "ok");
    calls.ask("b1 bind_exchange to from key=a.#", "ok");
    calls.say("own queue own c exclusive name=");
    let before = calls.next("own");
    calls.ask("b2 bind own to", "ok");
    calls.ask("s consume own", "ok");
    // What was deleted before is not declared again.
    calls.ask("q queue q c", "ok q messages=0 consumers=0");
    calls.ask("t consume q no_ack", "ok");
    calls.ask("b3 bind q to", "ok");
    calls.ask("off cancel t", "ok");
    calls.ask("del delete_queue q", "ok 0");

    close_all(broker, &vhost.name);
    calls.expect("b interrupted 320 CONNECTION_FORCED - for a test");
    calls.expect("b recovered");

    // The queue that the broker has named has another name, and is bound and consumed under it.
    calls.say("n queue_name own");
    let after = calls.next("n");
    assert!(after.starts_with("n ok amq.gen-"), "{after}");
    assert_ne!(before.split(' ').nth(2), after.split(' ').nth(2));
    calls.ask("p publish from key=a.b body=one", "ok");
    calls.ask("p publish from key=a.b body=two", "ok");
    calls.expect("s delivered 1 from/a.b one");
    // The quality of service applies again: the second message waits for the first.
    let mut pika = Pika::connect(&vhost.uri);
    let name = after.split(' ').nth(2).unwrap_or_default();
    assert!(
        pika.refused(json!({"do": "queue_declare", "queue": name, "passive": true})).code == 405
    );
    calls.say("- ack 1");
    calls.expect("s delivered 2 from/a.b two");
    calls.ask(
        "no queue no c name=q passive",
        &format!("failed channel 404 NOT_FOUND - no queue 'q' in vhost '{}'", vhost.name),
    );
}

#[test]
fn an_acknowledgement_for_a_connection_that_is_gone_is_harmless() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("p publish d key=q body=m persistent", "ok");
    calls.ask("s consume q", "ok");
    calls.expect("s delivered 1 /q m delivery_mode=2");
    close_all(broker, &vhost.name);
    calls.expect("b interrupted 320 CONNECTION_FORCED - for a test");
    calls.expect("b recovered");
    calls.expect("s delivered 2 again /q m delivery_mode=2");
    calls.say("- ack 1");
    calls.say("- ack 2");
    calls.ask("st status q", "ok q messages=0 consumers=1");
}

#[test]
fn what_is_asked_for_while_the_broker_is_away_waits() {
    let mut broker = Broker::start();
    let mut calls = Calls::at(&broker.uri());
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("cf confirm c", "ok");
    broker.stop();
    // With a text, or without if it has gone too fast.
    assert!(calls.next("b").starts_with("b interrupted "));
    for number in 0..10 {
        calls.say(&format!("p{number} publish d key=q body={number} persistent"));
    }
    broker.start_again();
    for number in 0..10 {
        calls.expect(&format!("p{number} ok"));
    }
    calls.ask("st status q", "ok q messages=10 consumers=0");
    let bodies: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let mut pika = Pika::connect(&broker.uri());
    assert_eq!(pika.bodies("q", 10), bodies);
}

#[test]
fn what_a_crash_left_unconfirmed_is_sent_again() {
    let mut broker = Broker::start();
    let mut calls = Calls::at(&broker.uri());
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("cf confirm c", "ok");
    broker.kill();
    for number in 0..5 {
        calls.say(&format!("p{number} publish d key=q body={number} persistent"));
    }
    broker.start_again();
    for number in 0..5 {
        calls.expect(&format!("p{number} ok"));
    }
    let mut pika = Pika::connect(&broker.uri());
    assert_eq!(pika.bodies("q", 5), ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_transaction_does_not_outlive_its_connection() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("tx tx_select c", "ok");
    calls.ask("p publish d key=q body=lost", "ok");
    close_all(broker, &vhost.name);
    calls.expect("b interrupted 320 CONNECTION_FORCED - for a test");
    calls.expect("b recovered");
    calls.ask("p publish d key=q body=half", "ok");
    calls.ask(
        "co tx_commit c",
        "failed lost what the transaction had was lost with an earlier connection",
    );
    calls.ask("rb tx_rollback c", "ok");
    calls.ask("p publish d key=q body=whole", "ok");
    calls.ask("co tx_commit c", "ok");
    assert_eq!(Pika::connect(&vhost.uri).bodies("q", 1), ["whole"]);
}

#[test]
fn without_recovery_the_end_is_the_end() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut calls = Calls::with(&vhost.uri, "once");
    calls.ask("q queue q c", "ok q messages=0 consumers=0");
    close_all(broker, &vhost.name);
    let failure = "connection 320 CONNECTION_FORCED - for a test";
    calls.expect(&format!("c channel_closed {failure}"));
    calls.expect(&format!("b over {failure}"));
}
