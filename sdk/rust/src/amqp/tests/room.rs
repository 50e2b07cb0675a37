//! A broker that does not read.

use super::*;
use crate::amqp::QueueOptions;

/// The host does not read a connection whose outbox is above `outbox_high`, 64 KiB by default.
const HEARD: usize = 48 * 1024;

/// One that has an open channel, and reads nothing any more.
fn deaf() -> (World, crate::amqp::Channel) {
    let world = World::open();
    let channel = world.connection.channel();
    advance(Duration::ZERO);
    world.link().receive(CHANNEL_OPEN_OK);
    world.take_sent();
    world.wire().borrow_mut().fills = true;
    (world, channel)
}

#[test]
fn a_broker_that_reads_nothing_is_heard() {
    let (world, channel) = deaf();
    let exchange = channel.default_exchange();
    let blocked = Rc::new(RefCell::new(String::new()));
    let keep = blocked.clone();
    world.connection.on_blocked(move |reason| reason.clone_into(&mut keep.borrow_mut()));
    for size in [10, 1000, 100_000, 1_000_000] {
        for _ in 0..5 {
            let _ = exchange.try_publish(Message::new(vec![7; size]).key("q"));
        }
        channel.queue("q", QueueOptions::default());
        advance(Duration::from_millis(200));
        assert!(world.wire().borrow().outbound <= HEARD, "{size}");
    }
    // It is there as long as it says so, though it does not read for an hour.
    world.says(0, (10, 60), b"\x06memory");
    assert_eq!(*blocked.borrow(), "memory");
    for _ in 0..360 {
        advance(10 * SECOND);
        world.link().receive(HEARTBEAT);
        assert!(world.wire().borrow().outbound <= HEARD);
    }
    assert_eq!(world.wire().borrow().ended, None);
}

#[test]
fn a_broker_that_reads_slowly_gets_everything() {
    let (world, channel) = deaf();
    channel.default_exchange().publish(Message::new(vec![7; 1_000_000]).key("q"));
    for _ in 0..200 {
        advance(Duration::from_millis(100));
        assert!(world.wire().borrow().outbound <= HEARD);
        let left = world.wire().borrow().outbound.saturating_sub(20_000);
        world.wire().borrow_mut().outbound = left;
        world.link().receive(HEARTBEAT);
    }
    assert!(1_000_000 < world.take_sent().len());
}

#[test]
fn a_blocked_broker_gets_no_message() {
    let world = World::open();
    let channel = world.connection.channel();
    advance(Duration::ZERO);
    world.link().receive(CHANNEL_OPEN_OK);
    world.says(0, (10, 60), b"\x06memory");
    world.take_sent();
    channel.default_exchange().publish(Message::new("m").key("q"));
    advance(5 * SECOND);
    assert!(!find(&world.take_sent(), &[0, 60, 0, 40]));
    world.says(0, (10, 61), b"");
    assert!(world.has_heard((60, 40), "m"));
}

#[test]
fn a_broker_that_is_dead_is_left_at_once() {
    let (world, channel) = deaf();
    channel.default_exchange().publish(Message::new(vec![7; 100_000]).key("q"));
    advance(25 * SECOND);
    assert_eq!(world.wire().borrow().ended, Some("closed"));
}
