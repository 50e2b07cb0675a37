//! Each method of AMQP at least once, seen by pika or by the broker itself.

use sandloop_tests::{Isolation, pika::Pika, rabbitmq::Broker};
use serde_json::json;

use super::{Calls, address_of};

each_isolation!(what_is_asked_for_before_the_connection_is_open_is_done_in_order);
fn what_is_asked_for_before_the_connection_is_open_is_done_in_order(isolation: Isolation) {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::start_in(isolation, address_of(&vhost.uri));
    calls.say(&format!("b connect {}", vhost.uri));
    calls.say("c channel c");
    calls.say("x exchange x c kind=fanout durable");
    calls.say("q queue q c durable");
    calls.say("bind bind q x");
    calls.say("s consume q no_ack");
    calls.say("p publish x body=hello");
    for answer in ["b ok", "x ok", "q ok q messages=0 consumers=0", "bind ok", "s ok", "p ok"] {
        calls.expect(answer);
    }
    calls.expect("s delivered 1 x/ hello");
    calls.ask("end close", "ok");
    calls.expect_no_more();
}

#[test]
fn a_broker_may_know_the_user_by_the_connection() {
    let broker = Broker::start();
    broker.offer_external();
    let mut calls = Calls::at(&format!("{}?auth_mechanism=external", broker.uri()));
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
}

#[test]
fn each_type_of_exchange_has_its_rule() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    for name in ["one", "two"] {
        let declared = format!("ok {name} messages=0 consumers=0");
        calls.ask(&format!("{name} queue {name} c exclusive"), &declared);
        calls.ask(&format!("s{name} consume {name} no_ack"), "ok");
    }
    let mut check = |exchange: &str, one: &str, two: &str, publish: &str, gets: &[&str]| {
        calls.ask(&format!("x exchange x c {exchange}"), "ok");
        calls.ask(&format!("b1 bind one x {one}"), "ok");
        calls.ask(&format!("b2 bind two x {two}"), "ok");
        calls.ask(&format!("p publish x body=m {publish}"), "ok");
        for queue in gets {
            let line = calls.next(&format!("s{queue}"));
            assert!(line.starts_with(&format!("s{queue} delivered ")), "{exchange}: {line}");
        }
        // An unexpected message would come before this.
        calls.ask("d exchange d c default", "ok");
        for queue in ["one", "two"] {
            calls.ask(&format!("p publish d key={queue} body=end"), "ok");
            let line = calls.next(&format!("s{queue}"));
            assert!(line.contains(&format!(" /{queue} end")), "{exchange}: {line}");
        }
        calls.ask(&format!("u1 unbind one x {one}"), "ok");
        calls.ask(&format!("u2 unbind two x {two}"), "ok");
        calls.ask("dx delete_exchange x if_unused", "ok");
    };
    check("kind=direct name=a", "key=a", "key=b", "key=b", &["two"]);
    check("kind=fanout name=b", "", "", "key=any", &["one", "two"]);
    check("kind=topic name=c", "key=stock.*", "key=#", "key=stock.nyse", &["one", "two"]);
    check("kind=topic name=d", "key=stock.*", "key=stock.#", "key=stock.a.b", &["two"]);
    check(
        "kind=headers name=e",
        "arg:x-match=all arg:a=1 arg:b=2",
        "arg:x-match=any arg:a=1 arg:b=2",
        "header:a=1",
        &["two"],
    );
}

#[test]
fn an_exchange_can_be_bound_to_an_exchange() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("from exchange from c kind=topic", "ok");
    calls.ask("to exchange to c kind=fanout", "ok");
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
    calls.ask("b1 bind q to", "ok");
    calls.ask("b2 bind_exchange to from key=a.#", "ok");
    calls.ask("p publish from key=a.b body=there", "ok");
    calls.ask("s consume q no_ack", "ok");
    calls.expect("s delivered 1 from/a.b there");
    calls.ask("u unbind_exchange to from key=a.#", "ok");
    calls.ask("p publish from key=a.b mandatory body=nowhere", "ok");
    calls.expect("c returned 312 NO_ROUTE a.b nowhere");
}

#[test]
fn a_queue_is_declared_looked_at_purged_and_deleted() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    // Confirmed messages are in the queue; sent ones may be in flight.
    calls.ask("cf confirm c", "ok");
    calls.ask("q queue q c durable arg:x-max-length=3", "ok q messages=0 consumers=0");
    calls.ask("p publish d key=q body=m count=5", "ok");
    for _ in 1..5 {
        calls.expect("p ok");
    }
    calls.ask("st status q", "ok q messages=3 consumers=0");
    calls.ask("again queue q c durable passive", "ok q messages=3 consumers=0");
    calls.ask("pu purge q", "ok 3");
    calls.ask("p publish d key=q body=m", "ok");
    calls.ask("del delete_queue q", "ok 1");

    calls.say("own queue own c exclusive auto_delete name=");
    assert!(calls.next("own").starts_with("own ok amq.gen-"));
}

#[test]
fn the_broker_names_a_queue() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.say("q queue q c exclusive name=");
    // Both wait for the name.
    calls.say("x exchange x c kind=fanout");
    calls.say("bind bind q x");
    calls.say("s consume q no_ack");
    let line = calls.next("q");
    assert!(line.starts_with("q ok amq.gen-"), "{line}");
    let name = line.split(' ').nth(2).unwrap_or_default().to_owned();
    for answer in ["x ok", "bind ok", "s ok"] {
        calls.expect(answer);
    }
    calls.ask("n queue_name q", &format!("ok {name}"));
    calls.ask("p publish x body=for-all", "ok");
    calls.expect("s delivered 1 x/ for-all");
}

#[test]
fn every_property_arrives() {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    pika.queue("q");
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    let properties = "content_type=text/plain content_encoding=identity correlation_id=c reply_to=r expiration=60000 \
                      message_id=m type=t user_id=guest app_id=a delivery_mode=2 priority=3 timestamp=1700000000";
    calls.ask(&format!("p publish d key=q body=b {properties} header:n=7 header:s=text"), "ok");
    let got = pika.call(json!({"do": "consume", "queue": "q", "count": 1}));
    assert_eq!(
        got[0]["properties"],
        json!({
            "content_type": "text/plain", "content_encoding": "identity", "correlation_id": "c", "reply_to": "r",
            "expiration": "60000", "message_id": "m", "type": "t", "user_id": "guest", "app_id": "a",
            "delivery_mode": 2, "priority": 3, "timestamp": got[0]["properties"]["timestamp"],
            "headers": {"n": 7, "s": "text"},
        })
    );
    pika.call(json!({"do": "cancel"}));

    // With its confirm the message is in the queue.
    pika.call(json!({"do": "confirm_delivery"}));
    pika.call(json!({"do": "publish", "exchange": "", "routing_key": "q", "body": "b",
        "properties": got[0]["properties"]}));
    calls.ask("q queue q c passive", "ok q messages=1 consumers=0");
    calls.ask(
        "g get q no_ack",
        &format!("ok 1 /q b {properties} header:n=I32(7) header:s=Text(\"text\")"),
    );
}

#[test]
fn a_message_of_any_size_arrives() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::with(&format!("{}?frame_max=4096", vhost.uri), "");
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
    calls.ask("s consume q no_ack", "ok");
    calls.ask("p publish d key=q body= times=0", "ok");
    calls.expect("s delivered 1 /q");
    for (number, times) in [(2, 1), (3, 511), (4, 512), (5, 100_000)] {
        calls.ask(&format!("p publish d key=q body=eightbit times={times}"), "ok");
        let body = if times == 1 { "eightbit".to_owned() } else { (times * 8).to_string() };
        calls.expect(&format!("s delivered {number} /q {body}"));
    }
}

#[test]
fn what_is_delivered_is_settled() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("qos prefetch c count=3", "ok");
    for body in ["a", "b", "c", "d", "e"] {
        calls.ask(&format!("p publish d key=q body={body}"), "ok");
    }
    calls.ask("s consume q", "ok");
    for line in ["s delivered 1 /q a", "s delivered 2 /q b", "s delivered 3 /q c"] {
        calls.expect(line);
    }
    // No more than three at a time: the fourth comes with the first acknowledgement.
    calls.say("- ack 1");
    calls.expect("s delivered 4 /q d");
    calls.say("- reject 2 requeue");
    calls.expect("s delivered 5 again /q b");
    calls.say("- nack 3");
    calls.expect("s delivered 6 /q e");
    calls.ask("off cancel s", "ok");
    calls.say("- ack_all 6");
    // Everything is settled: nothing comes again.
    calls.ask("st status q", "ok q messages=0 consumers=0");
    calls.ask("end close", "ok");
    let mut pika = Pika::connect(&vhost.uri);
    assert_eq!(pika.waiting("q"), 0);
}

#[test]
fn what_is_not_settled_can_be_recovered() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
    calls.ask("qos prefetch c count=2 global", "ok");
    calls.ask("p publish d key=q body=a", "ok");
    calls.ask("p publish d key=q body=b", "ok");
    calls.ask("g get q", "ok 1 /q a");
    calls.ask("g get q", "ok 2 /q b");
    calls.ask("g get q", "ok nothing");
    calls.ask("r recover c requeue", "ok");
    calls.ask("g get q", "ok 3 again /q a");
    calls.ask("g get q", "ok 4 again /q b");
    calls.say("- nack_all 4 requeue");
    calls.ask("g get q no_ack", "ok 5 again /q a");
    calls.ask("fl flow c active", "ok");
}

#[test]
fn what_the_broker_takes_is_confirmed() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask(
        "q queue q c durable arg:x-max-length=2 arg:x-overflow=reject-publish",
        "ok q messages=0 consumers=0",
    );
    calls.ask("cf confirm c", "ok");
    calls.ask("p1 publish d key=q body=a persistent", "ok");
    calls.ask("p2 publish d key=q body=b persistent", "ok");
    // The queue is full: the broker refuses.
    calls.ask("p3 publish d key=q body=c persistent", "failed nacked");
    // A message without a route is confirmed too, after it was returned.
    calls.say("p4 publish d key=nowhere mandatory body=d");
    calls.expect("c returned 312 NO_ROUTE nowhere d");
    calls.expect("p4 ok");
    calls.ask("n buffered", "ok 0");
}

#[test]
fn a_transaction_is_whole_or_nothing() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    let mut pika = Pika::connect(&vhost.uri);
    pika.queue("q");
    calls.ask("d exchange d c default", "ok");
    calls.ask("tx tx_select c", "ok");
    calls.ask("p publish d key=q body=a", "ok");
    calls.ask("rb tx_rollback c", "ok");
    calls.ask("p publish d key=q body=b", "ok");
    assert_eq!(pika.waiting("q"), 0);
    calls.ask("co tx_commit c", "ok");
    assert_eq!(pika.waiting("q"), 1);
    // An acknowledgement too happens with the commit, or not at all.
    calls.ask("q queue q c passive", "ok q messages=1 consumers=0");
    calls.ask("g get q", "ok 1 /q b");
    calls.say("- ack 1");
    calls.ask("co tx_commit c", "ok");
    calls.ask("end close", "ok");
    assert_eq!(pika.waiting("q"), 0);
    calls.expect_no_more();
}

#[test]
fn a_consumer_that_loses_its_queue_is_told() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    let mut pika = Pika::connect(&vhost.uri);
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("s consume q no_ack tag=mine", "ok");
    pika.call(json!({"do": "queue_delete", "queue": "q"}));
    calls.expect("s cancelled");
    // The channel continues.
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
}

#[test]
fn channels_go_their_own_ways_and_close() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.say("e channel e");
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q e exclusive", "ok q messages=0 consumers=0");
    calls.ask("s consume q", "ok");
    calls.ask("p publish d key=q body=a", "ok");
    calls.expect("s delivered 1 /q a");
    // Messages that were not settled on it are ready again.
    calls.ask("cl close_channel e", "ok");
    calls.expect("e channel_closed closed");
    calls.say("qq queue qq c name=q exclusive");
    assert!(calls.next("qq").starts_with("qq ok q "));
    calls.ask("t consume qq no_ack", "ok");
    calls.expect("t delivered 2 again /q a");
    calls.ask("late queue late e", "failed closed");
    calls.ask("end close", "ok");
    calls.ask("late queue late c", "failed closed");
}

#[test]
fn a_broker_that_is_short_of_memory_is_not_sent_messages() {
    // A broker of its own: all publishers of a shared one would be held.
    let broker = Broker::start();
    let mut calls = Calls::at(&broker.uri());
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c durable", "ok q messages=0 consumers=0");
    calls.ask("cf confirm c", "ok");
    broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]);
    calls.say("p publish d key=q body=a");
    // RabbitMQ reports this to publishers.
    let line = calls.next("b");
    assert!(line.starts_with("b blocked low on memory"), "{line}");
    calls.say("p publish d key=q body=b");
    broker.ctl(&["set_vm_memory_high_watermark", "0.9"]);
    calls.expect("b unblocked");
    calls.expect("p ok");
    calls.expect("p ok");
    calls.ask("st status q", "ok q messages=2 consumers=0");
}
