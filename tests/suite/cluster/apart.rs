//! Hosts that lose their server, or each other.

use std::time::Instant;

use rustix::process::Signal;
use sandloop_tests::cable::{Cable, HOST};
use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Admin, Config, Host, Listen, PATIENCE, Peer, Plugin};

use super::{LIMIT, ask, hosts, meet_in_room, say, sharing};

/// The configuration of a plugin of the suite that also echoes, for a host that soon notices a lost connection.
fn quick(config: Config) -> Config {
    let config = config.cluster("ping", text("200ms")).cluster("connect_deadline", text("1s"));
    let config = config.cluster("apart", text("unready"));
    config.plugin(Plugin::new("echo")).listen(Listen::tcp("echo"))
}

/// Waits until `/readyz` answers with this status.
fn wait_ready(admin: &Admin, status: u16) {
    let begun = Instant::now();
    while admin.get("/readyz").status != status {
        assert!(begun.elapsed() < PATIENCE, "{:?}", admin.get("/readyz"));
    }
}

fn subscribed(host: &Host) -> Peer {
    let mut peer = host.connect("channels");
    assert_eq!(ask(&mut peer, "subscribe room"), "ok");
    peer
}

#[test]
fn a_server_that_dies_is_left_for_another() {
    let mut nats = Nats::cluster(3);
    let hosts = hosts(&nats, 3, || Plugin::new("channels"));
    let mut peers: Vec<Peer> = hosts.iter().map(subscribed).collect();
    meet_in_room(&mut peers);
    for server in 0..3 {
        nats.kill(server);
        meet_in_room(&mut peers);
        nats.start_again(server);
        meet_in_room(&mut peers);
    }
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

#[test]
fn a_host_whose_server_comes_late_serves_and_is_told_apart() {
    let mut nats = Nats::start();
    nats.kill(0);
    let host = Host::start(&quick(sharing(&nats, Plugin::new("channels"), "h")));
    let told = host.wait_log("NATS is not reached");
    assert_eq!(told.field("servers"), Some(format!("nats://{}", nats.address(0)).as_str()));
    let admin = Admin::of(&host);
    wait_ready(&admin, 503);
    let mut peer = subscribed(&host);
    peer.send(say("alone"));
    assert_eq!(peer.line(), "got alone");
    host.connect("echo").expect_echo("still here");
    nats.start_again(0);
    host.wait_log("connected to NATS");
    wait_ready(&admin, 200);
    admin.wait_metric("sandloop_cluster_published_total{tenant=\"channels\"}", 1.0);
    host.stop();
}

/// The host is near the server, and the other one at the other end of a cable.
#[test]
fn a_partition_is_noticed_bridged_as_far_as_there_is_room_and_counted() {
    let Some(cable) = Cable::lay(1500) else { return };
    let nats = cable.at_host(|| Nats::start_at(&[HOST], ""));
    let near = quick(sharing(&nats, Plugin::new("channels"), "near"));
    let far = quick(sharing(&nats, Plugin::new("channels"), "far"));
    let far = far.tenant("channels", "cluster_outbox", text("4KiB"));
    let (near, far) = (cable.at_host(|| Host::start(&near)), cable.at_peer(|| Host::start(&far)));
    far.wait_log("connected to NATS");
    let admin = Admin::of(&far);
    let mut peers = [cable.at_host(|| subscribed(&near)), cable.at_peer(|| subscribed(&far))];
    meet_in_room(&mut peers);
    let mut echo = cable.at_peer(|| far.connect("echo"));
    cable.cut();
    // It gets no error: it has to ping.
    far.wait_log("the connection to NATS is lost");
    wait_ready(&admin, 503);
    echo.expect_echo("unmoved");
    let [of_near, of_far] = &mut peers;
    // Messages that are pushed near the server are lost for the far host.
    for number in 0..5 {
        of_near.send(say(&format!("near.{number}")));
        assert_eq!(of_near.line(), format!("got near.{number}"));
    }
    // Messages that are pushed on the far host wait, as far as there is room: 15 words of 5 or 6 bytes, each with 256 more. Its
    // own subscribers get these at once, and no subscriber gets the others. All in one callback: a connection that fills the
    // outbox is not read until there is room.
    let words: Vec<String> = (0..40).map(|word| format!("far.{word}")).collect();
    of_far.send(format!("push room {}\n", words.join(" ")));
    assert_eq!(of_far.line(), LIMIT);
    const KEPT: usize = 15;
    for said in &words[..KEPT] {
        assert_eq!(of_far.line(), format!("got {said}"));
    }
    let told = far.wait_log("at a limit");
    assert_eq!(told.field("limit"), Some("cluster_outbox"), "{told:?}");
    let refused = "sandloop_cluster_refused_total{tenant=\"channels\",reason=\"full\"}";
    assert_eq!(admin.metric(refused), Some(25.0));
    echo.expect_echo("still unmoved");
    cable.mend();
    wait_ready(&admin, 200);
    // Every waiting message arrives, in order, and none twice.
    for said in &words[..KEPT] {
        assert_eq!(of_near.line(), format!("got {said}"));
    }
    meet_in_room(&mut peers);
    // The numbers of the near host show the missed messages: its five, and greetings that came too early.
    let missed = admin.metric("sandloop_cluster_lost_total{tenant=\"channels\",reason=\"missed\"}");
    assert!(missed.is_some_and(|missed| 5.0 <= missed), "{missed:?}");
    far.wait_log("messages of another host have not come");
    cable.at_host(|| near.stop());
    cable.at_peer(|| far.stop());
}

#[test]
fn a_server_that_hangs_holds_up_no_loop_and_no_neighbour() {
    let nats = Nats::start();
    let config = sharing(&nats, Plugin::new("channels"), "h");
    let config =
        quick(config).host("reactors", "2").tenant("channels", "cluster_outbox", text("64KiB"));
    let host = Host::start(&config);
    host.wait_log("connected to NATS");
    let (mut flood, mut echo) = (host.connect("channels"), host.connect("echo"));
    nats.signal(0, Signal::STOP);
    // As much as the system and the outbox take, and no more.
    let pushed = ask(&mut flood, "flood room");
    assert!(pushed.starts_with("pushed "), "{pushed}");
    for round in 0..100 {
        echo.expect_echo(format!("round {round}\n"));
    }
    nats.signal(0, Signal::CONT);
    let admin = Admin::of(&host);
    admin.wait_metric(
        "sandloop_tenant_usage_bytes{tenant=\"channels\",limit=\"cluster_outbox\"}",
        0.0,
    );
    admin.wait_metric("sandloop_tenant_usage_bytes{tenant=\"channels\",limit=\"messages\"}", 0.0);
    host.stop();
}
