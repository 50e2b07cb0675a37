//! The timeouts of a server's connections.

use std::time::Duration;

use super::*;
use crate::testing::advance;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn echoing() -> Client {
    Client::of(|request, response| answer(response, request.path()))
}

#[track_caller]
fn expect_timeout(client: &Client) {
    let received = client.received();
    assert!(received.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{received:?}");
    assert!(client.wire().half_closed);
}

#[test]
fn an_idle_client_is_the_hosts_business() {
    let client = echoing();
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    assert!(!client.wire().keeps_half_open);
    client.send(GET).expect(&(head(2) + "/a"));
    advance(seconds(1000));
    client.expect("");
}

#[test]
fn a_head_has_its_time_in_all() {
    let client = echoing();
    client.send("GET / HT");
    advance(seconds(9));
    client.send("TP/1.1\r\n").expect("");
    advance(Duration::from_millis(999));
    client.expect("");
    advance(Duration::from_millis(1));
    expect_timeout(&client);
}

#[test]
fn each_head_has_its_own_time() {
    let client = echoing();
    for _ in 0..5 {
        client.send("GET / HTTP/1.1\r\n");
        advance(seconds(6));
        client.send("Host: h\r\n\r\nGET / HTTP/1.1\r\n").expect(&(head(1) + "/"));
        advance(seconds(6));
        client.send("Host: h\r\n\r\n").expect(&(head(1) + "/"));
    }
    advance(seconds(100));
    client.expect("");
}

#[test]
fn a_body_has_its_time_for_each_piece() {
    let client = echoing();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
    for _ in 0..10 {
        advance(seconds(29));
        client.send("x").expect("");
        client.wire().idle = Duration::ZERO;
    }
    // The timer is due in a second, but the last piece came just now.
    advance(seconds(1));
    client.expect("");
    client.wire().idle = seconds(30);
    advance(seconds(30));
    expect_timeout(&client);
}

#[test]
fn an_answer_that_is_due_keeps_the_connection() {
    let (client, kept) = keeping();
    client.send(GET);
    assert!(client.wire().keeps_half_open);
    assert_eq!(client.wire().inactivity_timeout, Duration::ZERO);
    answer(kept.borrow_mut().pop().unwrap(), "x");
    assert!(!client.wire().keeps_half_open);
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    assert_eq!(client.wire().ended, None);
    // A client that has ended its side still gets its answer.
    client.send(GET);
    client.wire().peer_finished = true;
    client.received();
    answer(kept.borrow_mut().pop().unwrap(), "y");
    client.expect(&(head(1) + "y"));
    assert_eq!(client.wire().ended, Some("closed after writing"));
}
