//! The outbox: input of a peer that does not read is not read either, and no data is lost or kept without a bound.

use sandloop_tests::process::resident;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, more_than_the_kernel_holds};

use sandloop_tests::hostile::drive::{descriptors, memory_left, wait_descriptors};

/// The memory that outboxes may leave behind: sandboxes that are kept for the next, and the first half megabyte of each outbox.
const LEFT_MAX: u64 = 32 << 20;

each_isolation!(a_peer_that_does_not_read_is_not_read);
fn a_peer_that_does_not_read_is_not_read(isolation: Isolation) {
    const MOST: usize = 64 << 20;
    let host = Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)));
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let before = resident(host.pid());
    let mut peer = Peer::connect_narrow(&host.address("echo"));
    // The kernel's buffers at both ends and one outbox: a few megabytes.
    let sent = peer.send_until_stalled(&mut steady, &[b'x'; 16384], MOST);
    assert!(sent < MOST, "the host takes everything");
    let grown = resident(host.pid()).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes are held for a peer that does not read");
    // Other connections are not affected.
    for _ in 0..20 {
        steady.expect_echo("helo\n");
    }
    // And when it reads, all of it is there.
    peer.finish();
    let bytes = peer.rest();
    assert_eq!(bytes.len(), sent);
    assert!(bytes.iter().all(|byte| *byte == b'x'));
}

each_isolation!(a_stalled_peer_that_resets_is_forgotten);
fn a_stalled_peer_that_resets_is_forgotten(isolation: Isolation) {
    const MOST: usize = 64 << 20;
    let host = Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)));
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let before = descriptors(&host);
    for _ in 0..3 {
        let mut peer = Peer::connect_narrow(&host.address("echo"));
        let sent = peer.send_until_stalled(&mut steady, &[b'x'; 16384], MOST);
        assert!(sent < MOST, "the host takes everything");
        peer.reset();
        wait_descriptors(&host, &mut steady, before).unwrap_or_else(|left| panic!("{left}"));
    }
    host.stop();
}

each_isolation!(what_nobody_has_read_is_given_back);
/// The heap alone would keep it: one small block at the end of an arena that lives on is enough.
fn what_nobody_has_read_is_given_back(isolation: Isolation) {
    const EACH: usize = 12 << 20;
    const PEERS: usize = 8;
    let plugin = Plugin::new("outbox_flood").isolation(isolation).prints();
    let config = Config::serving(plugin).plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let (files, memory) = (descriptors(&host), resident(host.pid()));
    for round in 0..3 {
        let flooded = |_| {
            let mut peer = Peer::connect_narrow(&host.address("outbox_flood"));
            peer.send(format!("{EACH} 65536\n"));
            peer
        };
        let peers: Vec<Peer> = (0..PEERS).map(flooded).collect();
        // Each says what it has sent, and its end.
        host.wait_printed_lines(2 * PEERS * round + PEERS);
        let full = resident(host.pid()).saturating_sub(memory);
        peers.into_iter().for_each(Peer::reset);
        wait_descriptors(&host, &mut steady, files).unwrap_or_else(|left| panic!("{left}"));
        let left = memory_left(&host, &mut steady, memory, LEFT_MAX);
        println!("{} MiB waited, {} MiB are left", full >> 20, left >> 20);
        assert!(left < LEFT_MAX, "{left} bytes are left");
    }
    host.stop();
}

each_isolation!(a_flood_is_told_when_it_has_drained);
fn a_flood_is_told_when_it_has_drained(isolation: Isolation) {
    let host = flood(isolation, None);
    let mut peer = Peer::connect_narrow(&host.address("outbox_flood"));
    let flood = more_than_the_kernel_holds();
    peer.send(format!("{flood} 65536\n"));
    host.wait_printed(&format!("sent {flood}"));
    assert_eq!(host.printed(), format!("sent {flood}\n"));
    peer.expect(vec![b'x'; flood]);
    host.wait_printed("drained");
    peer.finish();
    peer.expect_end();
    host.wait_printed("unbind peer-closed");
    let expected = format!("sent {flood}\ndrained\nunbind peer-closed\n");
    assert_eq!(host.stop().stdout, expected);
}

/// With an empty outbox `drained` is not delivered.
#[test]
fn what_the_kernel_takes_at_once_is_not_told() {
    let host = flood(Isolation::Connection, None);
    let mut peer = host.connect("outbox_flood");
    peer.send("1000 10\n");
    peer.expect(vec![b'x'; 1000]);
    peer.finish();
    peer.expect_end();
    host.wait_printed("unbind peer-closed");
    assert_eq!(host.stop().stdout, "sent 1000\nunbind peer-closed\n");
}

each_isolation!(beyond_the_hard_bound_nothing_is_taken);
fn beyond_the_hard_bound_nothing_is_taken(isolation: Isolation) {
    const BOUND: usize = 1 << 20;
    let host = flood(isolation, Some(BOUND));
    let mut peer = Peer::connect_narrow(&host.address("outbox_flood"));
    peer.send("67108864 65536\n");
    let printed = host.wait_printed_lines(1).swap_remove(0);
    let sent: usize = printed
        .strip_prefix("sent ")
        .and_then(|rest| rest.strip_suffix(" outbox-full"))
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("it printed {printed:?}"));
    // The kernel has some of it.
    assert!(BOUND - 65536 < sent && sent < BOUND + (16 << 20), "{sent} bytes were taken");
    // Accepted bytes arrive completely, and the connection lives.
    peer.expect(vec![b'x'; sent]);
    host.wait_printed("drained");
    peer.send("3\n");
    peer.expect("xxx");
}

each_isolation!(the_outboxes_of_a_tenant_are_bounded_together);
/// A peer that does not read uses up the common bound; small answers to others are still sent.
fn the_outboxes_of_a_tenant_are_bounded_together(isolation: Isolation) {
    let plugin = Plugin::new("outbox_flood").isolation(isolation).prints();
    let config = Config::serving(plugin).to_toml();
    let limits = "[tenants.outbox_flood.limits]\noutboxes = \"1MiB\"\n";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_toml(dir, &format!("{config}\n{limits}"));
    let mut other = host.connect("outbox_flood");
    let mut stalled = Peer::connect_narrow(&host.address("outbox_flood"));
    stalled.send("67108864 1000\n");
    let printed = host.wait_printed_lines(1).swap_remove(0);
    assert!(printed.ends_with(" outbox-full"), "{printed}");
    let told = host.wait_log("at a limit");
    assert_eq!(told.field("limit"), Some("outboxes"), "{told}");
    assert_eq!(told.field("value"), Some("1MiB"), "{told}");

    other.send("65536 65536\n");
    host.wait_printed("sent 0 outbox-full");
    other.send("1000\n");
    host.wait_printed("sent 1000");
    other.expect_count(1000);
    // The room of the stalled one is released with its end.
    drop(stalled);
    host.wait_printed_lines(4);
    other.send("65536 65536\n");
    host.wait_printed("sent 65536");
    other.expect_count(65536);
    host.stop();
}

each_isolation!(a_send_that_cannot_fail_closes_instead);
fn a_send_that_cannot_fail_closes_instead(isolation: Isolation) {
    let host = flood(isolation, Some(1 << 20));
    let mut peer = Peer::connect_narrow(&host.address("outbox_flood"));
    // At once: a peer whose outbox is full is not read.
    peer.send("67108864 65536\n100000 !\n");
    host.wait_printed("unbind closed");
    peer.expect_closed();
    let line = host.wait_line("a closed connection", |line| line.level() == "ERROR");
    assert!(line.0.contains("its outbox has no room for 100000 bytes"), "{line}");
}

fn flood(isolation: Isolation, bound: Option<usize>) -> Host {
    let mut plugin = Plugin::new("outbox_flood").isolation(isolation).prints();
    if let Some(bound) = bound {
        plugin = plugin.limit("outbox_max", bound.to_string());
    }
    Host::start(&Config::serving(plugin))
}
