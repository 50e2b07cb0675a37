//! Channels and consumers that the broker ends.

use super::*;
use crate::amqp::{Channel, Consumer, QueueOptions};

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8][..], text.as_bytes()].concat()
}

fn opened(world: &World, channel: u8) {
    advance(Duration::ZERO);
    world.says(channel, (20, 11), &[0; 4]);
}

fn consume(channel: &Channel) -> Consumer {
    channel.queue("q", QueueOptions::durable()).subscribe(|_| {})
}

fn confirm(world: &World, channel: u8, consumer: &Consumer) {
    advance(Duration::ZERO);
    world.says(channel, (50, 11), &[&short("q")[..], &[0; 8]].concat());
    world.says(channel, (60, 21), &short(consumer.tag()));
}

fn cancel(world: &World, channel: u8, consumer: &Consumer) {
    world.says(channel, (60, 30), &[&short(consumer.tag())[..], &[1]].concat());
}

/// `channel.close`
fn close(world: &World, channel: u8, code: u16) {
    world.says(channel, (20, 40), &[&code.to_be_bytes()[..], &short("WHY"), &[0; 4]].concat());
}

/// A channel that is kept, and what was consumed on each.
fn kept() -> (World, Rc<RefCell<Vec<Consumer>>>) {
    let world = World::open();
    let consumers = Rc::new(RefCell::new(Vec::new()));
    let keep = consumers.clone();
    world.connection.keep_channel(move |channel| keep.borrow_mut().push(consume(channel)));
    opened(&world, 1);
    let first = consumers.borrow()[0].clone();
    confirm(&world, 1, &first);
    world.take_sent();
    (world, consumers)
}

#[test]
fn without_a_hook_the_log_has_the_end_of_a_consumer() {
    let world = World::open();
    let channel = world.connection.channel();
    opened(&world, 1);
    let consumer = consume(&channel);
    confirm(&world, 1, &consumer);
    cancel(&world, 1, &consumer);
    let (_, line) = logged().pop().expect("a line");
    let tag = consumer.tag();
    assert_eq!(line, format!("the broker has ended the consumer {tag:?} of the queue \"q\""));
}

#[test]
fn a_consumer_is_told_that_it_has_ended_however_that_was() {
    for end in ["cancel", "404", "406"] {
        let world = World::open();
        let channel = world.connection.channel();
        opened(&world, 1);
        let consumer = consume(&channel);
        let told = Rc::new(RefCell::new(0));
        let count = told.clone();
        consumer.on_cancel(move || *count.borrow_mut() += 1);
        confirm(&world, 1, &consumer);
        match end {
            "cancel" => cancel(&world, 1, &consumer),
            code => close(&world, 1, code.parse().unwrap()),
        }
        assert_eq!(*told.borrow(), 1, "{end}");
    }
}

#[test]
fn a_kept_channel_is_set_up_again_however_it_ended() {
    for end in ["cancel", "404", "406"] {
        let (world, consumers) = kept();
        let first = consumers.borrow()[0].clone();
        match end {
            "cancel" => {
                cancel(&world, 1, &first);
                assert!(world.has_heard((20, 40), ""), "the old channel is closed");
                world.says(1, (20, 41), b"");
            }
            code => close(&world, 1, code.parse().unwrap()),
        }
        let (_, line) = logged().into_iter().rfind(|(_, line)| line.contains("again in")).unwrap();
        assert!(line.starts_with("the broker "), "{line}");
        assert_eq!(consumers.borrow().len(), 1, "not at once");
        advance(SECOND);
        opened(&world, 1);
        assert!(world.has_heard((50, 10), "q"), "{end}");
        let second = consumers.borrow()[1].clone();
        confirm(&world, 1, &second);
        assert!(second.deferrable().is_settled());
        // A new connection has it once.
        world.link().unbind(CloseReason::Reset);
        advance(SECOND);
        world.greet();
        world.says(1, (20, 11), &[0; 4]);
        let sent = world.take_sent();
        assert_eq!(sent.windows(4).filter(|bytes| *bytes == [0, 50, 0, 10]).count(), 1);
    }
}

#[test]
fn a_kept_channel_that_does_not_last_is_waited_for_ever_longer() {
    let (world, consumers) = kept();
    let mut waited = Vec::new();
    for _ in 0..5 {
        let before = consumers.borrow().len();
        close(&world, 1, 404);
        let mut steps = 0;
        while consumers.borrow().len() == before {
            advance(Duration::from_millis(100));
            world.link().receive(HEARTBEAT);
            steps += 1;
        }
        waited.push((f64::from(steps) / 5.0).log2().round() as u32);
        opened(&world, 1);
    }
    assert_eq!(waited, [0, 1, 2, 3, 4]);
    for _ in 0..6 {
        advance(5 * SECOND);
        world.link().receive(HEARTBEAT);
    }
    let before = consumers.borrow().len();
    close(&world, 1, 404);
    advance(SECOND);
    assert_eq!(consumers.borrow().len(), before + 1);
}

#[test]
fn a_queue_that_only_the_old_channel_knew_is_deleted() {
    let world = World::open();
    world.connection.keep_channel(|channel| {
        channel.queue("", QueueOptions::exclusive()).subscribe(|_| {});
    });
    opened(&world, 1);
    world.says(1, (50, 11), &[&short("amq.gen-1")[..], &[0; 8]].concat());
    close(&world, 1, 406);
    world.take_sent();
    advance(SECOND);
    opened(&world, 1);
    assert!(world.has_heard((50, 40), "amq.gen-1"));
}

#[test]
fn a_kept_channel_ends_with_its_connection() {
    let (world, consumers) = kept();
    world.connection.close();
    advance(Duration::ZERO);
    world.link().receive(CLOSE_OK);
    advance(60 * SECOND);
    assert_eq!(consumers.borrow().len(), 1);
}
