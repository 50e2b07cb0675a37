//! How a WebSocket of either side ends, whatever its peer still reads or sends.

use super::{
    pair::{Pair, on_both_sides},
    *,
};
use crate::testing::ticks;

#[test]
fn what_waits_goes_before_the_end() {
    for messages in [0, 20, 200] {
        // The peer ends it.
        on_both_sides(|mut pair| {
            pair.say(messages.min(20));
            pair.peer.close(1000, "").unwrap();
            pair.hear();
            pair.side.check(&["close 1000 "]);
            pair.read_all();
            assert_eq!(pair.got(), messages.min(20));
            assert!(pair.half_closed());
            assert_eq!(pair.ended(), Some("closed"), "it had its time");
        });
        // This side ends it, and the peer answers when it has come to that.
        on_both_sides(|mut pair| {
            pair.side.socket.0.cork();
            pair.say(messages);
            pair.side.socket.close(4000, "enough").unwrap();
            pair.side.socket.0.uncork();
            assert!(!pair.side.wire.borrow().paused, "the answer has to be read");
            let mut got = Vec::new();
            while !got.contains(&Event::Close(4000, "enough".to_owned())) {
                pair.read(15_000);
                assert_eq!((pair.half_closed(), pair.ended()), (false, None));
                got.append(&mut taken(&mut pair.peer, &pair.side.sent()));
            }
            assert_eq!(got.len(), messages + 1);
            pair.hear();
            pair.read(15_000);
            assert!(pair.half_closed() && pair.ended().is_none());
        });
        // The peer breaks the protocol, and is to read why.
        on_both_sides(|mut pair| {
            pair.say(messages.min(20));
            pair.side.connection.receive(b"\xff\xff");
            assert!(pair.side.log.take().contains(&"close 1002 ".to_owned()));
            pair.side.connection.receive(b"more of it");
            while !pair.half_closed() {
                assert_eq!(pair.ended(), None);
                pair.read(15_000);
            }
            let got = taken(&mut pair.peer, &pair.side.sent());
            assert_eq!(got.last(), Some(&Event::Close(1002, String::new())));
            assert!(!pair.side.wire.borrow().keeps_half_open);
            pair.side.connection.receive(b"more of it");
            assert_eq!(pair.ended(), None);
            pair.read_all();
            assert_eq!(pair.ended(), Some("closed"));
            pair.side.check(&[]);
        });
    }
}

#[test]
fn a_peer_that_has_ended_after_its_last_word_still_reads() {
    on_both_sides(|mut pair| {
        pair.say(20);
        pair.peer.close(1000, "").unwrap();
        pair.hear();
        assert!(pair.side.wire.borrow().keeps_half_open);
        pair.side.wire.borrow_mut().peer_finished = true;
        pair.read_all();
        assert_eq!((pair.got(), pair.ended()), (20, Some("closed after writing")));
    });
}

#[test]
fn one_that_reads_nothing_more_is_not_waited_for() {
    on_both_sides(|mut pair| {
        pair.say(20);
        pair.peer.close(1000, "").unwrap();
        pair.hear();
        advance(Duration::from_millis(4999));
        assert_eq!(pair.ended(), None);
        advance(Duration::from_millis(1));
        assert_eq!(pair.ended(), Some("closed"));
    });
    on_both_sides(|pair| {
        pair.say(20);
        pair.side.socket.close(1000, "").unwrap();
        advance(Duration::from_secs(5));
        assert_eq!(pair.ended(), Some("closed"));
    });
}

#[test]
fn a_message_that_would_be_missing_ends_it() {
    on_both_sides(|mut pair| {
        pair.say(1700);
        assert_eq!(pair.ended(), Some("closed"));
        pair.side.connection.unbind(CloseReason::Closed);
        pair.side.check(&["close 1006 "]);
    });
}

#[test]
fn nothing_is_timed_after_the_end() {
    let end = |mut pair: Pair| {
        pair.side.connection.unbind(CloseReason::Reset);
        pair.side.log.take();
        pair.side.sent();
        pair.side.wire.borrow_mut().ended = None;
        advance(Duration::from_secs(300));
        assert_eq!((pair.ended(), pair.side.sent().len(), ticks()), (None, 0, 0));
        pair.side.check(&[]);
    };
    on_both_sides(end);
    on_both_sides(|pair| {
        pair.say(20);
        end(pair);
    });
    on_both_sides(|mut pair| {
        pair.peer.close(1000, "").unwrap();
        pair.hear();
        assert!(pair.half_closed());
        end(pair);
    });
    on_both_sides(|mut pair| {
        pair.say(20);
        pair.peer.close(1000, "").unwrap();
        pair.hear();
        end(pair);
    });
}
