//! The broker of other tests, with pika as its client: it starts, keeps durable data, and leaves nothing behind.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use sandloop_tests::host::finish;
use sandloop_tests::paths::{python_with, workspace};
use sandloop_tests::pika::{Pika, Refusal};
use sandloop_tests::rabbitmq::Broker;
use sandloop_tests::until;
use serde_json::{Value, json};

/// The processes with this directory in their environment.
fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().expect("a path in UTF-8");
    let processes = fs::read_dir("/proc").expect("a /proc").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        // A process may end meanwhile, and those of other users cannot be read.
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(dir).then_some(path)
    });
    processes.map(|path| fs::read_to_string(path.join("stat")).unwrap_or_default()).collect()
}

/// Waits until there are none: a killed one exists until the kernel has removed it.
#[track_caller]
fn wait_none_of(dir: &Path) {
    until(|| processes_of(dir).is_empty().then_some(()), || format!("{:?}", processes_of(dir)));
}

#[test]
fn what_pika_publishes_pika_consumes() {
    let vhost = Broker::shared().vhost();
    let mut publisher = Pika::connect(&vhost.uri);
    let mut consumer = Pika::connect(&vhost.uri);
    consumer.queue("q");
    publisher.call(json!({"do": "confirm_delivery"}));
    let properties = json!({
        "content_type": "text/plain", "content_encoding": "identity", "delivery_mode": 2, "priority": 3,
        "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m", "timestamp": 1_700_000_000,
        "type": "t", "user_id": "guest", "app_id": "a", "cluster_id": "x",
        "headers": {"text": "h\u{e9}", "number": -7, "yes": true, "nothing": null, "list": [1, "two"],
            "table": {"a": 1}, "when": {"timestamp": 5}, "exact": {"decimal": "1.5"}, "raw": {"bytes": "\u{ff}"}},
    });
    publisher
        .call(json!({"do": "publish", "exchange": "", "routing_key": "q", "body": "\u{0}\u{ff}",
        "properties": properties}));
    let messages = consumer.call(json!({"do": "consume", "queue": "q", "count": 1}));
    let message = &messages[0];
    assert_eq!(message["body"], "\u{0}\u{ff}");
    assert_eq!(message["redelivered"], false);
    assert_eq!(message["properties"], properties);

    // Acknowledged messages do not come again, and messages come in the order of publishing.
    for number in 0..10 {
        publisher.publish("q", &number.to_string());
    }
    let numbers = (0..10).map(|number| number.to_string()).collect::<Vec<_>>();
    assert_eq!(consumer.bodies("q", 10), numbers);
    assert_eq!(publisher.waiting("q"), 0);
    assert_eq!(publisher.call(json!({"do": "get", "queue": "q"})), json!(null));
}

#[test]
fn what_the_broker_says_without_being_asked_reaches_the_test() {
    let vhost = Broker::shared().vhost();
    let (mut one, mut other) = (Pika::connect(&vhost.uri), Pika::connect(&vhost.uri));
    let missing =
        Refusal { code: 404, text: format!("NOT_FOUND - no queue 'q' in vhost '{}'", vhost.name) };
    assert_eq!(one.refused(json!({"do": "get", "queue": "q"})), missing);
    one.call(json!({"do": "channel"}));

    let lost = json!({"do": "publish", "exchange": "", "routing_key": "q", "body": "x", "mandatory": true});
    one.call(lost.clone());
    let returned = one.call(json!({"do": "returned"}));
    assert_eq!((&returned["reply_code"], &returned["body"]), (&json!(312), &json!("x")));
    one.call(json!({"do": "confirm_delivery"}));
    assert_eq!(one.refused(lost), Refusal { code: 312, text: "NO_ROUTE".to_owned() });

    one.queue("q");
    other.publish("q", "first");
    one.call(json!({"do": "consume", "queue": "q", "count": 1}));
    one.tell(json!({"do": "cancelled", "queue": "q"}));
    other.call(json!({"do": "queue_delete", "queue": "q"}));
    assert_eq!(one.answer(), Ok(json!(null)));
}

#[test]
fn a_virtual_host_is_the_test_s_own() {
    let broker = Broker::shared();
    let (mine, yours) = (broker.vhost(), broker.vhost());
    Pika::connect(&mine.uri).queue("q");
    let listed =
        |vhost: &str| broker.ctl(&["list_queues", "--vhost", vhost, "--no-table-headers", "name"]);
    assert_eq!((listed(&mine.name).as_str(), listed(&yours.name).as_str()), ("q\n", ""));

    let mut connected = Pika::connect(&mine.uri);
    broker.ctl(&["close_all_connections", "--vhost", &mine.name, "enough"]);
    let closed = connected.refused(json!({"do": "closed"}));
    assert_eq!(closed, Refusal { code: 320, text: "CONNECTION_FORCED - enough".to_owned() });
    let refused = Pika::try_connect(&broker.uri_for("nobody:x", &mine.name)).unwrap_err();
    assert_eq!(refused.code, 403, "{refused:?}");
}

#[test]
fn a_restart_and_a_crash_keep_what_is_persistent() {
    let mut broker = Broker::start();
    let mut pika = Pika::connect(&broker.uri());
    pika.queue("q");
    pika.call(json!({"do": "confirm_delivery"}));
    pika.publish("q", "persistent");
    pika.call(json!({"do": "publish", "exchange": "", "routing_key": "q", "body": "transient"}));
    let address = broker.address();
    broker.restart();
    assert_eq!(broker.address(), address);
    let closed = pika.refused(json!({"do": "closed"}));
    assert_eq!(closed.code, 320, "{closed:?}");

    let mut pika = Pika::connect(&broker.uri());
    pika.call(json!({"do": "confirm_delivery"}));
    pika.publish("q", "before the crash");
    broker.kill();
    broker.start_again();
    let bodies = Pika::connect(&broker.uri()).bodies("q", 2);
    assert_eq!(bodies, ["persistent", "before the crash"]);
}

#[test]
fn a_memory_alarm_blocks_who_publishes() {
    let broker = Broker::start();
    let mut pika = Pika::connect(&broker.uri());
    broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    pika.call(json!({"do": "publish", "exchange": "", "routing_key": "q", "body": "x"}));
    pika.call(json!({"do": "is_blocked", "expected": true}));
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    pika.call(json!({"do": "is_blocked", "expected": false}));
}

#[test]
fn external_is_offered_where_a_test_wants_it() {
    let broker = Broker::start();
    let refused = Pika::try_external(&broker.uri()).unwrap_err();
    assert!(refused.text.contains("AuthenticationError"), "{refused:?}");
    broker.offer_external();
    Pika::try_external(&broker.uri()).expect("guest may").queue("q");
    Pika::connect(&broker.uri()).queue("q");
}

#[test]
fn the_peer_of_the_measurement_counts_every_message() {
    let vhost = Broker::shared().vhost();
    let mut bench = Command::new(python_with("pika"));
    bench.arg(workspace().join("benches/peers/amqp.py")).args([&vhost.uri, "2500"]);
    let outcome = finish(bench);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let told = outcome.stdout.strip_prefix("begin\n").expect("it says when it begins");
    let told: Value = serde_json::from_str(told).expect("JSON");
    assert_eq!(told["messages"], 2500);
    assert!(0.0 < told["cpu_seconds"].as_f64().expect("a number"), "{told}");
    assert_eq!(Pika::connect(&vhost.uri).waiting("bench"), 0);
}

#[test]
fn nothing_of_it_is_left() {
    let broker = Broker::start();
    let dir = broker.dir().to_owned();
    // It checks for Erlang's port mapper once a minute, and would start one, which stays. The second answer comes after its
    // check.
    broker.eval("rabbit_epmd_monitor ! check");
    broker.eval("sys:get_state(rabbit_epmd_monitor)");
    let process = format!("{} (", broker.pid());
    assert!(processes_of(&dir).iter().any(|stat| stat.starts_with(&process)));
    drop(broker);
    wait_none_of(&dir);
    assert!(!dir.exists());
}

#[test]
fn the_shared_one_ends_with_the_process() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut tests = Command::new(env::current_exe().expect("the test's program"));
    tests.arg("what_pika_publishes_pika_consumes").env("TMPDIR", dir.path());
    // Its keeper has the standard error, so this waits for the keeper's end too.
    let outcome = finish(tests);
    assert!(outcome.stdout.contains("1 passed"), "{outcome:?}");
    wait_none_of(dir.path());
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
}
