//! How much one callback does, and that what it leaves goes on.

use std::{cell::Cell, iter, time::Duration};

use super::*;
use crate::testing::{advance, pass, ticks, turn};

/// Answers with pieces, and counts those that were made.
fn counting<P: AsRef<[u8]> + 'static>(
    prepare: fn(&mut Response),
    pieces: impl Fn() -> Box<dyn Iterator<Item = P>> + 'static,
) -> (Client, Rc<Cell<usize>>) {
    let made: Rc<Cell<usize>> = Rc::default();
    let count = made.clone();
    let client = Client::of(move |_, mut response| {
        prepare(&mut response);
        let count = count.clone();
        response.send_each(pieces().inspect(move |_| count.set(count.get() + 1)));
    });
    (client, made)
}

fn pieces(size: usize, count: usize) -> Box<dyn Iterator<Item = Vec<u8>>> {
    Box::new(iter::repeat_n(vec![b'x'; size], count))
}

fn unprepared(_: &mut Response) {}

/// To a client that takes everything at once.
#[test]
fn a_turn_sends_no_more_than_its_share() {
    for (size, count) in [(1, 20_000), (1000, 2000), (64 * 1024, 40), (1 << 20, 5)] {
        let (client, made) = counting(unprepared, move || pieces(size, count));
        client.send(GET);
        let mut body = 0;
        let mut turns = 0;
        while made.get() < count {
            let sent = client.received().len();
            assert!(sent <= 300_000 + size, "{sent} bytes of pieces of {size} in one turn");
            body += sent;
            assert_eq!(ticks(), 1, "more than one tick after {turns} turns");
            let before = made.get();
            turn();
            assert!(made.get() - before <= 1024, "{} pieces in one turn", made.get() - before);
            turns += 1;
        }
        advance(Duration::ZERO);
        body += client.received().len();
        assert!(size * count < body, "{body} bytes of {count} pieces of {size}");
        assert!(1 < turns && ticks() == 0);
    }
}

/// The same of content that is there as a whole.
#[test]
fn a_turn_sends_no_more_than_its_share_of_large_content() {
    const WHOLE: usize = 5 << 20;
    let client = Client::of(|_, mut response| {
        response.content(vec![b'x'; WHOLE]);
        response.send_response();
    });
    client.send(GET);
    let (mut sent, mut turns) = (0, 0);
    while ticks() != 0 {
        assert_eq!(ticks(), 1, "more than one tick after {turns} turns");
        let piece = client.received().len();
        assert!(piece <= 300_000 + (64 << 10), "{piece} bytes in one turn");
        sent += piece;
        turn();
        turns += 1;
    }
    sent += client.received().len();
    assert!(WHOLE < sent && 10 < turns, "{sent} bytes in {turns} turns");
}

#[test]
fn slow_pieces_end_a_turn() {
    let (client, made) = counting(unprepared, || {
        Box::new((0..10).map(|number| {
            pass(Duration::from_millis(1));
            number.to_string()
        }))
    });
    client.send(GET);
    for count in 1..=10 {
        assert_eq!(made.get(), count);
        turn();
    }
    turn();
    assert!(client.received().ends_with("1\r\n9\r\n0\r\n\r\n"));
}

#[test]
fn a_compressed_piece_is_a_turn() {
    let (client, made) = counting(
        |response| {
            response.compress();
        },
        || pieces(64 * 1024, 5),
    );
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    for count in 1..=5 {
        assert_eq!(made.get(), count);
        turn();
    }
}

/// Not one piece is asked for, and no tick is due, where nobody gets a body.
#[test]
fn an_answer_without_a_body_makes_no_pieces() {
    let cases: [(&str, u16, Prepare); 7] = [
        ("HEAD", 200, |_| {}),
        ("HEAD", 200, |response| _ = response.compress()),
        ("HEAD", 200, |response| _ = response.content_length(1 << 40)),
        ("HEAD", 206, |response| _ = response.status(206)),
        ("GET", 204, |response| _ = response.status(204)),
        ("GET", 205, |response| _ = response.status(205)),
        ("GET", 304, |response| _ = response.status(304).compress()),
    ];
    for (method, code, prepare) in cases {
        let (client, made) = counting(prepare, || Box::new(iter::repeat(vec![b'x'; 64 * 1024])));
        let request = format!("{method} / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
        client.send(request.repeat(2));
        let received = client.received();
        assert_eq!(received.matches(&format!("HTTP/1.1 {code} ")).count(), 2, "{received}");
        assert!(received.ends_with("\r\n\r\n") && !received.contains("xx"), "{received}");
        assert_eq!((made.get(), ticks()), (0, 0), "{method} {code}");
    }
}

/// A plugin that sends pieces itself is told by the stream that nobody wants them.
#[test]
fn a_stream_without_a_body_has_ended() {
    let client = Client::of(|_, response| {
        let stream = response.send_headers();
        assert!(!stream.is_open() && stream.is_full());
        assert_eq!((stream.chunk("x"), stream.flush()), (Ok(()), Ok(())));
        stream.on_drained(|| unreachable!());
        stream.finish();
    });
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    advance(Duration::ZERO);
    client.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.wire().ended, None);
}

/// A plugin that sends as long as there is room.
fn pump(stream: crate::http::ResponseStream, left: usize) {
    let mut left = left;
    while !stream.is_full() {
        if left == 0 {
            return stream.finish();
        }
        stream.chunk("0123456789").unwrap();
        left -= 1;
    }
    stream.clone().on_drained(move || pump(stream, left));
}

#[test]
fn a_plugin_that_sends_itself_has_turns_too() {
    let client = Client::of(|_, response| pump(response.send_headers(), 10_000));
    client.send(GET);
    let mut sent = 0;
    while ticks() != 0 {
        let bytes = client.received().len();
        assert!(0 < bytes && bytes < 300_000, "{bytes} bytes in one turn");
        sent += bytes;
        assert_eq!(ticks(), 1);
        turn();
    }
    sent += client.received().len();
    assert!(10_000 * 15 < sent, "{sent} bytes");
}

/// One that sends now and then is never told that it sends too much.
#[test]
fn a_client_that_keeps_up_has_room_in_every_timer() {
    let client = Client::of(|_, response| {
        let stream = response.send_headers();
        crate::add_periodic_timer(Duration::from_secs(1), move || {
            assert!(!stream.is_full());
            stream.chunk(vec![b'x'; 100_000]).unwrap();
            stream.chunk("y").unwrap();
        });
    });
    client.send(GET);
    for _ in 0..100 {
        advance(Duration::from_secs(1));
        assert!(100_000 < client.received().len());
    }
    client.unbind(CloseReason::PeerClosed);
}

/// Behind one another, the answers have a turn's share together.
#[test]
fn many_requests_at_once_are_many_turns() {
    let answers: [fn(Response); 3] = [
        |mut response| {
            response.content(vec![b'x'; 60_000]);
            response.send_response();
        },
        |response| response.send_each(pieces(60_000, 1)),
        |response| response.send_each(pieces(10_000, 30)),
    ];
    for work in answers {
        let count: Rc<Cell<usize>> = Rc::default();
        let counted = count.clone();
        let client = Client::of(move |_, response| {
            counted.set(counted.get() + 1);
            work(response);
        });
        client.send(GET.repeat(200));
        while count.get() < 200 || ticks() != 0 {
            let sent = client.received().len();
            assert!(sent < 400_000, "{sent} bytes in one turn");
            assert_eq!(ticks(), 1, "after {} requests", count.get());
            turn();
        }
        assert!(!client.wire().paused && client.wire().ended.is_none());
    }
}

/// A client that sends requests and does not read has its answers made when it reads.
#[test]
fn requests_wait_for_a_client_that_does_not_read() {
    let count: Rc<Cell<usize>> = Rc::default();
    let counted = count.clone();
    let client = Client::of(move |_, mut response| {
        counted.set(counted.get() + 1);
        response.content(vec![b'x'; 60_000]);
        response.send_response();
    });
    client.wire().fills = true;
    client.send(GET.repeat(50));
    let mut waited = 0;
    while count.get() < 50 {
        assert!(client.wire().outbound < 300_000, "{} bytes wait", client.wire().outbound);
        assert!(client.wire().paused);
        advance(Duration::from_secs(1));
        assert!(client.wire().outbound < 300_000, "{} bytes wait", client.wire().outbound);
        client.drain();
        advance(Duration::ZERO);
        waited += 1;
        assert!(waited < 50, "it does not go on");
    }
    client.drain();
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
}

/// Who asks for much, ends and then reads, gets all of it.
#[test]
fn requests_in_hand_keep_a_connection_whose_client_has_ended() {
    let count: Rc<Cell<usize>> = Rc::default();
    let counted = count.clone();
    let client = Client::of(move |_, mut response| {
        counted.set(counted.get() + 1);
        response.content(vec![b'x'; 60_000]);
        response.send_response();
    });
    for fills in [true, false] {
        client.wire().fills = fills;
        count.set(0);
        client.send(GET.repeat(50));
        for _ in 0..100 {
            let wire = client.wire();
            let waits = wire.keeps_half_open;
            assert!(
                wire.ended.is_none() && (waits || count.get() == 50),
                "{} answers",
                count.get()
            );
            drop(wire);
            client.drain();
            turn();
        }
        assert_eq!(count.get(), 50);
        assert!(!client.wire().keeps_half_open && ticks() == 0);
    }
    client.send(GET.repeat(50));
    client.wire().peer_finished = true;
    while ticks() != 0 {
        assert!(client.wire().ended.is_none() || count.get() == 100, "{} answers", count.get());
        turn();
    }
    assert_eq!((count.get(), client.wire().ended), (100, Some("closed after writing")));
}

/// From the first callback on.
#[test]
fn a_client_that_does_not_read_has_the_timeout_of_an_idle_one() {
    let (client, _) = counting(unprepared, || pieces(64 * 1024, 100));
    client.wire().fills = true;
    client.send(GET);
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    advance(Duration::from_secs(30));
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    // It reads again, and the plugin may take its time for the rest.
    client.drain();
    advance(Duration::ZERO);
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    client.wire().fills = false;
    client.drain();
    advance(Duration::ZERO);
    assert!(client.received().ends_with("0\r\n\r\n"));
    // The next answer is not that client's fault.
    let (client, kept) = keeping();
    client.wire().outbound = 70_000;
    client.send(GET);
    let stream = kept.borrow_mut().pop().unwrap().send_headers();
    stream.on_drained(|| {});
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    client.drain();
    assert_eq!(client.wire().inactivity_timeout, Duration::ZERO);
}

/// A plugin that changes its mind all the time.
#[test]
fn pausing_does_not_pile_up_ticks() {
    let client = Client::with(
        SETTINGS,
        |_| Intake::Stream(1000),
        |request, response| {
            let body = request.body().unwrap();
            for _ in 0..20_000 {
                body.pause();
                body.resume();
            }
            assert_eq!(ticks(), 1);
            body.on_end(move |_| answer(response, "done"));
        },
    );
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
    advance(Duration::ZERO);
    client.expect(&(head(4) + "done"));
}

/// The same for a stream that asks for room all the time.
#[test]
fn asking_for_room_does_not_pile_up_ticks() {
    let client = Client::of(|_, response| {
        let stream = response.send_headers();
        for _ in 0..20_000 {
            stream.on_drained(|| {});
        }
        assert_eq!(ticks(), 1);
        stream.finish();
    });
    client.send(GET).expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

/// Where the plugin's own ticks are at their limit, an answer goes on all the same.
#[test]
fn at_the_limit_of_ticks_an_answer_goes_on() {
    let (client, made) = counting(unprepared, || pieces(64 * 1024, 20));
    while crate::reactor::try_next_tick(|| {}).is_ok() {}
    client.send(GET);
    advance(Duration::ZERO);
    assert_eq!(made.get(), 20);
    assert!(client.received().ends_with("0\r\n\r\n"));
}
