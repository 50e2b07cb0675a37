//! A broker that closes connections and breaks the protocol.

use super::*;

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8][..], text.as_bytes()].concat()
}

/// `connection.close`
fn close(world: &World, code: u16) {
    let arguments = [&code.to_be_bytes()[..], &short("FAULT"), &[0; 4]].concat();
    world.says(0, (10, 50), &arguments);
}

fn pauses(world: &World) -> Rc<RefCell<Vec<Duration>>> {
    let pauses = Rc::new(RefCell::new(Vec::new()));
    let seen = pauses.clone();
    world.connection.on_interruption(move |_, pause| seen.borrow_mut().push(pause));
    pauses
}

/// The pauses, counted in the time of the first: 0, 1, 2 …
fn doublings(pauses: &[Duration]) -> Vec<u32> {
    pauses.iter().map(|pause| (pause.as_secs_f64() / 0.5).log2().round() as u32).collect()
}

#[test]
fn what_the_broker_does_wrong_is_no_end() {
    let faults: [fn(&World); 6] = [
        |world| close(world, 541),
        |world| close(world, 504),
        |world| close(world, 320),
        // The answer to nothing, a message for nobody, and no AMQP at all.
        |world| world.says(0, (10, 41), b"\0"),
        |world| world.says(1, (60, 60), b"\x01c\0\0\0\0\0\0\0\x01\0\0\0"),
        |world| world.link().receive(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
    ];
    for fault in faults {
        let world = World::open();
        let channel = world.connection.channel();
        advance(Duration::ZERO);
        world.link().receive(CHANNEL_OPEN_OK);
        let declared = channel.queue("q", crate::amqp::QueueOptions::default());
        advance(Duration::ZERO);
        world.take_sent();
        let closed = outcome(&world.connection.closed());
        fault(&world);
        assert!(world.wire().borrow().ended.is_some());
        world.link().unbind(CloseReason::Closed);
        advance(SECOND);
        assert_eq!(world.dials(), 2);
        world.greet();
        world.link().receive(CHANNEL_OPEN_OK);
        // What was under way is asked for again.
        assert!(world.has_heard((50, 10), "q"));
        assert_eq!(*closed.borrow(), None);
        assert!(!declared.deferrable().is_settled());
    }
}

#[test]
fn a_fault_that_comes_again_is_waited_for_ever_longer() {
    let world = World::open();
    let pauses = pauses(&world);
    for _ in 0..5 {
        close(&world, 541);
        world.link().unbind(CloseReason::Closed);
        advance(20 * SECOND);
        world.establish();
    }
    assert_eq!(doublings(&pauses.borrow()), [0, 1, 2, 3, 4]);
    // One that has lasted is as good as new.
    for _ in 0..6 {
        advance(5 * SECOND);
        world.link().receive(HEARTBEAT);
    }
    close(&world, 541);
    world.link().unbind(CloseReason::Closed);
    assert_eq!(doublings(&pauses.borrow()).last(), Some(&0));
}

#[test]
fn a_network_that_fails_is_not_blamed() {
    let world = World::open();
    let pauses = pauses(&world);
    for _ in 0..3 {
        world.link().unbind(CloseReason::Reset);
        advance(SECOND);
        world.establish();
    }
    assert_eq!(doublings(&pauses.borrow()), [0, 0, 0]);
}

#[test]
fn a_message_that_cannot_be_read_is_told_and_refused() {
    let world = World::open();
    let channel = world.connection.channel();
    advance(Duration::ZERO);
    world.link().receive(CHANNEL_OPEN_OK);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let keep = seen.clone();
    let queue = channel.queue("q", crate::amqp::QueueOptions::default());
    let options = crate::amqp::ConsumeOptions::default();
    let consumer =
        queue.consume(options, move |message| keep.borrow_mut().push(message.text().into_owned()));
    advance(Duration::ZERO);
    world.says(1, (50, 11), &[&short("q")[..], &[0; 8]].concat());
    world.says(1, (60, 21), &short(consumer.tag()));
    world.take_sent();
    let deliver = |number: u8, header: &[u8]| {
        let arguments =
            [&short(consumer.tag())[..], &[0; 7], &[number, 0], &short("x"), &short("k")];
        world.says(1, (60, 60), &arguments.concat());
        let header = [b"\0\x3c\0\0\0\0\0\0\0\0\0\x01", header].concat();
        for (kind, payload) in [(2, header.as_slice()), (3, b"m")] {
            let length = (payload.len() as u32).to_be_bytes();
            world.link().receive(&[&[kind, 0, 1], &length[..], payload, b"\xce"].concat());
        }
    };
    deliver(1, b"\x20\0\0\0\0\x03\x01nz");
    let (_, line) = logged().pop().expect("a line");
    assert_eq!(
        line,
        "a message from \"x\" with the key \"k\" cannot be read, and is refused: \
         headers of a message with a type that nobody knows"
    );
    assert!(world.has_heard((60, 90), "\0\0\0\0\0\0\0\x01"));
    // The one behind it is read.
    deliver(2, b"\x04\0\x04\x9c\x80\xff\x01");
    assert_eq!(*seen.borrow(), ["m"]);
}
