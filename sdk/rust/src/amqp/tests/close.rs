//! A plugin that closes its connection: it comes to an end wherever the connection is, and whatever the broker does.

use super::*;

/// A `tune` with no heartbeats.
const TUNE_WITHOUT: &[u8] = b"\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\x07\xff\0\x02\0\0\0\0\xce";
/// Longer than the deadline of a goodbye.
const LONG: Duration = Duration::from_secs(6);

/// What the broker does after the client has said that it closes.
type Answer = fn(&World);

fn beats(world: &World) {
    for _ in 0..6 {
        world.link().receive(HEARTBEAT);
        advance(SECOND);
    }
}

#[test]
fn a_close_ends_whatever_the_broker_does() {
    let answers: [(&str, Answer); 4] = [
        ("answers", |world| world.link().receive(CLOSE_OK)),
        ("says nothing", |_| advance(LONG)),
        ("beats and never answers", beats),
        ("sends what nobody asked for", |world| {
            for _ in 0..6 {
                world.says(1, (20, 11), b"\0\0\0\0");
                advance(SECOND);
            }
        }),
    ];
    for tune in [TUNE, TUNE_WITHOUT] {
        for (name, answer) in answers {
            let world = World::with(Settings::default());
            world.link().connected();
            [START, tune, OPEN_OK].into_iter().for_each(|bytes| world.link().receive(bytes));
            let closed = outcome(&world.connection.close());
            advance(Duration::ZERO);
            assert!(world.has_heard((10, 50), ""), "{name}");
            assert_eq!(*closed.borrow(), None, "{name}");
            answer(&world);
            if world.wire().borrow().ended.is_some() {
                // The host tells a plugin so after its own close.
                world.link().unbind(CloseReason::Closed);
            }
            assert_eq!(*closed.borrow(), Some(Ok(())), "{name}");
            advance(LONG * 10);
            assert_eq!(world.dials(), 1, "{name}");
        }
    }
}

#[test]
fn a_broker_that_takes_what_was_sent_has_the_time_for_it() {
    let world = World::open();
    world.wire().borrow_mut().outbound = 10;
    let closed = outcome(&world.connection.close());
    advance(Duration::ZERO);
    for left in (0..10).rev() {
        advance(SECOND * 4);
        world.link().receive(HEARTBEAT);
        world.wire().borrow_mut().outbound = left;
        assert!(world.wire().borrow().ended.is_none() && closed.borrow().is_none());
    }
    advance(LONG * 2);
    assert!(world.wire().borrow().ended.is_some());
}

/// Where the connection is when the plugin closes it, with nothing asked for and with something.
#[test]
fn a_close_ends_in_each_step_of_the_handshake() {
    let steps: [(&str, Answer); 5] = [
        ("not connected", |_| {}),
        ("connected", |world| world.link().connected()),
        ("after start", |world| {
            world.link().connected();
            world.link().receive(START);
        }),
        ("after tune", |world| {
            world.link().connected();
            [START, TUNE].into_iter().for_each(|bytes| world.link().receive(bytes));
        }),
        ("between two connections", |world| world.link().unbind(CloseReason::Refused)),
    ];
    for (step, go_to) in steps {
        for asks in [false, true] {
            let world = World::with(Settings::default());
            go_to(&world);
            if asks {
                let _ = world.connection.channel();
            }
            let closed = outcome(&world.connection.close());
            // The longest a connection may take to be opened, and a goodbye after it.
            for _ in 0..60 {
                advance(SECOND);
                if world.wire().borrow_mut().ended.take().is_some() {
                    world.link().unbind(CloseReason::Closed);
                }
            }
            if step == "not connected" && closed.borrow().is_none() {
                // The host bounds the attempt itself.
                world.link().unbind(CloseReason::ConnectTimeout);
            }
            assert!(closed.borrow().is_some(), "{step}, asks: {asks}");
            advance(LONG * 10);
            assert_eq!(world.dials(), 1, "{step}, asks: {asks}");
        }
    }
}
