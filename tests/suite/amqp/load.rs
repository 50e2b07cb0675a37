//! Many messages, and a broker that is restarted among them.

use sandloop_tests::{Config, Host, Isolation, Plugin, rabbitmq::Broker};

/// Messages of 1 KiB.
const COUNT: usize = 100_000;

#[test]
fn nothing_is_lost_while_the_broker_is_restarted() {
    let mut broker = Broker::start();
    let plugin = Plugin::new("amqp_load")
        .isolation(Isolation::Plugin)
        .prints()
        .option("uri", &broker.uri())
        .option("count", &COUNT.to_string())
        // Far less than all of them take: a publisher that is faster than the broker is held back.
        .limit("memory", "\"16MiB\"")
        .may_connect(&[&broker.address()]);
    let host = Host::start(&Config::new().plugin(plugin));
    host.wait_printed(&format!("confirmed {}", COUNT * 3 / 10));
    broker.restart();
    for tenth in 4..=10 {
        host.wait_printed(&format!("confirmed {}", COUNT * tenth / 10));
    }
    let done = host.wait_printed_start("done in ");
    // Messages in flight may come again; none is missing, and none comes before an earlier one.
    let (time, counts) = done.split_once(": ").expect("what came");
    let words: Vec<&str> = counts.split(' ').collect();
    assert_eq!(words[0], format!("received={COUNT}"), "{done}");
    assert_eq!(words[2], "missing=0", "{done}");
    let again: usize = words[1].trim_start_matches("again=").parse().expect("a number");
    assert!(again <= 2000, "more than was under way: {done}");
    println!("{time}, {again} again");
}
