//! Bytes that came before a request was sent are not its answer.

use super::*;
use crate::http::Proxy;

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

/// Complete responses after which a connection would be kept, to which methods, and their content.
const WHOLE: [(&str, &str, &str); 12] = [
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", "one"),
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n", "one"),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", ""),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n", ""),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", ""),
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", ""),
    ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    (
        "GET",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
        "one",
    ),
    ("GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "no"),
    ("POST", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", "one"),
    ("PUT", "HTTP/1.1 204 No Content\r\n\r\n", ""),
];

const EXTRA: [&str; 9] = [
    POISON,
    "\r\n",
    "\n",
    "\0",
    "H",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
    "more of it",
    "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
];

fn one_connection(pipeline: usize) -> World {
    World::with(ClientSettings { connections: 1, pipeline, ..ClientSettings::default() })
}

fn next(world: &World) -> Watched {
    watch(&world.client.get("http://h/next").send())
}

#[track_caller]
fn expect_good(world: &World, next: &Watched, case: &str) {
    assert!(!next.is_over(), "{case}");
    assert_eq!(world.count(), 2, "{case}");
    assert!(world.peer(0).wire().ended.is_some(), "{case}");
    world.peer(1).connect().expect(NEXT).send(ok("good"));
    assert_eq!(next.response().text(), "good", "{case}");
    assert_eq!(world.peer(1).wire().ended, None, "{case}");
}

#[test]
fn they_break_off_the_connection_and_the_queue_goes_elsewhere() {
    for (method, response, content) in WHOLE {
        for extra in EXTRA {
            let case = format!("{method} {response:?} {extra:?}");
            let world = one_connection(1);
            let first = world.client.method(method.parse().unwrap(), "http://h/first");
            let (first, peer) = world.sent(first);
            let queued = next(&world);
            peer.skip().send(format!("{response}{extra}")).expect("");
            assert_eq!(first.response().text(), content, "{case}");
            expect_good(&world, &queued, &case);
        }
    }
}

#[test]
fn they_do_not_answer_what_a_callback_sends() {
    let (response, extra) = (ok("one"), POISON);
    for pipeline in [1, 3] {
        for when in ["head", "data", "end"] {
            let world = one_connection(pipeline);
            let second: Rc<RefCell<Option<Watched>>> = Rc::default();
            let (client, keep) = (world.client.clone(), second.clone());
            let send =
                move || *keep.borrow_mut() = Some(watch(&client.get("http://h/next").send()));
            let request = world.client.get("http://h/first");
            let mut send = Some(send);
            let watched = match when {
                "head" => watch(&request.on_headers(move |_| send.take().unwrap()()).send()),
                "data" => watch(&request.on_data(move |_| send.take().unwrap()()).send()),
                _ => {
                    let transfer = request.send();
                    transfer.callback(move |_| send.take().unwrap()());
                    watch(&transfer)
                }
            };
            world.peer(0).connect().skip().send(format!("{response}{extra}")).expect("");
            let _ = watched.response();
            let second = second.borrow().clone().unwrap();
            expect_good(&world, &second, &format!("{pipeline} {when}"));
        }
    }
}

#[test]
fn they_do_not_answer_what_is_pipelined_after_them() {
    let world = one_connection(2);
    let requests: Vec<_> = (0..3).map(|_| next(&world)).collect();
    world.peer(0).connect().expect(&NEXT.repeat(2));
    // Two were asked for.
    world.peer(0).send(ok("0") + &ok("1") + POISON).expect("");
    assert_eq!(requests[0].response().text(), "0");
    assert_eq!(requests[1].response().text(), "1");
    expect_good(&world, &requests[2], "pipelined");
}

#[test]
fn answers_that_come_in_any_pieces_are_answers() {
    let all = ok("0") + &ok("1") + &ok("2");
    for cut in 0..=all.len() {
        let world = one_connection(3);
        let requests: Vec<_> = (0..4).map(|_| next(&world)).collect();
        let peer = world.peer(0);
        peer.connect().send(&all[..cut]);
        peer.send(&all[cut..]).expect(&NEXT.repeat(4)).send(ok("3"));
        for (number, request) in requests.iter().enumerate() {
            assert_eq!(request.response().text(), number.to_string(), "{cut}");
        }
        assert_eq!(world.count(), 1, "{cut}");
    }
}

#[test]
fn a_line_end_that_comes_late_sends_the_request_elsewhere() {
    for extra in ["\r\n", "\n", "junk\r\n\r\n"] {
        let world = one_connection(1);
        let (first, peer) = world.sent(world.client.get("http://h/first"));
        let queued = next(&world);
        peer.send(ok("one")).send(extra);
        assert_eq!(first.response().text(), "one");
        peer.skip();
        expect_good(&world, &queued, extra);
    }
    // Not what could do something twice.
    let world = one_connection(1);
    let (_, peer) = world.sent(world.client.get("http://h/first"));
    let queued = watch(&world.client.post("http://h/next").send());
    peer.send(ok("one")).send("\r\n");
    assert!(matches!(queued.error(), HttpError::Response(_)));
    // On a new connection it is what the server always says.
    let world = one_connection(1);
    let (first, peer) = world.sent(world.client.get("http://h/first"));
    peer.send("junk\r\n");
    assert!(matches!(first.error(), HttpError::Response(_)));
}

#[test]
fn a_server_that_always_says_too_much_is_served_in_turn() {
    let world = one_connection(1);
    let requests: Vec<_> = (0..5).map(|_| next(&world)).collect();
    for (number, request) in requests.iter().enumerate() {
        world.peer(number).connect().expect(NEXT).send(ok(&number.to_string()) + POISON);
        assert_eq!(request.response().text(), number.to_string());
    }
    assert_eq!(world.count(), 5);
}

#[test]
fn what_follows_a_proxys_yes_is_no_answer() {
    for extra in EXTRA {
        let proxy = Some(Proxy::new("proxy", 3128).tunnel());
        let settings = ClientSettings { connections: 1, proxy, ..ClientSettings::default() };
        let world = World::with(settings);
        let (first, queued) = (next(&world), next(&world));
        let yes = "HTTP/1.1 200 Connection established\r\n\r\n";
        let spoil = |number: usize| {
            world.peer(number).connect().skip().send(format!("{yes}{extra}")).expect("");
            assert!(world.peer(number).wire().ended.is_some(), "{extra:?}");
        };
        spoil(0);
        assert!(!first.is_over() && !queued.is_over(), "{extra:?}");
        // The one that waited is next, and the proxy has come to its senses.
        world.peer(1).connect().skip().send(yes).expect(NEXT).send(ok("good"));
        assert_eq!(queued.response().text(), "good", "{extra:?}");
        world.peer(1).expect(NEXT).send(ok("too"));
        assert_eq!(first.response().text(), "too", "{extra:?}");

        // One that always does it.
        let proxy = Some(Proxy::new("proxy", 3128).tunnel());
        let world = World::with(ClientSettings { proxy, ..ClientSettings::default() });
        let request = next(&world);
        for number in 0..2 {
            world.peer(number).connect().send(format!("{yes}{extra}"));
        }
        assert_eq!(request.error(), HttpError::Unasked, "{extra:?}");
        assert_eq!(world.count(), 2, "{extra:?}");
    }
}
