//! Tenants that try to harm others: nothing leaves their own subjects and their own account.

use std::time::Instant;

use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Admin, Config, Host, Listen, PATIENCE, Peer, Plugin, component};

use super::{LIMIT, Own, ask, drain, hosts, meet, meet_in_room, sharing};

/// A client of NATS with handwritten commands, which is subscribed to every subject.
fn observer(nats: &Nats) -> Peer {
    nats.client(&["sandloop.>", "sandloop"])
}

/// The subject of the next message of a channel.
fn subject(observer: &mut Peer) -> String {
    loop {
        let line = observer.line();
        let mut words = line.split(' ');
        if let (Some("HMSG"), Some(subject)) = (words.next(), words.next())
            && subject.contains(".ch.")
        {
            return subject.to_owned();
        }
    }
}

#[test]
fn names_with_dots_wildcards_and_spaces_are_names() {
    let nats = Nats::start();
    let hosts = hosts(&nats, 2, || Plugin::new("channels"));
    let mut observer = observer(&nats);
    let long = "x".repeat(255);
    let names = [
        "*",
        ">",
        "a.*",
        "a.>",
        "a.b",
        ".",
        "..",
        "$SYS.REQ.x",
        "$JS.API.INFO",
        "_INBOX.x",
        "a%20b",
        "%20",
        "=2E",
        "ü\u{2028}",
        "\u{10ffff}",
        "%s",
        &long,
    ];
    for name in names {
        let mut peers: Vec<Peer> = hosts.iter().map(|host| host.connect("channels")).collect();
        // These get nothing of it, whatever the name would mean to NATS.
        let mut others: Vec<Peer> = hosts.iter().map(|host| host.connect("channels")).collect();
        for other in &mut others {
            for known in ["other", "a.c", "b"] {
                assert_eq!(ask(other, &format!("subscribe {known}")), "ok");
            }
        }
        for peer in &mut peers {
            assert_eq!(ask(peer, &format!("subscribe {name}")), "ok", "{name:?}");
        }
        meet(
            &mut peers,
            Own::Heard,
            |word| format!("push {name} {word}\n"),
            |word| format!("got {word}"),
        );
        peers[0].send(format!("push {name} word\n"));
        for peer in &mut peers {
            assert_eq!(peer.line(), "got word", "{name:?}");
        }
        let subject = subject(&mut observer);
        let parts: Vec<&str> = subject.split('.').collect();
        assert_eq!(
            (parts.len(), &parts[..3]),
            (4, &["sandloop", "channels", "ch"][..]),
            "{name:?}: {subject}"
        );
        assert!(others.iter_mut().all(Peer::is_idle), "{name:?}");
        drain(&mut observer);
    }
    // One more byte is no name, on a cluster as without one.
    let mut peer = hosts[0].connect("channels");
    assert_ne!(ask(&mut peer, &format!("subscribe {long}x")), "ok");
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

/// What another program publishes on the subject of a channel, with a host's header or with none.
#[test]
fn a_forged_header_splits_a_message_as_it_says_or_not_at_all() {
    let nats = Nats::start();
    let hosts = hosts(&nats, 1, || Plugin::new("channels"));
    let mut peer = hosts[0].connect("channels");
    assert_eq!(ask(&mut peer, "subscribe room"), "ok");
    let mut forger = observer(&nats);
    let mut publish = |header: &str, payload: &str| {
        let head = format!("NATS/1.0\r\nSandloop-Push: {header}\r\n\r\n");
        let (bytes, all) = (head.len(), head.len() + payload.len());
        forger.send(format!("HPUB sandloop.channels.ch.room {bytes} {all}\r\n{head}{payload}\r\n"));
    };
    let begun = Instant::now();
    while peer.is_idle() {
        assert!(begun.elapsed() < PATIENCE, "the subscription never reaches the server");
        publish("none", "ready");
    }
    for (number, (header, payload, heard)) in [
        ("web.1 0 0 3 3", "onetwo", &["one", "two"][..]),
        ("web.1 0 0 3 3", "onetwo", &[]),
        ("web.1 0 1", "two", &[]),
        ("web.1 0 2", "three", &["three"]),
        ("web.2 0 0 0 6 0", "onetwo", &["", "onetwo", ""]),
        ("web.3 0 0 3 4", "onetwo", &["onetwo"]),
        ("web.3 0 0 3", "onetwo", &["onetwo"]),
        ("web.3 0 0 3 x", "onetwo", &["onetwo"]),
        ("web.3 0 0 -3 9", "onetwo", &["onetwo"]),
        ("web.3 0 0 18446744073709551615 7", "onetwo", &["onetwo"]),
        ("web.4 18446744073709551615 18446744073709551615 3 3", "onetwo", &["one", "two"]),
        ("web.4 18446744073709551615 18446744073709551615 3 3", "onetwo", &["one", "two"]),
        ("web.4 0 0", "onetwo", &[]),
        (&format!("web.5 0 0{}", " 0".repeat(10_000)), "", &[""]),
        ("", "onetwo", &["onetwo"]),
    ]
    .into_iter()
    .enumerate()
    {
        let end = format!("end.{number}");
        publish(header, payload);
        publish("none", &end);
        let mut lines = Vec::new();
        while lines.last() != Some(&format!("got {end}")) {
            lines.push(peer.line());
            lines.retain(|line| line != "got ready");
        }
        lines.pop();
        let heard: Vec<String> = heard.iter().map(|word| format!("got {word}")).collect();
        assert_eq!(lines, heard, "{} of {payload:?}", &header[..header.len().min(60)]);
    }
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

#[test]
fn what_no_server_takes_is_refused_before_anybody_hears_it() {
    let nats = Nats::start_with(1, "max_payload: 4096\n");
    let hosts = hosts(&nats, 2, || Plugin::new("channels"));
    let mut peers: Vec<Peer> = hosts.iter().map(|host| host.connect("channels")).collect();
    for peer in &mut peers {
        assert_eq!(ask(peer, "subscribe room"), "ok");
    }
    meet_in_room(&mut peers);
    let (giant, large) = ("x".repeat(5000), "y".repeat(3000));
    peers[0].send(format!("push room {giant}\n"));
    assert_eq!(peers[0].line(), LIMIT);
    let told = hosts[0].wait_log("at a limit");
    assert_eq!(told.field("limit"), Some("message"), "{told:?}");
    assert!(told.to_string().contains(" value=3840 bytes, by the NATS server "), "{told:?}");
    peers[0].send(format!("push room {large}\n"));
    for peer in &mut peers {
        assert_eq!(peer.line(), format!("got {large}"));
    }
    let admin = Admin::of(&hosts[0]);
    let sample = "sandloop_cluster_refused_total{tenant=\"channels\",reason=\"too-large\"}";
    assert_eq!(admin.metric(sample), Some(1.0));
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

/// Two tenants that share the host's connection: `greedy`, and one that behaves.
fn two_tenants(nats: &Nats, host: &str) -> Config {
    let config = sharing(nats, Plugin::named("greedy", &component("channels")), host);
    config
        .plugin(Plugin::named("modest", &component("channels")))
        .listen(Listen::tcp("modest"))
        .sharing("modest", "channels", text("cluster"))
        .tenant("greedy", "channels", "600")
        .tenant("greedy", "cluster_outbox", text("16KiB"))
}

fn pair(nats: &Nats) -> [Host; 2] {
    let hosts = ["h1", "h2"].map(|name| Host::start(&two_tenants(nats, name)));
    hosts.iter().for_each(|host| drop(host.wait_log("connected to NATS")));
    hosts
}

#[test]
fn a_flood_of_pushes_is_its_tenants_own() {
    let nats = Nats::start();
    let hosts = pair(&nats);
    let mut modest: Vec<Peer> = hosts.iter().map(|host| host.connect("modest")).collect();
    for peer in &mut modest {
        assert_eq!(ask(peer, "subscribe room"), "ok");
    }
    meet_in_room(&mut modest);
    let mut greedy: Vec<Peer> = (0..4).map(|_| hosts[0].connect("greedy")).collect();
    for round in 0..20 {
        greedy.iter_mut().for_each(|peer| peer.send("flood room\n"));
        modest[0].send(format!("push room {round}\n"));
        for peer in &mut modest {
            assert_eq!(peer.line(), format!("got {round}"));
        }
        for peer in &mut greedy {
            let line = peer.line();
            assert!(line.starts_with("pushed "), "{line}");
        }
    }
    let admin = Admin::of(&hosts[0]);
    let refused = |tenant: &str| {
        admin.metric(&format!(
            "sandloop_cluster_refused_total{{tenant=\"{tenant}\",reason=\"full\"}}"
        ))
    };
    assert!(refused("greedy").is_some_and(|count| 0.0 < count));
    assert_eq!(refused("modest"), Some(0.0));
    // Only refused messages are missing: nothing else is lost.
    for host in &hosts {
        for reason in ["missed", "left-out"] {
            let sample =
                format!("sandloop_cluster_lost_total{{tenant=\"modest\",reason=\"{reason}\"}}");
            assert_eq!(Admin::of(host).metric(&sample), Some(0.0), "{reason}");
        }
    }
    hosts.into_iter().for_each(|host| drop(host.stop()));
}

#[test]
fn thousands_of_subscriptions_end_at_the_tenants_bound_and_are_given_up() {
    let nats = Nats::start();
    let hosts = pair(&nats);
    let admin = Admin::of(&hosts[0]);
    let subscriptions = "sandloop_cluster_subscriptions{tenant=\"greedy\"}";
    let mut greedy = hosts[0].connect("greedy");
    for round in 0..3 {
        for number in 0..600 {
            assert_eq!(ask(&mut greedy, &format!("subscribe r{round}.{number}")), "ok");
        }
        for number in 0..400 {
            assert_eq!(ask(&mut greedy, &format!("subscribe more{number}")), LIMIT);
        }
        admin.wait_metric(subscriptions, 600.0);
        assert_eq!(ask(&mut greedy, "unsubscribe"), "ok");
    }
    admin.wait_metric(subscriptions, 0.0);
    // Subscribed and unsubscribed repeatedly: only the wanted subscriptions are left.
    for number in 0..2000 {
        assert_eq!(ask(&mut greedy, &format!("subscribe c{number}")), "ok");
        assert_eq!(ask(&mut greedy, "unsubscribe"), "ok");
    }
    let mut modest: Vec<Peer> = hosts.iter().map(|host| host.connect("modest")).collect();
    for peer in &mut modest {
        assert_eq!(ask(peer, "subscribe room"), "ok");
    }
    meet_in_room(&mut modest);
    admin.wait_metric(subscriptions, 0.0);
    hosts.into_iter().for_each(|host| drop(host.stop()));
}
