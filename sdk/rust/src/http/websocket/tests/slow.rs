//! A peer that reads slowly, or not at all, of either side.

use super::{
    pair::{MESSAGE, Pair, on_both_sides},
    *,
};
use crate::testing::ticks;

#[test]
fn it_is_heard_and_gets_everything() {
    for messages in [4, 20, 100] {
        on_both_sides(|mut pair| {
            pair.say(messages);
            assert!(pair.side.socket.is_full());
            if messages * MESSAGE < 256 * 1024 {
                pair.hear_text("hear me");
                pair.side.check(&["hear me"]);
            }
            pair.read_all();
            pair.side.check(&["drained"]);
            assert_eq!((pair.got(), pair.ended()), (messages, None));
            pair.hear_text("and now");
            pair.side.check(&["and now"]);
        });
    }
}

#[test]
fn one_that_was_told_to_wait_is_told_to_go_on() {
    // Everything goes at once, and the handler does not see it.
    on_both_sides(|mut pair| {
        pair.side.wire.borrow_mut().fills = false;
        pair.side.socket.0.cork();
        pair.say(5);
        assert!(pair.side.socket.is_full());
        pair.side.socket.0.uncork();
        assert!(!pair.side.socket.is_full());
        advance(Duration::ZERO);
        pair.side.check(&["drained"]);
        advance(Duration::from_secs(1));
        pair.side.check(&[]);
        assert_eq!((pair.got(), ticks()), (5, 0));
    });
    // The host tells.
    on_both_sides(|mut pair| {
        pair.say(5);
        pair.side.wire.borrow_mut().outbound = 0;
        pair.side.connection.drained();
        pair.side.check(&["drained"]);
    });
}

#[test]
fn it_is_there_as_long_as_it_is_heard_or_reads() {
    let minutes = |pair: &mut Pair, each: &mut dyn FnMut(&mut Pair)| {
        for _ in 0..6 {
            advance(Duration::from_secs(30));
            each(pair);
        }
        pair.ended()
    };
    // It says something, though it has not come to the ping yet; it reads, and says nothing; neither.
    for messages in [20, 40] {
        on_both_sides(|mut pair| {
            pair.say(messages);
            let ended = minutes(&mut pair, &mut |pair| pair.read(1000));
            assert_eq!(ended, None, "{messages}");
        });
        on_both_sides(|mut pair| {
            pair.say(messages);
            // It is given more than it reads.
            let ended = minutes(&mut pair, &mut |pair| {
                pair.say(1);
                pair.read(10);
            });
            assert_eq!(ended, None, "{messages}");
        });
        on_both_sides(|mut pair| {
            pair.say(messages);
            assert_eq!(minutes(&mut pair, &mut |_| ()), Some("closed"), "{messages}");
        });
    }
    on_both_sides(|mut pair| {
        pair.say(20);
        let ended = minutes(&mut pair, &mut |pair| {
            pair.peer.ping(b"").unwrap();
            pair.hear();
        });
        assert_eq!(ended, None);
    });
}

#[test]
fn one_that_only_talks_is_not_read_for_ever() {
    on_both_sides(|pair| {
        pair.say(30);
        assert!(pair.side.wire.borrow().paused && !pair.side.socket.is_paused());
        // The plugin's pause and this one do not undo each other.
        pair.side.socket.pause();
        pair.side.socket.resume();
        assert!(pair.side.wire.borrow().paused);
        pair.side.socket.pause();
        pair.read_all();
        assert!(pair.side.wire.borrow().paused);
        pair.side.socket.resume();
        assert!(!pair.side.wire.borrow().paused);
        // It could not be heard, and has its time from now on.
        advance(Duration::from_secs(31));
        assert_eq!(pair.ended(), None);
        pair.side.wire.borrow_mut().outbound = 0;
        advance(Duration::from_secs(60));
        assert_eq!(pair.ended(), Some("closed"));
    });
}
