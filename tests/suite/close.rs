//! The ways a connection ends, requested by the guest or by its peer, and the data that still arrives.

use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin, more_than_the_kernel_holds};

each_isolation!(a_request_and_the_end_of_the_stream_are_answered_in_full);
/// EventMachine loses the rest of the answer here.
fn a_request_and_the_end_of_the_stream_are_answered_in_full(isolation: Isolation) {
    let host = serving("close_variants", isolation);
    let mut peer = host.connect("close_variants");
    peer.send("send 5000000\n");
    peer.finish();
    assert_eq!(peer.rest().len(), 5_000_000);
    host.wait_printed("unbind peer-closed");
}

each_isolation!(an_answer_that_is_not_ready_yet_keeps_half_open);
fn an_answer_that_is_not_ready_yet_keeps_half_open(isolation: Isolation) {
    let host = serving("keep_half_open", isolation);
    let mut peer = host.connect("keep_half_open");
    peer.send("late, but there");
    // Before the end, which is when the guest begins to count.
    let start = Instant::now();
    peer.finish();
    peer.expect("late, but there");
    peer.expect_end();
    assert!(Duration::from_millis(200) <= start.elapsed(), "it came early");
    host.wait_printed("unbind closed");
}

each_isolation!(close_sends_what_the_kernel_takes_at_once);
fn close_sends_what_the_kernel_takes_at_once(isolation: Isolation) {
    let host = serving("close_variants", isolation);
    let mut peer = host.connect("close_variants");
    peer.send("send 5 close\n");
    peer.expect("xxxxx");
    peer.expect_end();
    host.wait_printed("unbind closed");
}

each_isolation!(close_does_not_wait_for_the_outbox);
fn close_does_not_wait_for_the_outbox(isolation: Isolation) {
    let many = more_than_the_kernel_holds();
    let host = serving("close_variants", isolation);
    let mut peer = Peer::connect_narrow(&host.address("close_variants"));
    peer.send(format!("send {many} close\n"));
    // Nothing has been read when it is over.
    host.wait_printed("unbind closed");
    let got = peer.rest().len();
    assert!(got < many, "everything came");
}

each_isolation!(close_after_writing_sends_everything_first);
fn close_after_writing_sends_everything_first(isolation: Isolation) {
    let many = more_than_the_kernel_holds();
    let host = serving("close_variants", isolation);
    let mut peer = Peer::connect_narrow(&host.address("close_variants"));
    // Data that is sent after the close was requested is not taken.
    peer.send(format!("send {many} close-after-writing\nsend 3\n"));
    assert_eq!(peer.rest().len(), many);
    host.wait_printed("unbind closed");
}

each_isolation!(close_after_writing_does_not_wait_for_ever);
fn close_after_writing_does_not_wait_for_ever(isolation: Isolation) {
    let many = more_than_the_kernel_holds();
    let plugin = Plugin::new("close_variants").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin).host("close_deadline", "\"500ms\""));
    let mut peer = Peer::connect_narrow(&host.address("close_variants"));
    let start = Instant::now();
    peer.send(format!("send {many} close-after-writing\n"));
    host.wait_printed("unbind limit");
    assert!(Duration::from_millis(500) <= start.elapsed(), "it was closed early");
    peer.expect_closed();
}

each_isolation!(close_overtakes_close_after_writing);
fn close_overtakes_close_after_writing(isolation: Isolation) {
    let many = more_than_the_kernel_holds();
    let host = serving("close_variants", isolation);
    let mut peer = Peer::connect_narrow(&host.address("close_variants"));
    peer.send(format!("send {many} close-after-writing\nclose\n"));
    host.wait_printed("unbind closed");
    peer.expect_closed();
}

each_isolation!(half_close_ends_writing_and_goes_on_reading);
fn half_close_ends_writing_and_goes_on_reading(isolation: Isolation) {
    let many = more_than_the_kernel_holds();
    let host = serving("close_variants", isolation);
    let mut peer = Peer::connect_narrow(&host.address("close_variants"));
    peer.send(format!("send {many} half-close\n"));
    assert_eq!(peer.rest().len(), many);
    // It still reads, and cannot answer.
    peer.send("send 3\n");
    peer.send("half-close\n");
    peer.send("close\n");
    host.wait_printed("unbind closed");
    let outcome = host.stop();
    let lines: Vec<&str> = outcome.stdout.lines().skip(1).collect();
    assert_eq!(lines, ["send 3", "half-close", "half_close closing", "close", "unbind closed"]);
}

each_isolation!(half_close_then_the_peers_end_closes);
fn half_close_then_the_peers_end_closes(isolation: Isolation) {
    let host = serving("close_variants", isolation);
    let mut peer = host.connect("close_variants");
    peer.send("half-close\n");
    peer.expect_end();
    peer.finish();
    host.wait_printed("unbind peer-closed");
}

each_isolation!(pause_leaves_bytes_unread_until_resume);
fn pause_leaves_bytes_unread_until_resume(isolation: Isolation) {
    let host = serving("close_variants", isolation);
    let mut peer = host.connect("close_variants");
    let start = Instant::now();
    peer.send("pause 300\n");
    host.wait_printed("pause 300");
    peer.send("send 3\n");
    peer.expect("xxx");
    assert!(Duration::from_millis(300) <= start.elapsed(), "it was read while paused");
    host.wait_printed("send 3");
}

each_isolation!(pause_holds_the_peer_back);
fn pause_holds_the_peer_back(isolation: Isolation) {
    const MOST: usize = 64 << 20;
    let host = serving("close_variants", isolation);
    let mut peer = host.connect("close_variants");
    peer.send("pause 3600000\n");
    host.wait_printed("pause 3600000");
    let sent = peer.send_until_stuck(&[b'\n'; 16384], MOST, Duration::from_millis(300));
    assert!(sent < MOST, "a paused connection was read");
    peer.reset();
    host.stop();
}

fn serving(guest: &str, isolation: Isolation) -> Host {
    Host::start(&Config::serving(Plugin::new(guest).isolation(isolation).prints()))
}
