//! Programs that run on one host at a time: with real NATS servers, checked from outside.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_tests::cable::{Cable, HOST};
use sandloop_tests::config::text;
use sandloop_tests::host::directory;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Admin, Config, Host, Isolation, Listen, PATIENCE, Plugin, sandloop, until};

use super::oracle::{Oracle, Word};

/// The lease of most tests.
const LEASE: Duration = Duration::from_secs(2);
/// A lease that outlasts the time-outs of a test: a program that begins within them has not waited for it.
const LONG: &str = "120s";
/// What the log of a host says.
const GIVEN_BACK: &str = "the lease of a singleton is given back";

fn program(oracle: &Oracle, host: &str) -> Plugin {
    plain(oracle, host).key("singleton", "true")
}

/// The same program without `singleton`, so that each host runs it.
fn plain(oracle: &Oracle, host: &str) -> Plugin {
    Plugin::new("singleton")
        .isolation(Isolation::Plugin)
        .option("oracle", &oracle.path())
        .option("host", host)
        .may_connect(&[&format!("unix:{}", oracle.path())])
}

/// A host that serves an echo beside the singleton.
fn with(nats: &Nats, host: &str, lease: &str, plugins: impl IntoIterator<Item = Plugin>) -> Config {
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let config = plugins.into_iter().fold(config, Config::plugin);
    config
        .cluster("nats", nats.urls())
        .cluster("name", text(host))
        .cluster("lease", text(lease))
        .cluster("ping", text("500ms"))
        .cluster("connect_deadline", text("1s"))
        .watched()
}

fn config(nats: &Nats, oracle: &Oracle, host: &str) -> Config {
    with(nats, host, "2s", [program(oracle, host)])
}

fn hosts(nats: &Nats, oracle: &Oracle, count: usize) -> Vec<(String, Host)> {
    let names = (0..count).map(|number| format!("h{number}"));
    names
        .map(|name| {
            let host = Host::start(&config(nats, oracle, &name));
            (name, host)
        })
        .collect()
}

/// Takes the host of a program out of the list.
fn owner(hosts: &mut Vec<(String, Host)>, of: &Word) -> Host {
    let place = hosts.iter().position(|(name, _)| *name == of.host).expect("one of them");
    hosts.remove(place).1
}

/// Two hosts with a long lease, which the first one has.
fn two_with_a_long_lease(nats: &Nats, oracle: &mut Oracle) -> [Host; 2] {
    two_of(program, nats, oracle)
}

/// Makes the lease of a program free: one that no host has ever had may be taken when it would have expired.
fn make_free(program: impl Fn(&Oracle, &str) -> Plugin, nats: &Nats, oracle: &mut Oracle) {
    let take_and_give_back = || {
        let first = Host::start(&with(nats, "first", "1s", [program(oracle, "first")]));
        oracle.begins();
        // On a busy machine so short a lease may be over before it is given back.
        first.stop().stderr.contains(GIVEN_BACK).then_some(())
    };
    until(take_and_give_back, || "it is never given back");
    oracle.skip();
}

/// Two hosts with a long lease of a program, which the first one has.
fn two_of(
    program: impl Fn(&Oracle, &str) -> Plugin,
    nats: &Nats,
    oracle: &mut Oracle,
) -> [Host; 2] {
    make_free(&program, nats, oracle);
    ["h0", "h1"].map(|name| {
        let host = Host::start(&with(nats, name, LONG, [program(oracle, name)]));
        if name == "h0" {
            assert_eq!(oracle.begins().host, "h0");
        }
        wait_owner(&host, "h0.");
        host
    })
}

/// Waits until a host knows that the owner is one whose name begins with this; from then on it is notified when the lease is
/// given back.
fn wait_owner(host: &Host, start: &str) {
    let (admin, begun) = (Admin::of(host), Instant::now());
    loop {
        let told = &admin.json("/cluster")["cluster"]["singletons"][0];
        if told["owner"].as_str().is_some_and(|owner| owner.starts_with(start)) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it is never at {start}: {told}");
    }
}

fn stop(hosts: Vec<(String, Host)>) {
    hosts.into_iter().for_each(|(_, host)| drop(host.stop()));
}

/// Reloads a host with another file.
fn reload(host: &Host, config: &Config) {
    std::fs::write(host.dir().join("plugins.toml"), config.to_toml()).expect("the file is ours");
    let reply = Admin::of(host).ask("POST", "/reload", &[]);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn it_moves_with_a_greater_number_when_its_host_is_killed() {
    let (nats, mut oracle) = (Nats::cluster(3), Oracle::listen());
    let mut hosts = hosts(&nats, &oracle, 3);
    let mut running = oracle.begins();
    while 1 < hosts.len() {
        oracle.beats(&running);
        let killed = Instant::now();
        drop(owner(&mut hosts, &running));
        let next = oracle.begins();
        assert!(running.fencing < next.fencing, "{next:?} after {running:?}");
        // Not before the last renewed lease is over.
        let took = next.at.duration_since(killed);
        assert!(LEASE / 3 <= took, "{took:?}");
        println!("moved after {took:?}, with a lease of {LEASE:?}");
        running = next;
    }
    oracle.beats(&running);
    let admin = Admin::of(&hosts[0].1);
    let labels = "{plugin=\"singleton\",tenant=\"singleton\"}";
    let fencing = admin.metric(&format!("sandloop_singleton_fencing{labels}"));
    assert_eq!(fencing, Some(running.fencing as f64));
    let told = &admin.json("/cluster")["cluster"]["singletons"][0];
    assert_eq!(told["fencing"], running.fencing, "{told}");
    assert_eq!(told["terms"], 1, "{told}");
    oracle.one_at_a_time();
    stop(hosts);
}

#[test]
fn a_host_that_stops_gives_it_back_at_once() {
    let (nats, mut oracle) = (Nats::cluster(3), Oracle::listen());
    let [first, second] = two_with_a_long_lease(&nats, &mut oracle);
    let outcome = first.stop();
    assert!(outcome.stderr.contains(GIVEN_BACK), "{outcome:?}");
    let next = oracle.begins();
    assert_eq!(next.host, "h1");
    oracle.one_at_a_time();
    second.stop();
}

#[test]
fn a_reload_that_leaves_it_out_gives_it_back_and_one_that_has_it_again_stands_for_it() {
    let (nats, mut oracle) = (Nats::start(), Oracle::listen());
    let [first, second] = two_with_a_long_lease(&nats, &mut oracle);
    reload(&first, &with(&nats, "h0", LONG, []));
    assert_eq!(oracle.begins().host, "h1");
    reload(&first, &with(&nats, "h0", LONG, [program(&oracle, "h0")]));
    wait_owner(&first, "h1.");
    second.stop();
    assert_eq!(oracle.begins().host, "h0");
    oracle.one_at_a_time();
    first.stop();
}

#[test]
fn one_that_is_parked_goes_on_elsewhere() {
    let (nats, mut oracle) = (Nats::start(), Oracle::listen());
    let [first, second] = two_with_a_long_lease(&nats, &mut oracle);
    let reply = Admin::of(&first).ask("POST", "/plugins/singleton/park", &[]);
    assert_eq!(reply.status, 200, "{reply:?}");
    let next = oracle.begins();
    assert_eq!(next.host, "h1");
    oracle.beats(&next);
    oracle.one_at_a_time();
    [first, second].into_iter().for_each(|host| drop(host.stop()));
}

#[test]
fn the_next_version_goes_on_in_the_same_term_with_the_state_of_the_one_before() {
    let (nats, mut oracle) = (Nats::start(), Oracle::listen());
    let [first, second] = two_with_a_long_lease(&nats, &mut oracle);
    let before = oracle.wait("beats", |word| word.word == "beats");
    let next = program(&oracle, "h0").option("version", "2");
    reload(&first, &with(&nats, "h0", LONG, [next]));
    let stops = oracle.wait("stops", |word| word.word == "stops");
    assert_eq!(stops.fencing, before.fencing);
    let next = oracle.begins();
    assert_eq!((&*next.host, next.fencing), ("h0", before.fencing));
    assert_eq!(next.word, "begins.1", "the state of the one before");
    oracle.one_at_a_time();
    [second, first].into_iter().for_each(|host| drop(host.stop()));
}

#[test]
fn a_program_becomes_a_singleton_by_a_reload() {
    let (nats, mut oracle) = (Nats::start(), Oracle::listen());
    // The program of the previous version keeps its connection for this long.
    let soon = |plugin: Plugin| plugin.limit("drain_deadline", text("100ms"));
    let host = Host::start(&with(&nats, "h0", "1s", [soon(plain(&oracle, "h0"))]));
    let before = oracle.begins();
    assert_eq!(before.fencing, 0, "it has no number");
    reload(&host, &with(&nats, "h0", "1s", [soon(program(&oracle, "h0"))]));
    let next = oracle.begins();
    assert_ne!(next.fencing, 0);
    oracle.one_at_a_time();
    host.stop();
}

#[test]
fn a_program_that_traps_or_computes_for_ever_passes_it_on() {
    let (nats, mut oracle) = (Nats::start(), Oracle::listen());
    // It computes at the lowest priority: a second of that takes minutes on a busy machine.
    let brief =
        |oracle: &Oracle, host: &str| program(oracle, host).limit("cpu_per_event", text("20ms"));
    let [first, second] = two_of(brief, &nats, &mut oracle);
    let mut running = oracle.wait("beats", |word| word.word == "beats");
    for (word, next_host) in [("trap\n", "h1"), ("spin\n", "h0")] {
        oracle.say(&running, word);
        let next = oracle.begins();
        assert_eq!(next.host, next_host, "after {word:?}");
        assert!(running.fencing < next.fencing, "{next:?} after {running:?}");
        running = next;
    }
    oracle.one_at_a_time();
    [first, second].into_iter().for_each(|host| drop(host.stop()));
}

/// A frozen host does not notice the time: when it continues, its program has long been started by another one.
#[test]
fn a_host_that_was_frozen_ends_its_program_before_anything_else() {
    let (nats, mut oracle) = (Nats::cluster(3), Oracle::listen());
    let mut hosts = hosts(&nats, &oracle, 2);
    let running = oracle.begins();
    let frozen = owner(&mut hosts, &running);
    oracle.beats(&running);
    frozen.signal(Signal::STOP);
    let next = oracle.begins();
    assert!(running.fencing < next.fencing, "{next:?} after {running:?}");
    oracle.beats(&next);
    frozen.signal(Signal::CONT);
    frozen.wait_log("the lease of a singleton has lapsed: its program is ended");
    oracle.beats(&next);
    oracle.one_at_a_time();
    // It is a candidate again.
    drop(owner(&mut hosts, &next));
    assert_eq!(oracle.begins().host, running.host);
    frozen.stop();
}

/// A program that computes when its term ends is interrupted.
#[test]
fn a_program_that_computes_is_ended_with_its_lease() {
    let (nats, mut oracle) = (Nats::start(), Oracle::listen());
    let start = |name: &str| {
        let long = program(&oracle, name).limit("cpu_per_event", text("60s"));
        let long = long.limit("event_deadline", text("120s"));
        Host::start(&with(&nats, name, "2s", [long]))
    };
    let first = start("h0");
    let running = oracle.begins();
    oracle.beats(&running);
    oracle.say(&running, "spin\n");
    nats.signal(0, Signal::STOP);
    first.wait_log("the lease of a singleton has lapsed: its program is ended");
    nats.signal(0, Signal::CONT);
    let next = oracle.begins();
    assert!(running.fencing < next.fencing, "{next:?} after {running:?}");
    oracle.one_at_a_time();
    first.stop();
}

/// The host of the program is cut off from NATS, without an error.
#[test]
fn a_host_that_is_cut_off_ends_it_before_another_begins() {
    let Some(cable) = Cable::lay(1500) else { return };
    let mut oracle = Oracle::listen();
    let nats = cable.at_host(|| Nats::start_at(&[HOST], ""));
    let of_far = config(&nats, &oracle, "far");
    let far = cable.at_peer(|| Host::start(&of_far));
    let running = oracle.begins();
    let of_near = config(&nats, &oracle, "near");
    let near = cable.at_host(|| Host::start(&of_near));
    near.wait_log("connected to NATS");
    oracle.beats(&running);
    cable.cut();
    oracle.wait("stops", |word| word.word == "stops" && word.host == "far");
    let next = oracle.begins();
    assert_eq!(next.host, "near");
    let last = oracle.last_of(&running);
    let apart = next.at.duration_since(last.at);
    println!("{apart:?} between the last word of one and the first of the next");
    cable.mend();
    // It waits until the lease is free.
    far.wait_lines("connected to NATS", 2, |line| line.message().starts_with("connected to NATS"));
    oracle.beats(&next);
    cable.at_host(|| near.stop());
    assert_eq!(oracle.begins().host, "far");
    oracle.one_at_a_time();
    cable.at_peer(|| far.stop());
}

/// All requests to JetStream, and the read of a lease from the leader.
const REQUESTS: &str = "$JS.API.>";
const READ: &str = "$JS.API.STREAM.MSG.GET.KV_sandloop-leases";

/// A host that has no connection when the lease is given back looks when it has one again.
#[test]
fn a_host_that_was_cut_off_when_it_was_given_back_begins_when_it_is_back() {
    let Some(cable) = Cable::lay(1500) else { return };
    let mut oracle = Oracle::listen();
    let nats = cable.at_host(|| Nats::start_at(&[HOST], ""));
    let near = cable.at_host(|| {
        make_free(program, &nats, &mut oracle);
        Host::start(&with(&nats, "near", LONG, [program(&oracle, "near")]))
    });
    let running = oracle.begins();
    oracle.beats(&running);
    let mut watch = cable.at_host(|| nats.client(&[REQUESTS]));
    let of_far = with(&nats, "far", LONG, [program(&oracle, "far")]);
    let far = cable.at_peer(|| Host::start(&of_far));
    // It looks twice at once, and then for long no more.
    for _ in 0..2 {
        while !watch.line().contains(READ) {}
    }
    cable.at_peer(|| wait_owner(&far, "near."));
    cable.cut();
    far.wait_log("the connection to NATS is lost");
    let outcome = cable.at_host(|| near.stop());
    assert!(outcome.stderr.contains(GIVEN_BACK), "{outcome:?}");
    oracle.skip();
    cable.mend();
    let next = oracle.begins();
    assert_eq!(next.host, "far");
    assert!(running.fencing < next.fencing, "{next:?} after {running:?}");
    oracle.one_at_a_time();
    cable.at_peer(|| far.stop());
}

/// Any other server may not have yet what another host has announced.
#[test]
fn what_decides_is_read_from_the_leader() {
    let (nats, mut oracle) = (Nats::cluster(3), Oracle::listen());
    let mut watch = nats.client(&[REQUESTS]);
    let hosts = hosts(&nats, &oracle, 2);
    let running = oracle.begins();
    oracle.beats(&running);
    let mut reads = 0;
    while reads < 10 {
        let line = watch.line();
        assert!(!line.contains("$JS.API.DIRECT."), "{line}");
        reads += usize::from(line.contains(READ));
    }
    stop(hosts);
}

#[test]
fn it_goes_on_through_restarts_of_all_servers() {
    let (mut nats, mut oracle) = (Nats::cluster(3), Oracle::listen());
    let hosts = hosts(&nats, &oracle, 3);
    oracle.begins();
    for server in 0..3 {
        nats.kill(server);
        nats.start_again(server);
        oracle.skip();
        oracle.wait("beats", |word| word.word == "beats");
    }
    // All servers at once: no renewal is possible, and no host takes a lease before they are back.
    (0..3).for_each(|server| nats.signal(server, Signal::STOP));
    oracle.skip();
    let begun = Instant::now();
    while (0..3).any(|host| is_held(&hosts[host].1)) {
        assert!(begun.elapsed() < PATIENCE, "it is never given up");
    }
    oracle.skip();
    (0..3).for_each(|server| nats.signal(server, Signal::CONT));
    let next = oracle.begins();
    oracle.beats(&next);
    oracle.one_at_a_time();
    stop(hosts);
}

/// Whether a host has the program.
fn is_held(host: &Host) -> bool {
    let sample = "sandloop_singleton_fencing{plugin=\"singleton\",tenant=\"singleton\"}";
    Admin::of(host).metric(sample).is_some()
}

#[test]
fn check_says_that_there_is_no_jetstream_for_it() {
    let accounts = "accounts { HOST: { users: [{ user: host, password: h }] } }\n";
    let (nats, oracle) = (Nats::start_with(1, accounts), Oracle::listen());
    let config = config(&nats, &oracle, "h").cluster("user", text("host"));
    let config = config.cluster("password", text("h"));
    let (dir, _file) = directory(&config.to_toml());
    let outcome = sandloop(dir.path(), &["check", "plugins.toml"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let said = outcome.stderr;
    assert!(said.contains("plugins.singleton.singleton: nats://"), "{said}");
    assert!(said.contains("there are no leases for it: "), "{said}");
    assert!(said.contains("; enable JetStream in the server's configuration"), "{said}");
}

#[test]
fn check_is_content_with_jetstream() {
    let (nats, oracle) = (Nats::start(), Oracle::listen());
    let (dir, _file) = directory(&config(&nats, &oracle, "h").to_toml());
    let outcome = sandloop(dir.path(), &["check", "plugins.toml"]);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{outcome:?}");
}
