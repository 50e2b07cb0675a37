//! How connections end: in stages, so that the client can read the last answer whatever it still sends.

use std::time::Duration;

use super::*;
use crate::testing::advance;

const LAST: &str = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn last() -> Client {
    let client = Client::of(|request, response| answer(response, request.path()));
    client.send(LAST);
    client
}

#[track_caller]
fn expect_stage(client: &Client, half_closed: bool, ended: Option<&'static str>) {
    let wire = client.wire();
    assert_eq!((wire.half_closed, wire.ended), (half_closed, ended));
}

/// Whatever the reason is that an answer is the last one.
#[test]
fn every_last_answer_leaves_the_client_time_to_read_it() {
    let http10 = "GET / HTTP/1.0\r\n\r\n";
    let early = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab";
    let collect: TakeBody = |_| Intake::Collect(1000);
    let stream: TakeBody = |_| Intake::Stream(1000);
    let plain: Reply = |response| answer(response, "x");
    let cases: [(&str, TakeBody, Reply); 9] = [
        (LAST, collect, plain),
        (http10, collect, plain),
        (http10, collect, |response| response.send_each(["a", "b"].into_iter())),
        (GET, collect, |mut response| {
            response.close();
            answer(response, "x");
        }),
        (early, stream, plain),
        (LAST, collect, drop),
        ("rubbish\r\n\r\n", collect, plain),
        ("GET / HTTP/1.1\r\n\r\n", collect, plain),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", collect, plain),
    ];
    for (request, intake, work) in cases {
        let client = Client::with(SETTINGS, intake, move |_, response| work(response));
        client.send(request);
        assert_ne!(client.received(), "", "{request}");
        expect_stage(&client, true, None);
        // What it still sends is read and forgotten.
        assert!(!client.wire().paused);
        client.send("\r\n").send(GET).expect("");
        advance(Duration::from_millis(1999));
        expect_stage(&client, true, None);
        advance(Duration::from_millis(1));
        expect_stage(&client, true, Some("closed"));
    }
}

#[test]
fn a_client_that_reads_slowly_is_waited_for() {
    let client = last();
    client.wire().outbound = 100_000;
    for left in [80_000, 79_999, 0] {
        advance(Duration::from_secs(2));
        expect_stage(&client, true, None);
        client.wire().outbound = left;
    }
    advance(Duration::from_secs(2));
    expect_stage(&client, true, None);
    advance(Duration::from_secs(2));
    expect_stage(&client, true, Some("closed"));
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let client = last();
    client.wire().outbound = 100_000;
    // It sends now and then, so the host does not take it for an idle one.
    for _ in 0..30 {
        expect_stage(&client, true, None);
        client.send("x");
        advance(Duration::from_secs(2));
    }
    expect_stage(&client, true, Some("closed"));
}

#[test]
fn a_client_that_has_ended_is_not_waited_for() {
    let (client, kept) = keeping();
    client.send(LAST);
    client.wire().peer_finished = true;
    answer(kept.borrow_mut().pop().unwrap(), "x");
    expect_stage(&client, false, Some("closed after writing"));
}

#[test]
fn a_server_may_close_without_stages() {
    let settings = Settings { linger: Duration::ZERO, ..SETTINGS };
    let client = Client::with(settings, |_| Intake::Collect(0), |_, response| answer(response, ""));
    client.send(LAST);
    expect_stage(&client, false, Some("closed after writing"));
}

#[test]
fn nothing_is_left_of_a_connection_that_is_gone() {
    for _ in 0..20_000 {
        let client = last();
        client.unbind(CloseReason::PeerClosed);
    }
    // As many timers as an instance may have would have been used up.
    expect_stage(&last(), true, None);
}

/// At its limit of timers a connection closes as it can.
#[test]
fn without_a_timer_it_closes_at_once() {
    while crate::timers::try_add_timer(Duration::from_secs(9), || {}).is_ok() {}
    expect_stage(&last(), false, Some("closed after writing"));
}
