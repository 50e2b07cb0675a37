//! Queues that several hosts share by JetStream: an item that is pushed on one is handled on any, once, even if hosts or
//! servers are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Admin, Config, Host, Isolation, PATIENCE, Peer, Plugin};

use super::{LIMIT, ask};

/// A host whose queues are in the cluster. Its handlers are short, so that leases can be short.
fn config(nats: &Nats, host: &str) -> Config {
    storing(nats, host, "32MiB")
}

/// Like [`config`], for this number of bytes of items.
fn storing(nats: &Nats, host: &str, bytes: &str) -> Config {
    let plugin = Plugin::new("queues")
        .isolation(Isolation::Connection)
        .limit("event_deadline", text("500ms"));
    Config::serving(plugin)
        .sharing("queues", "queues", text("cluster"))
        .cluster("nats", nats.urls())
        .cluster("name", text(host))
        .cluster("queue_lease", text("11s"))
        .cluster("queue_store", text(bytes))
        .watched()
}

/// Like [`config`], with every item on three servers.
fn replicated(nats: &Nats, host: &str) -> Config {
    config(nats, host).cluster("queue_replicas", "3")
}

fn start(config: &Config) -> Host {
    let host = Host::start(config);
    host.wait_log("the queues are in the cluster");
    host
}

fn sample(name: &str) -> String {
    format!("sandloop_cluster_queue_{name}{{tenant=\"queues\"}}")
}

/// Waits until a gauge or counter is at least this.
fn wait_at_least(admin: &Admin, name: &str, least: f64) {
    let begun = Instant::now();
    while admin.metric(&sample(name)).is_none_or(|value| value < least) {
        assert!(begun.elapsed() < PATIENCE, "{name}: {:?}", admin.metric(&sample(name)));
    }
}

/// Waits until a queue has this number of items and pops, by the numbers of one host.
fn wait_size(peer: &mut Peer, queue: &str, expected: &str) {
    let begun = Instant::now();
    loop {
        let size = ask(peer, &format!("size {queue}"));
        if size == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{queue}: {size}, not {expected}");
    }
}

#[test]
fn items_are_handled_on_any_host_in_their_order_and_stay_while_nobody_wants_them() {
    let nats = Nats::start();
    let (one, other) = (start(&config(&nats, "one")), start(&config(&nats, "other")));
    let (mut pushes, mut pops) = (one.connect("queues"), other.connect("queues"));
    let words: Vec<String> = (0..200).map(|number| format!("w{number}")).collect();
    assert_eq!(ask(&mut pushes, &format!("push jobs {}", words.join(" "))), "ok");
    for word in &words {
        assert_eq!(ask(&mut pops, "pop jobs"), format!("got {word}"));
    }
    // A waiting pop gets an item that is pushed later, with any name of the queue.
    for name in [".", "*", ">", "a.b", "=2E", "ü", "$JS.API", &"x".repeat(255)] {
        pops.send(format!("pop {name}\n"));
        wait_size(&mut pushes, name, "0 1");
        assert_eq!(ask(&mut pushes, &format!("push {name} for-{}", name.len())), "ok");
        assert_eq!(pops.line(), format!("got for-{}", name.len()));
    }
    assert_eq!(ask(&mut pushes, "push kept 1 2 3"), "ok");
    wait_size(&mut pushes, "kept", "3 0");
    wait_size(&mut pops, "kept", "3 0");
    // Acknowledged items are gone, and others survive every host.
    one.stop();
    other.stop();
    let again = start(&config(&nats, "again"));
    let mut pops = again.connect("queues");
    for number in 1..=3 {
        assert_eq!(ask(&mut pops, "pop kept"), format!("got {number}"));
    }
    let admin = Admin::of(&again);
    wait_at_least(&admin, "handled_total", 3.0);
    assert_eq!(admin.metric(&sample("redelivered_total")), Some(0.0));
    let shown = admin.json("/cluster");
    assert_eq!(shown["cluster"]["tenants"][0]["queues"]["handled"], 3, "{shown}");
    again.stop();
}

#[test]
fn an_item_for_a_pop_that_does_not_wait_any_more_goes_to_the_next() {
    let nats = Nats::start();
    let host = start(&config(&nats, "h"));
    let (mut one, mut other) = (host.connect("queues"), host.connect("queues"));
    for round in 0..20 {
        one.send("pop jobs\n");
        assert_eq!(ask(&mut one, "cancel jobs"), "ok");
        assert_eq!(ask(&mut other, &format!("push jobs {round}")), "ok");
        assert_eq!(ask(&mut other, "pop jobs"), format!("got {round}"));
    }
    // Pops, pushes and traps.
    one.send("pop-and-die jobs\n");
    one.expect_closed();
    assert_eq!(ask(&mut other, "pop jobs"), "got for the next");
    // No handler had begun: none of these counts as a delivery.
    assert_eq!(Admin::of(&host).metric(&sample("redelivered_total")), Some(0.0));
    host.stop();
}

#[test]
fn an_item_whose_handler_traps_is_given_again_and_at_last_is_a_dead_letter() {
    let nats = Nats::start();
    let config = config(&nats, "h").cluster("queue_deliveries", "3");
    let host = start(&config);
    let mut peer = host.connect("queues");
    let mut watch = nats.client(&["sandloop.queues.dead.>"]);
    assert_eq!(ask(&mut peer, "push jobs survives kills"), "ok");
    // The first handler of the first item traps, and its second returns.
    let mut doomed = host.connect("queues");
    doomed.send("pop-and-trap jobs\n");
    let lost = "sandloop_cluster_queue_returned_total{tenant=\"queues\",reason=\"lost\"}";
    Admin::of(&host).wait_metric(lost, 1.0);
    let mut got = [ask(&mut peer, "pop jobs"), ask(&mut peer, "pop jobs")];
    got.sort();
    assert_eq!(got, ["got kills", "got survives"]);
    assert_eq!(ask(&mut peer, "push jobs kills"), "ok");
    for handler in 2..=4 {
        let mut doomed = host.connect("queues");
        doomed.send("pop-and-trap jobs\n");
        Admin::of(&host).wait_metric(lost, f64::from(handler));
    }
    let told = host.wait_log("an item is a dead letter");
    assert_eq!((told.field("queue"), told.field("handlers")), (Some("jobs"), Some("3")));
    let head = watch.line();
    assert!(head.starts_with("HMSG sandloop.queues.dead.jobs "), "{head}");
    let letter: Vec<String> = std::iter::repeat_with(|| watch.line()).take(6).collect();
    assert!(letter.contains(&"Sandloop-Deliveries: 3\r".to_owned()), "{letter:?}");
    assert!(letter.contains(&"kills\r".to_owned()), "{letter:?}");
    Admin::of(&host).wait_metric(&sample("dead_lettered_total"), 1.0);
    // It is not in the queue any more.
    assert_eq!(ask(&mut peer, "push jobs next"), "ok");
    assert_eq!(ask(&mut peer, "pop jobs"), "got next");
    host.stop();
}

#[test]
fn what_is_pushed_while_no_server_is_there_waits_within_its_bound_and_is_stored_later() {
    let mut nats = Nats::start();
    let host = start(&config(&nats, "h").tenant("queues", "cluster_outbox", text("64KiB")));
    let admin = Admin::of(&host);
    nats.kill(0);
    host.wait_log("the connection to NATS is lost");
    let mut peer = host.connect("queues");
    // 1000 bytes and 256 more each.
    assert_eq!(ask(&mut peer, "fill jobs"), "pushed 52");
    assert_eq!(ask(&mut peer, "push jobs one-more"), LIMIT);
    let refused = "sandloop_cluster_queue_refused_total{tenant=\"queues\",reason=\"full\"}";
    assert_eq!(admin.metric(refused), Some(2.0));
    nats.start_again(0);
    admin.wait_metric(&sample("unstored"), 0.0);
    admin.wait_metric(&sample("stored_total"), 52.0);
    wait_size(&mut peer, "jobs", "52 0");
    host.stop();
}

#[test]
fn a_tenant_that_fills_its_queues_or_pushes_giants_is_refused_and_a_neighbour_is_not() {
    let nats = Nats::start();
    let config = storing(&nats, "h", "64KiB");
    let config = config.tenant("queues", "cluster_outbox", text("64KiB"));
    let neighbour = Plugin::named("b", &sandloop_tests::component("queues"))
        .isolation(Isolation::Connection)
        .limit("event_deadline", text("500ms"));
    let config = config.plugin(neighbour).listen(sandloop_tests::Listen::tcp("b")).sharing(
        "b",
        "queues",
        text("cluster"),
    );
    let host = start(&config);
    let (mut peer, mut other) = (host.connect("queues"), host.connect("b"));
    // A quick pusher fills the outbox before the stream, which has to be full, too.
    let (admin, begun) = (Admin::of(&host), Instant::now());
    let push = format!("push flood {}", "x".repeat(1000));
    while !ask(&mut peer, &push).starts_with("limit")
        || admin.metric(&sample("faults_total")) == Some(0.0)
    {
        assert!(begun.elapsed() < PATIENCE, "it is never full");
    }
    assert_eq!(ask(&mut other, "push jobs fine"), "ok");
    assert_eq!(ask(&mut other, "pop jobs"), "got fine");
    // As soon as items are taken the rest is stored.
    let mut taken = 0;
    while admin.metric(&sample("unstored")) != Some(0.0) {
        assert!(ask(&mut peer, "pop flood").starts_with("got x"));
        taken += 1;
    }
    assert!(0 < taken);
    host.stop();
}

/// The report of a handler, by the calendar time.
#[derive(Debug)]
struct Handler {
    item: usize,
    begin: u128,
    end: Option<u128>,
}

/// A connection that pops for ever: every handler is sent to `handlers` when it has ended, or when its host is gone.
fn worker(host: &Host, handlers: Sender<Handler>) -> thread::JoinHandle<()> {
    let mut peer = host.connect("queues");
    peer.send("work jobs\n");
    thread::spawn(move || {
        let (mut begun, mut rest) = (None, Vec::new());
        let mut buffer = [0; 4096];
        while let Ok(length) = peer.read(&mut buffer) {
            if length == 0 {
                break;
            }
            rest.extend_from_slice(&buffer[..length]);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let line = String::from_utf8(line).expect("text");
                let words: Vec<&str> = line.split_whitespace().collect();
                let [what, item, at] = words[..] else { panic!("{line:?}") };
                let (item, at) = (item.parse().expect("an item"), at.parse().expect("a time"));
                match (what, begun.take()) {
                    ("begin", None) => begun = Some(Handler { item, begin: at, end: None }),
                    ("end", Some(handler)) => {
                        assert_eq!(handler.item, item);
                        drop(handlers.send(Handler { end: Some(at), ..handler }));
                    }
                    other => panic!("{line:?} after {other:?}"),
                }
            }
        }
        if let Some(handler) = begun {
            drop(handlers.send(handler));
        }
    })
}

/// The reports of all handlers.
#[derive(Default)]
struct Heard {
    by_item: BTreeMap<usize, Vec<Handler>>,
    /// Items with a handler that has ended.
    handled: BTreeSet<usize>,
}

impl Heard {
    fn note(&mut self, handler: Handler) {
        if handler.end.is_some() {
            self.handled.insert(handler.item);
        }
        self.by_item.entry(handler.item).or_default().push(handler);
    }

    /// Reads reports until this number of items has been handled.
    fn hear(&mut self, handlers: &Receiver<Handler>, items: usize) {
        let mut quiet = Instant::now();
        while self.handled.len() < items {
            match handlers.recv_timeout(Duration::from_secs(1)) {
                Ok(handler) => {
                    self.note(handler);
                    quiet = Instant::now();
                }
                Err(_) => {
                    let handled = self.handled.len();
                    assert!(quiet.elapsed() < PATIENCE * 2, "{handled} of {items} were handled");
                }
            }
        }
    }

    /// Each item was handled, and by no two handlers at once. Returns how many were handled once more than they had to be.
    #[track_caller]
    fn judge(&mut self, items: usize, killed: &[u128]) -> usize {
        let (mut doubled, mut overlaps) = (0, Vec::new());
        for (item, all) in &mut self.by_item {
            all.sort_by_key(|handler| handler.begin);
            doubled += all.iter().filter(|it| it.end.is_some()).count() - 1;
            for pair in all.windows(2) {
                // A handler without an end has ended with its host.
                let killed = killed.iter().copied().find(|at| pair[0].begin < *at);
                let end = pair[0].end.or(killed).expect("an end, or a host that was killed");
                if pair[1].begin < end {
                    overlaps.push((*item, pair[1].begin, end));
                }
            }
        }
        assert_eq!(self.handled, (0..items).collect(), "every item, and no other");
        assert_eq!(overlaps, [], "two handlers of one item at once");
        doubled
    }
}

/// The number of items: `SANDLOOP_QUEUE_ITEMS`, or a number for a short test.
fn items() -> usize {
    let written = std::env::var("SANDLOOP_QUEUE_ITEMS").ok();
    written.map_or(3_000, |written| written.parse().expect("a number"))
}

#[test]
fn a_group_loses_nothing_and_handles_nothing_twice_at_once_while_hosts_and_servers_die() {
    const WORKERS: usize = 8;
    let items = items();
    let mut nats = Nats::cluster(3);
    let pusher = replicated(&nats, "pusher").tenant("queues", "cluster_outbox", text("60MiB"));
    let pusher = start(&pusher);
    let mut hosts: Vec<Host> =
        (0..3).map(|number| start(&replicated(&nats, &format!("h{number}")))).collect();
    let (said, handlers) = channel();
    let mut readers = Vec::new();
    for host in &hosts {
        readers.extend((0..WORKERS).map(|_| worker(host, said.clone())));
    }
    let mut peer = pusher.connect("queues");
    thread::spawn(move || {
        for hundred in (0..items).step_by(100) {
            let words: Vec<String> =
                (hundred..items.min(hundred + 100)).map(|number| number.to_string()).collect();
            let line = format!("push jobs {}", words.join(" "));
            assert_eq!(ask(&mut peer, &line), "ok");
        }
    });
    let mut heard = Heard::default();
    let mut killed = Vec::new();
    for part in 1..=5 {
        heard.hear(&handlers, items * part / 6);
        match part {
            1 | 3 => {
                let host = hosts.remove(0);
                host.signal(Signal::KILL);
                // Nothing runs from now on, though on a busy machine its threads may take long to end.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
                killed.push(now.as_nanos());
                drop(host);
                let host = start(&replicated(&nats, &format!("again{part}")));
                readers.extend((0..WORKERS).map(|_| worker(&host, said.clone())));
                hosts.push(host);
            }
            server => {
                let server = server / 2 % 3;
                nats.kill(server);
                nats.start_again(server);
            }
        }
    }
    heard.hear(&handlers, items);
    drop(said);
    hosts.into_iter().for_each(|host| drop(host.stop()));
    readers.into_iter().for_each(|reader| reader.join().expect("a reader that reads"));
    handlers.into_iter().for_each(|handler| heard.note(handler));
    pusher.stop();
    let doubled = heard.judge(items, &killed);
    println!("{items} items, {doubled} of them handled twice");
    // At most the items that were handled and not acknowledged at each of the five kills.
    assert!(doubled <= 5 * 4 * WORKERS, "{doubled} of {items} were handled twice");
}

#[test]
fn a_rolling_restart_of_all_hosts_loses_and_doubles_nothing() {
    const HOSTS: usize = 3;
    const AT_EACH: usize = 300;
    let nats = Nats::cluster(3);
    let named = |name: &str| {
        start(&replicated(&nats, name).tenant("queues", "cluster_outbox", text("8MiB")))
    };
    let mut hosts: Vec<Host> = (0..HOSTS).map(|number| named(&format!("h{number}"))).collect();
    let (said, handlers) = channel();
    let mut readers: Vec<_> = hosts
        .iter()
        .flat_map(|host| [worker(host, said.clone()), worker(host, said.clone())])
        .collect();
    let mut heard = Heard::default();
    for restart in 0..HOSTS {
        let host = hosts.remove(0);
        let mut peer = host.connect("queues");
        let first = restart * AT_EACH;
        let words: Vec<String> =
            (first..first + AT_EACH).map(|number| number.to_string()).collect();
        assert_eq!(ask(&mut peer, &format!("push jobs {}", words.join(" "))), "ok");
        // What was pushed may not be stored yet, and handlers run.
        host.stop();
        let host = named(&format!("again{restart}"));
        readers.push(worker(&host, said.clone()));
        hosts.push(host);
    }
    heard.hear(&handlers, HOSTS * AT_EACH);
    drop(said);
    hosts.into_iter().for_each(|host| drop(host.stop()));
    readers.into_iter().for_each(|reader| reader.join().expect("a reader that reads"));
    handlers.into_iter().for_each(|handler| heard.note(handler));
    assert_eq!(heard.judge(HOSTS * AT_EACH, &[]), 0, "an item was handled twice");
}

#[test]
fn streams_that_were_deleted_are_made_again() {
    let nats = Nats::start();
    let host = start(&config(&nats, "h"));
    let mut peer = host.connect("queues");
    assert_eq!(ask(&mut peer, "push jobs before"), "ok");
    assert_eq!(ask(&mut peer, "pop jobs"), "got before");
    let mut operator = nats.client(&["answers"]);
    for stream in ["queues", "claims", "dead"] {
        let subject = format!("$JS.API.STREAM.DELETE.sandloop=queues={stream}");
        operator.send(format!("PUB {subject} answers 0\r\n\r\n"));
        while !operator.line().contains("\"success\":true") {}
    }
    assert_eq!(ask(&mut peer, "push jobs after"), "ok");
    assert_eq!(ask(&mut peer, "pop jobs"), "got after");
    host.wait_log("JetStream does not serve the queues");
    host.stop();
}
