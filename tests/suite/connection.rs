//! The life of a connection: half-close, resets, many of them, and the bound on their number.

use std::fs;
use std::time::Instant;

use sandloop_tests::process::resident;
use sandloop_tests::{Config, Host, Isolation, PATIENCE, Peer, Plugin};

each_isolation!(what_was_sent_before_the_end_is_answered_after_it);
fn what_was_sent_before_the_end_is_answered_after_it(isolation: Isolation) {
    let host = echo(isolation);
    let mut peer = host.connect("echo");
    let bytes = vec![b'x'; 50_000];
    peer.send(&bytes);
    peer.finish();
    peer.expect(&bytes);
    peer.expect_end();
}

each_isolation!(a_peer_that_says_nothing_may_leave);
fn a_peer_that_says_nothing_may_leave(isolation: Isolation) {
    let host = echo(isolation);
    let mut peer = host.connect("echo");
    peer.finish();
    peer.expect_end();
    host.connect("echo").expect_echo("helo\n");
}

each_isolation!(peers_that_reset_harm_nobody);
fn peers_that_reset_harm_nobody(isolation: Isolation) {
    let host = echo(isolation);
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let before = files(&host);
    for round in 0..100 {
        let mut peer = host.connect("echo");
        if round % 2 == 0 {
            peer.expect_echo("helo\n");
        }
        peer.send("not read any more");
        peer.reset();
        steady.expect_echo("still here\n");
    }
    wait_files(&host, &mut steady, before);
}

each_isolation!(what_ended_is_given_back);
fn what_ended_is_given_back(isolation: Isolation) {
    let host = echo(isolation);
    let mut steady = host.connect("echo");
    let mut churn = |count: usize| {
        for _ in 0..count {
            let mut peer = host.connect("echo");
            peer.expect_echo("helo\n");
            peer.finish();
            peer.expect_end();
        }
        steady.expect_echo("still here\n");
    };
    churn(200);
    let files_before = files(&host);
    let memory_before = resident(host.pid());
    churn(2000);
    let memory_grown = resident(host.pid()).saturating_sub(memory_before);
    wait_files(&host, &mut steady, files_before);
    // A leak of one page for each connection would be twice as much.
    assert!(memory_grown < 4 << 20, "2,000 connections left {memory_grown} bytes behind");
}

each_isolation!(beyond_the_bound_connections_wait_their_turn);
fn beyond_the_bound_connections_wait_their_turn(isolation: Isolation) {
    let plugin = Plugin::new("echo").isolation(isolation).limit("connections", "2");
    a_third_waits_its_turn(&Host::start(&Config::serving(plugin)));
}

/// Sandboxes are bounded for the host as a whole.
#[test]
fn beyond_the_bound_on_instances_connections_wait_their_turn() {
    let config = Config::serving(Plugin::new("echo")).host("instances", "2");
    a_third_waits_its_turn(&Host::start(&config));
}

/// With room for two, the third is served when one of them is gone.
#[track_caller]
fn a_third_waits_its_turn(host: &Host) {
    let mut first = host.connect("echo");
    let mut second = host.connect("echo");
    first.expect_echo("first\n");
    second.expect_echo("second\n");
    let mut third = host.connect("echo");
    third.send("third\n");
    for _ in 0..20 {
        first.expect_echo("first\n");
    }
    third.expect_nothing_yet();
    second.finish();
    second.expect_end();
    third.expect("third\n");
}

fn echo(isolation: Isolation) -> Host {
    Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)))
}

/// The number of files that the host has open.
fn files(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("the host runs").count()
}

/// Waits, an echo at a time, until the host has no more files open than before.
#[track_caller]
fn wait_files(host: &Host, steady: &mut Peer, before: usize) {
    let start = Instant::now();
    while before < files(host) {
        assert!(start.elapsed() < PATIENCE, "{} files are open, not {before}", files(host));
        steady.expect_echo("still here\n");
    }
}
