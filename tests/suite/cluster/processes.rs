//! Processes on all hosts of a cluster, over real NATS servers: where they are created, what they are sent, and how their ends are
//! told when they, their parents, their hosts or the network end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_tests::cable::{Cable, HOST};
use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{
    Admin, Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, component, pause,
};

use super::{LIMIT, Own, ask, meet};

/// The guest, the plugin and the tenant.
const GUEST: &str = "cluster_processes";

fn plugin(host: &str) -> Plugin {
    let plugin = Plugin::new(GUEST).isolation(Isolation::Connection).option("host", host);
    let plugin = plugin.limit("traps", "1000000").limit("cpu_per_event", text("60s"));
    plugin.limit("event_deadline", text("120s"))
}

/// A host with this plugin among its others.
fn with(nats: &Nats, host: &str, plugin: Plugin) -> Config {
    Config::serving(plugin)
        .sharing(GUEST, "channels", text("cluster"))
        .sharing(GUEST, "processes", text("cluster"))
        .cluster("nats", nats.urls())
        .cluster("name", text(host))
        .cluster("ping", text("1s"))
        .cluster("connect_deadline", text("1s"))
        .watched()
}

/// Hosts that know each other's places.
struct Crew {
    hosts: Vec<Host>,
    /// A peer of each that gives commands.
    peers: Vec<Peer>,
    /// A peer of the first that hears all processes.
    ears: Peer,
}

impl Crew {
    fn start(nats: &Nats, count: usize) -> Crew {
        Crew::of((0..count).map(|number| {
            let name = format!("h{number}");
            Host::start(&with(nats, &name, plugin(&name)))
        }))
    }

    fn of(hosts: impl IntoIterator<Item = Host>) -> Crew {
        let hosts: Vec<Host> = hosts.into_iter().collect();
        hosts.iter().for_each(|host| wait_hosts(host, hosts.len() - 1));
        let peers = hosts.iter().map(|host| host.connect(GUEST)).collect();
        let mut ears: Vec<Peer> = hosts.iter().map(|host| host.connect(GUEST)).collect();
        for peer in &mut ears {
            assert_eq!(ask(peer, "listen"), "ok");
        }
        meet(&mut ears, Own::Heard, |word| format!("hello {word}\n"), str::to_owned);
        Crew { hosts, peers, ears: ears.swap_remove(0) }
    }

    /// Has the first host spawn one for each key; where each is, by its key.
    fn spawn_keys(&mut self, by: usize, keys: &[String]) -> BTreeMap<String, Born> {
        for key in keys {
            assert_eq!(ask(&mut self.peers[by], &format!("spawn counter {key} {key}")), "ok");
        }
        (0..keys.len()).map(|_| self.born()).map(|born| (born.argument.clone(), born)).collect()
    }

    /// The next process that says that it is born.
    fn born(&mut self) -> Born {
        let line = self.ears.line();
        let words: Vec<&str> = line.split(' ').collect();
        let [first, host, argument, id] = words[..] else { panic!("{line}") };
        assert_eq!(first, "born", "{line}");
        Born { host: host.to_owned(), argument: argument.to_owned(), id: id.to_owned() }
    }

    /// The first host spawns processes until one is at this host; what it is called. The others are killed.
    fn spawn_at(&mut self, host: &str) -> Born {
        for number in 0..200 {
            let name = format!("try{number}-{host}");
            assert_eq!(ask(&mut self.peers[0], &format!("spawn counter {name} {name}")), "ok");
            let born = self.born();
            if born.host == host {
                return born;
            }
            self.peers[0].send(format!("kill {name}\n"));
            let mut answers = [self.peers[0].line(), self.peers[0].line()];
            answers.sort();
            assert_eq!(answers, [format!("exited {name} ExitReason::Killed"), "ok".to_owned()]);
        }
        panic!("no key leads to {host}");
    }

    fn stop(self) {
        self.hosts.into_iter().for_each(|host| drop(host.stop()));
    }
}

/// A process that has said that it is born.
#[derive(Debug, Clone)]
struct Born {
    host: String,
    argument: String,
    id: String,
}

fn of_tenant(name: &str) -> String {
    format!("sandloop_cluster_{name}{{tenant=\"{GUEST}\"}}")
}

fn by(name: &str, label: &str, value: &str) -> String {
    format!("sandloop_cluster_{name}{{tenant=\"{GUEST}\",{label}=\"{value}\"}}")
}

/// Waits until a host knows so many others that can have processes.
fn wait_hosts(host: &Host, count: usize) {
    Admin::of(host).wait_metric(&of_tenant("process_hosts"), count as f64);
}

/// Waits until a host has so many processes of parents anywhere.
fn wait_residents(host: &Host, count: usize) {
    Admin::of(host).wait_metric(&by("processes", "side", "residents"), count as f64);
}

fn exits(host: &Host, reason: &str) -> f64 {
    Admin::of(host).metric(&by("process_exits_total", "reason", reason)).expect("a counter")
}

#[test]
fn a_key_has_the_same_host_whoever_spawns_and_all_hosts_have_keys() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 3);
    let keys: Vec<String> = (0..30).map(|number| format!("key{number}")).collect();
    let first = crew.spawn_keys(0, &keys);
    let hosts: BTreeSet<&str> = first.values().map(|born| &*born.host).collect();
    assert_eq!(hosts, BTreeSet::from(["h0", "h1", "h2"]));
    for by in [1, 2] {
        for (key, born) in crew.spawn_keys(by, &keys) {
            assert_eq!(born.host, first[&key].host, "{key} of h{by}");
            assert_ne!(born.id, first[&key].id);
        }
    }
    let shown = Admin::of(&crew.hosts[0]).json("/cluster");
    let processes = &shown["cluster"]["tenants"][0]["processes"];
    assert_eq!((&processes["children"], &processes["spawned"]), (&30.into(), &30.into()));
    assert_eq!(processes["hosts"], 2, "{shown}");
    crew.stop();
}

#[test]
fn without_a_key_all_hosts_share_the_load() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 3);
    let mut counts = BTreeMap::<String, usize>::new();
    for number in 0..30 {
        assert_eq!(ask(&mut crew.peers[0], &format!("spawn counter - p{number}")), "ok");
        *counts.entry(crew.born().host).or_default() += 1;
    }
    assert_eq!(counts.len(), 3, "{counts:?}");
    assert!(counts.values().all(|count| (4..=18).contains(count)), "{counts:?}");
    crew.stop();
}

#[test]
fn messages_come_in_their_order_from_any_host_and_before_the_birth() {
    let nats = Nats::cluster(3);
    let mut crew = Crew::start(&nats, 3);
    for host in ["h1", "h2", "h0"] {
        let born = crew.spawn_at(host);
        for some in 0..10 {
            let feed = format!("feed {} {}..{}", born.id, some * 500, some * 500 + 500);
            assert_eq!(ask(&mut crew.peers[0], &feed), "ok");
        }
        assert_eq!(ask(&mut crew.peers[0], &format!("notify {} count", born.id)), "ok");
        assert_eq!(crew.ears.line(), format!("count 5000 {}", born.id));
        // Whoever knows the id may send to it.
        for peer in 0..3 {
            let at = 5000 + peer * 2;
            let feed = format!("feed {} {at}..{}", born.id, at + 2);
            assert_eq!(ask(&mut crew.peers[peer], &feed), "ok");
            assert_eq!(ask(&mut crew.peers[peer], &format!("notify {} count", born.id)), "ok");
            assert_eq!(crew.ears.line(), format!("count {} {}", at + 2, born.id));
        }
        // What is sent before it is there waits for it.
        crew.peers[0].send(format!(
            "spawn counter {0} {0}\nfeed {0} 0..100\nnotify {0} count\n",
            born.argument
        ));
        let next = crew.born();
        assert_eq!(next.host, host);
        assert_eq!(crew.ears.line(), format!("count 100 {}", next.id));
        for _ in 0..3 {
            assert_eq!(crew.peers[0].line(), "ok");
        }
    }
    for host in &crew.hosts {
        for way in ["missed", "left-out", "full", "ignored"] {
            let sample = by("process_messages_total", "way", way);
            assert_eq!(Admin::of(host).metric(&sample), Some(0.0), "{way}");
        }
    }
    crew.stop();
}

#[test]
fn every_end_is_told_once_with_its_reason() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 2);
    for host in ["h1", "h0"] {
        let name = crew.spawn_at(host).argument;
        let again = |what: &str| format!("spawn {what} {name} {name}");
        for (word, reason) in [("exit", "Finished"), ("panic", "Trapped")] {
            assert_eq!(ask(&mut crew.peers[0], &format!("notify {name} {word}")), "ok");
            assert_eq!(crew.peers[0].line(), format!("exited {name} ExitReason::{reason}"));
            assert_eq!(ask(&mut crew.peers[0], &again("counter")), "ok");
            assert_eq!(crew.born().host, host);
        }
        // One that computes is killed all the same.
        assert_eq!(ask(&mut crew.peers[0], &format!("notify {name} loop")), "ok");
        assert_eq!(ask(&mut crew.peers[0], &format!("kill {name}")), "ok");
        assert_eq!(crew.peers[0].line(), format!("exited {name} ExitReason::Killed"));
        // Nobody is called so; one traps at its birth.
        for (class, argument) in [("nobody", &*name), ("counter", "stillborn")] {
            let spawn = format!("spawn {class} {name} {argument}");
            assert_eq!(ask(&mut crew.peers[0], &spawn), "ok");
            assert_eq!(crew.peers[0].line(), format!("exited {argument} ExitReason::Trapped"));
        }
        // Not one's own.
        let born = {
            assert_eq!(ask(&mut crew.peers[0], &again("counter")), "ok");
            crew.born()
        };
        assert_eq!(ask(&mut crew.peers[1], &format!("kill {}", born.id)), "ok");
        assert_eq!(ask(&mut crew.peers[1], &format!("notify {} count", born.id)), "ok");
        assert_eq!(crew.ears.line(), format!("count 0 {}", born.id));
        assert_eq!(ask(&mut crew.peers[0], &format!("kill {name}")), "ok");
        assert_eq!(crew.peers[0].line(), format!("exited {name} ExitReason::Killed"));
    }
    for host in &crew.hosts {
        wait_residents(host, 0);
    }
    Admin::of(&crew.hosts[0]).wait_metric(&by("processes", "side", "children"), 0.0);
    assert!(crew.peers[0].is_idle(), "nothing is told twice");
    crew.stop();
}

#[test]
fn a_parent_that_ends_ends_its_processes_on_all_hosts() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 2);
    for end in ["trap\n", ""] {
        let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
        let born = crew.spawn_keys(0, &keys);
        let far = born.values().filter(|born| born.host == "h1").count();
        assert!(0 < far && far < 20, "{far}");
        wait_residents(&crew.hosts[1], far);
        let next = crew.hosts[0].connect(GUEST);
        let mut parent = std::mem::replace(&mut crew.peers[0], next);
        if !end.is_empty() {
            parent.send(end);
            parent.expect_closed();
        }
        drop(parent);
        crew.hosts.iter().for_each(|host| wait_residents(host, 0));
    }
    crew.stop();
}

#[test]
fn a_host_that_is_killed_is_told_once_for_each_process_and_its_own_end_elsewhere() {
    let nats = Nats::cluster(3);
    let mut crew = Crew::start(&nats, 3);
    let keys: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    let of_first = crew.spawn_keys(0, &keys);
    crew.spawn_keys(1, &keys);
    let on_second: BTreeSet<String> =
        of_first.values().filter(|it| it.host == "h1").map(|it| it.argument.clone()).collect();
    let on_third = of_first.values().filter(|it| it.host == "h2").count();
    wait_residents(&crew.hosts[2], 2 * on_third);
    // Messages are on their way while it dies.
    let one = on_second.first().expect("a process on h1").clone();
    crew.peers[0].send(format!("feed {one} 0..500\n"));
    let killed = Instant::now();
    drop(crew.hosts.remove(1));
    assert_eq!(crew.peers[0].line(), "ok");
    let told: Vec<String> = on_second.iter().map(|_| crew.peers[0].line()).collect();
    println!("told after {:?}", killed.elapsed());
    let expected: BTreeSet<String> =
        on_second.iter().map(|name| format!("exited {name} ExitReason::HostLost")).collect();
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), expected);
    // Those of the first are left where they are.
    wait_residents(&crew.hosts[1], on_third);
    assert_eq!(exits(&crew.hosts[0], "host-lost"), on_second.len() as f64);
    wait_hosts(&crew.hosts[0], 1);
    // Their keys lead to others now.
    for name in &on_second {
        assert_eq!(ask(&mut crew.peers[0], &format!("spawn counter {name} {name}")), "ok");
        assert_ne!(crew.born().host, "h1");
    }
    assert!(crew.peers[0].is_idle(), "nothing is told twice");
    crew.stop();
}

#[test]
fn a_host_that_stops_says_so_at_once() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 2);
    let keys: Vec<String> = (0..10).map(|number| format!("k{number}")).collect();
    let born = crew.spawn_keys(0, &keys);
    crew.spawn_keys(1, &keys);
    let far = born.values().filter(|it| it.host == "h1").count();
    let outcome = crew.hosts.pop().expect("two").stop();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for _ in 0..far {
        let line = crew.peers[0].line();
        let is_known = ["HostLost", "Killed"].iter().any(|why| line.ends_with(why));
        assert!(is_known, "{line}");
    }
    wait_residents(&crew.hosts[0], 10 - far);
    wait_hosts(&crew.hosts[0], 0);
    crew.stop();
}

/// When it goes on nobody wants its processes any more, and their parents were told.
#[test]
fn a_host_that_was_frozen_ends_what_was_lost_with_it() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 2);
    let born = crew.spawn_at("h1");
    crew.hosts[1].signal(Signal::STOP);
    let line = crew.peers[0].line();
    assert_eq!(line, format!("exited {} ExitReason::HostLost", born.argument));
    crew.hosts[1].signal(Signal::CONT);
    wait_residents(&crew.hosts[1], 0);
    wait_hosts(&crew.hosts[0], 1);
    let again = format!("spawn counter {0} {0}", born.argument);
    assert_eq!(ask(&mut crew.peers[0], &again), "ok");
    assert_eq!(crew.born().host, "h1");
    assert!(crew.peers[0].is_idle(), "nothing is told twice");
    crew.stop();
}

#[test]
fn two_hosts_that_are_apart_come_to_the_same_verdict() {
    let Some(cable) = Cable::lay(1500) else { return };
    let nats = cable.at_host(|| Nats::start_at(&[HOST], ""));
    let configs = ["h0", "h1"].map(|name| with(&nats, name, plugin(name)));
    let [near, far] = configs;
    let near = cable.at_host(|| Host::start(&near));
    let far = cable.at_peer(|| Host::start(&far));
    cable.at_host(|| wait_hosts(&near, 1));
    cable.at_peer(|| wait_hosts(&far, 1));
    let mut parents = [cable.at_host(|| near.connect(GUEST)), cable.at_peer(|| far.connect(GUEST))];
    // Each has some of its own and some of the other one's.
    for peer in &mut parents {
        for number in 0..20 {
            assert_eq!(ask(peer, &format!("spawn counter k{number} k{number}")), "ok");
        }
    }
    let children = by("processes", "side", "children");
    let residents = |host: &Host| Admin::of(host).metric(&by("processes", "side", "residents"));
    let all = || {
        let near = cable.at_host(|| residents(&near)).unwrap_or_default();
        near + cable.at_peer(|| residents(&far)).unwrap_or_default()
    };
    let begun = Instant::now();
    while all() < 40.0 {
        assert!(begun.elapsed() < PATIENCE, "{}", all());
    }
    cable.cut();
    let mut lost = [0, 0];
    for (peer, lost) in parents.iter_mut().zip(&mut lost) {
        let first = peer.line();
        assert!(first.ends_with(" ExitReason::HostLost"), "{first}");
        *lost = 1;
        while !peer.is_silent_for(Duration::from_secs(1)) {
            let line = peer.line();
            assert!(line.ends_with(" ExitReason::HostLost"), "{line}");
            *lost += 1;
        }
    }
    // The same key is on the same host: each has lost what the other one kept for itself.
    assert_eq!(lost[0] + lost[1], 20, "{lost:?}");
    let here = |lost: usize| (20 - lost) as f64;
    cable.at_host(|| Admin::of(&near).wait_metric(&children, here(lost[0])));
    cable.at_peer(|| Admin::of(&far).wait_metric(&children, here(lost[1])));
    cable.at_host(|| wait_residents(&near, 20 - lost[0]));
    cable.at_peer(|| wait_residents(&far, 20 - lost[1]));
    cable.mend();
    cable.at_host(|| wait_hosts(&near, 1));
    cable.at_peer(|| wait_hosts(&far, 1));
    assert!(parents.iter_mut().all(Peer::is_idle), "nothing is told twice");
    for peer in &mut parents {
        for number in 0..20 {
            assert_eq!(ask(peer, &format!("spawn counter k{number} again{number}")), "ok");
        }
    }
    let begun = Instant::now();
    while all() < 60.0 {
        assert!(begun.elapsed() < PATIENCE, "{}", all());
    }
    cable.at_host(|| near.stop());
    cable.at_peer(|| far.stop());
}

#[test]
fn a_server_that_restarts_costs_no_process() {
    let mut nats = Nats::cluster(3);
    let mut crew = Crew::start(&nats, 2);
    let born = crew.spawn_at("h1");
    let mut count = 0;
    for server in 0..3 {
        nats.kill(server);
        nats.start_again(server);
        let begun = Instant::now();
        // At most once: what is said while the other one is away is not heard.
        loop {
            assert_eq!(ask(&mut crew.peers[0], &format!("notify {} count", born.id)), "ok");
            let heard = Instant::now();
            while crew.ears.is_idle() && heard.elapsed() < Duration::from_millis(200) {
                pause();
            }
            if !crew.ears.is_idle() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "it is never heard again");
        }
        count += 1;
        while !crew.ears.is_idle() {
            assert_eq!(crew.ears.line(), format!("count 0 {}", born.id), "{count}");
        }
    }
    assert_eq!(ask(&mut crew.peers[0], &format!("kill {}", born.argument)), "ok");
    assert_eq!(crew.peers[0].line(), format!("exited {} ExitReason::Killed", born.argument));
    crew.stop();
}

#[test]
fn a_flood_of_processes_ends_at_both_bounds_and_is_given_back() {
    let nats = Nats::start();
    let limited = |name: &str, processes: &str| {
        let plugin = plugin(name).limit("processes", processes);
        Host::start(
            &with(&nats, name, plugin).plugin(Plugin::new("echo")).listen(Listen::tcp("echo")),
        )
    };
    let mut crew = Crew::of([limited("h0", "40"), limited("h1", "20")]);
    let mut echo = crew.hosts[1].connect("echo");
    let near = crew.spawn_at("h0").argument;
    let far = crew.spawn_at("h1").argument;
    // Many to one host: the spawner's own bound ends it, and the other one's ends what it has no place for.
    let flood = ask(&mut crew.peers[0], &format!("flood-spawns {far}"));
    let (granted, refused) = flood.split_once(": ").expect("a number and a reason");
    assert_eq!(refused, LIMIT, "{flood}");
    let granted: usize = granted.trim_start_matches("spawned ").parse().expect("a number");
    assert!((30..=40).contains(&granted), "{flood}");
    echo.expect_echo("meanwhile");
    let mut unavailable = 0;
    while unavailable + 19 < granted {
        let line = crew.peers[0].line();
        assert!(line.starts_with("exited flood") && line.ends_with("Unavailable"), "{line}");
        unavailable += 1;
    }
    wait_residents(&crew.hosts[1], 20);
    let turned_away = by("processes_ended_total", "reason", "turned-away");
    Admin::of(&crew.hosts[1]).wait_metric(&turned_away, unavailable as f64);
    let told = crew.hosts[1].wait_log("at a limit");
    assert_eq!(told.field("limit"), Some("processes"), "{told:?}");
    // The same to this host.
    let flood = ask(&mut crew.peers[0], &format!("flood-spawns {near}"));
    println!("{flood}");
    let mut next = crew.hosts[0].connect(GUEST);
    std::mem::swap(&mut next, &mut crew.peers[0]);
    drop(next);
    crew.hosts.iter().for_each(|host| wait_residents(host, 0));
    // All places are free again.
    for number in 0..20 {
        assert_eq!(ask(&mut crew.peers[0], &format!("spawn counter {far} z{number}")), "ok");
        let name = format!("z{number}");
        while crew.born().argument != name {}
    }
    wait_residents(&crew.hosts[1], 20);
    crew.stop();
}

#[test]
fn a_flood_of_messages_and_giants_are_its_tenants_own() {
    let nats = Nats::start_with(1, "max_payload: 65536\n");
    let start = |name: &str| {
        let config = with(&nats, name, plugin(name).limit("mailbox", text("64KiB")));
        let config = config.tenant(GUEST, "cluster_outbox", text("64KiB"));
        Host::start(&config.plugin(Plugin::new("echo")).listen(Listen::tcp("echo")))
    };
    let mut crew = Crew::of(["h0", "h1"].map(start));
    let mut echo = crew.hosts[1].connect("echo");
    let born = crew.spawn_at("h1");
    // One that computes takes nothing.
    assert_eq!(ask(&mut crew.peers[0], &format!("notify {} loop", born.id)), "ok");
    for _ in 0..20 {
        let flood = ask(&mut crew.peers[0], &format!("flood {}", born.id));
        assert!(flood.starts_with("notified "), "{flood}");
        echo.expect_echo("meanwhile");
    }
    let left_out = by("process_messages_total", "way", "left-out");
    let begun = Instant::now();
    while Admin::of(&crew.hosts[1]).metric(&left_out) == Some(0.0) {
        assert!(begun.elapsed() < PATIENCE, "the mailbox is never full");
    }
    crew.hosts[1].wait_log("a mailbox has no room for messages of another host");
    let full = by("process_messages_total", "way", "full");
    assert!(Admin::of(&crew.hosts[0]).metric(&full).is_some_and(|count| 0.0 < count));
    // No server takes these.
    for giant in [65_536, 70_000, 1 << 20] {
        assert_eq!(ask(&mut crew.peers[0], &format!("giant {} {giant}", born.id)), LIMIT);
    }
    assert_eq!(ask(&mut crew.peers[0], &format!("kill {}", born.argument)), "ok");
    assert_eq!(crew.peers[0].line(), format!("exited {} ExitReason::Killed", born.argument));
    crew.stop();
}

#[test]
fn names_are_names() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 2);
    let long = "x".repeat(255);
    let names =
        ["*", ">", "a.b", ".", "$SYS.REQ", "$JS.API.>", "a%20b", "ü\u{2028}", "=2E", "{\"", &long];
    for name in names {
        // As a key and an argument.
        assert_eq!(ask(&mut crew.peers[0], &format!("spawn counter {name} {name}")), "ok");
        let born = crew.ears.line();
        let argument = name.replace("%20", " ");
        assert!(born.starts_with("born h") && born.contains(&argument), "{born}");
        // As a class, which there is not.
        assert_eq!(ask(&mut crew.peers[0], &format!("spawn {name} {name} c")), "ok");
        assert_eq!(crew.peers[0].line(), "exited c ExitReason::Trapped", "{name:?}");
        // As a plugin.
        let spawn = format!("spawn-of {} counter {name} p", name.replace("%20", "_ "));
        let answer = ask(&mut crew.peers[0], &spawn);
        assert!(answer.starts_with("invalid-argument") || answer.starts_with("denied"), "{answer}");
    }
    for id in ["", ".", "0.0", "00000000000000000.0000000000000000", "*.>"] {
        let answer = ask(&mut crew.peers[1], &format!("notify {id} x"));
        assert!(answer.starts_with("invalid-argument"), "{id:?}: {answer}");
    }
    let nobody = "0123456789abcdef.0123456789abcdef";
    assert!(ask(&mut crew.peers[0], &format!("notify {nobody} x")).starts_with("closed"));
    crew.stop();
}

#[test]
fn a_tenant_reaches_no_process_of_another() {
    let nats = Nats::start();
    let two = |name: &str| {
        let other = Plugin::named("other", &component(GUEST)).isolation(Isolation::Connection);
        let config = with(&nats, name, plugin(name).may_spawn(&["other"]));
        let config = config.plugin(other.option("host", name)).listen(Listen::tcp("other"));
        Host::start(&config.sharing("other", "processes", text("cluster")))
    };
    let mut crew = Crew::of(["h0", "h1"].map(two));
    let ids: Vec<String> = ["h0", "h1"].iter().map(|host| crew.spawn_at(host).id).collect();
    let mut others: Vec<Peer> = crew.hosts.iter().map(|host| host.connect("other")).collect();
    for id in &ids {
        for other in &mut others {
            other.send(format!("feed {id} 0..10\nkill {id}\n"));
            let first = other.line();
            // It is not known here, or goes where the other tenant has none.
            assert!(first == "ok" || first.starts_with("closed"), "{first}");
            assert_eq!(other.line(), "ok");
        }
    }
    for id in &ids {
        assert_eq!(ask(&mut crew.peers[0], &format!("notify {id} count")), "ok");
        assert_eq!(crew.ears.line(), format!("count 0 {id}"));
    }
    // What is allowed on one host is a plugin of another tenant, which the cluster does not have for it.
    let answer = ask(&mut crew.peers[0], "spawn-of other counter - x");
    assert!(answer.starts_with("invalid-argument"), "{answer}");
    crew.stop();
}

#[test]
fn what_may_be_spawned_is_decided_on_both_hosts() {
    let nats = Nats::start();
    let start = |(name, may): (&str, bool)| {
        let worker = Plugin::named("worker", &component(GUEST)).key("tenant", text(GUEST));
        let worker = worker.isolation(Isolation::Connection).option("host", name);
        let parent = plugin(name);
        let parent = if may { parent.may_spawn(&["worker"]) } else { parent };
        let config = with(&nats, name, parent).plugin(worker).listen(Listen::tcp("worker"));
        Host::start(&config)
    };
    let mut crew = Crew::of([("h0", true), ("h1", false)].map(start));
    // Its own file does not list it.
    let answer = ask(&mut crew.peers[1], "spawn-of worker counter - x");
    assert!(answer.starts_with("denied"), "{answer}");
    // The other one's file does not.
    let mut seen = BTreeSet::new();
    for number in 0..100 {
        assert_eq!(ask(&mut crew.peers[0], &format!("spawn-of worker counter k{number} x")), "ok");
        let begun = Instant::now();
        while crew.ears.is_idle() && crew.peers[0].is_idle() {
            assert!(begun.elapsed() < PATIENCE, "neither born nor refused");
            pause();
        }
        if crew.ears.is_idle() {
            assert_eq!(crew.peers[0].line(), "exited x ExitReason::Unavailable");
            seen.insert("refused");
        } else {
            assert_eq!(crew.born().host, "h0");
            seen.insert("born");
        }
        if seen.len() == 2 {
            break;
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    crew.hosts[1].wait_log("another host asks for a process that allow.spawn does not list");
    crew.stop();
}

/// The bytes of a message as a host would write it.
fn forged(head: &str, payload: &str) -> Vec<u8> {
    let length = u32::try_from(head.len()).expect("a short text").to_be_bytes();
    [&length[..], head.as_bytes(), payload.as_bytes()].concat()
}

/// Whoever may publish on a tenant's subjects is no host: nothing of it is created.
#[test]
fn forged_messages_spawn_nothing() {
    let nats = Nats::start();
    let mut crew = Crew::start(&nats, 2);
    let born = crew.spawn_at("h1");
    let number = |host: &Host| {
        let id = Admin::of(host).json("/cluster")["cluster"]["host"].as_str().map(str::to_owned);
        let id = id.expect("its name");
        u64::from_str_radix(id.rsplit_once('.').expect("a number").1, 16).expect("a number")
    };
    let (first, second) = (number(&crew.hosts[0]), number(&crew.hosts[1]));
    let mut forger = nats.client(&[]);
    let subject = format!("sandloop.{GUEST}.pr.{second:016x}");
    let spawn = |from: u64, number: u64, plugin: &str| {
        let head = format!(
            "{{\"from\":{from},\"word\":{{\"spawn\":{{\"number\":{number},\"parent\":\"{plugin}\",\
             \"plugin\":\"{plugin}\",\"name\":\"counter\"}}}}}}"
        );
        forged(&head, "forged")
    };
    let words = [
        // Of a host that is there, which has no such parent; of one that is not; of itself; of plugins that are none.
        spawn(first, 1, GUEST),
        spawn(0x0bad, 2, GUEST),
        spawn(second, 3, GUEST),
        spawn(first, 4, "nobody"),
        spawn(first, 5, "*"),
        // Of somebody who ends what he does not own.
        forged("{\"from\":2989,\"word\":{\"kill\":[1,2,3]}}", ""),
        forged("{\"from\":2989,\"word\":{\"known\":[1,2,3]}}", ""),
        forged("{\"from\":2989,\"word\":{\"dance\":3}}", ""),
        forged("{", ""),
        b"\xff\xff\xff\xff".to_vec(),
        Vec::new(),
        vec![0; 100_000],
    ];
    for bytes in &words {
        for _ in 0..20 {
            forger.send(format!("PUB {subject} {}\r\n", bytes.len()));
            forger.send(bytes);
            forger.send("\r\n");
        }
    }
    forger.send("PING\r\n");
    while forger.line() != "PONG\r" {}
    let ignored = by("process_messages_total", "way", "ignored");
    let begun = Instant::now();
    // Those that nobody says, and those of hosts that are not there.
    while Admin::of(&crew.hosts[1]).metric(&ignored).is_none_or(|count| count < 140.0) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", Admin::of(&crew.hosts[1]).metric(&ignored));
    }
    wait_residents(&crew.hosts[1], 1);
    // The next that is born is the next that somebody wants.
    assert_eq!(ask(&mut crew.peers[0], &format!("spawn counter {} next", born.argument)), "ok");
    assert_eq!(crew.born().argument, "next");
    assert_eq!(ask(&mut crew.peers[0], &format!("notify {} count", born.id)), "ok");
    assert_eq!(crew.ears.line(), format!("count 0 {}", born.id));
    assert!(crew.peers[0].is_idle(), "no end was told");
    crew.stop();
}

#[test]
fn without_the_key_they_are_not_available() {
    let host = Host::start(&Config::serving(plugin("alone")));
    let mut peer = host.connect(GUEST);
    for command in ["spawn counter - x", "notify 0123456789abcdef.0123456789abcdef x"] {
        let answer = ask(&mut peer, command);
        assert!(answer.starts_with("unsupported"), "{command}: {answer}");
    }
    let told = host.wait_log("unsupported");
    assert_eq!(told.field("call"), Some("cluster-processes.spawn"), "{told:?}");
    let remedy = format!("add processes = \\\"cluster\\\" to [tenants.{GUEST}]");
    assert!(told.to_string().contains(&remedy), "{told:?}");
    host.stop();
}
