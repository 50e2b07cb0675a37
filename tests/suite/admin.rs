//! The admin listener: its answers, its access control, and its bounds.

mod hostile;
mod page;
mod prometheus;
mod routes;

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use sandloop_tests::{
    Admin, Config, Host, Isolation, Listen, Peer, Plugin, more_than_the_kernel_holds, own_loopback,
    sandloop, until,
};

/// The token for access over TCP.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A host of these plugins with an admin listener over TCP at its own address, with a token.
pub(crate) fn over_tcp(config: Config) -> (Host, Admin) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("a new file");
    let config = config
        .admin("address", format!("\"tcp://{}:0\"", own_loopback()))
        .admin("token", "{ file = \"token\" }");
    let host = Host::start_in(dir, &config);
    let admin = Admin::of(&host);
    (host, admin)
}

fn watched(config: Config) -> (Host, Admin) {
    let host = Host::start(&config.watched());
    let admin = Admin::of(&host);
    (host, admin)
}

#[test]
fn without_the_section_there_is_no_such_place() {
    let host = Host::start(&Config::serving(Plugin::new("echo")));
    host.connect("echo").expect_echo("helo\n");
    let outcome = host.stop();
    assert!(!outcome.stderr.contains("watched"), "{}", outcome.stderr);
}

#[test]
fn a_unix_socket_is_its_users_alone_and_goes_with_the_host() {
    let (host, _) = watched(Config::serving(Plugin::new("echo")));
    let path = host.dir().join("admin.sock");
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    host.signal(Signal::TERM);
    // Its folder is removed with the outcome of `stop`.
    host.wait_log("stopped");
    until(|| (!path.exists()).then_some(()), || "the path is left");
}

#[test]
fn an_address_that_is_taken_stops_the_start_before_a_port_opens() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it is bound");
    let config = Config::serving(Plugin::new("echo"));
    let config = config.admin("address", format!("\"tcp://{address}\""));
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let outcome = sandloop(dir.path(), &["run"]);
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(outcome.stderr.contains("admin.address: tcp://"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("another process has this address"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("serving"), "{}", outcome.stderr);
}

/// A host whose peer does not read takes its time to stop, and reports that to load balancers.
#[test]
fn a_host_is_alive_and_ready_until_it_stops() {
    let config = Config::serving(Plugin::new("outbox_flood").isolation(Isolation::Plugin).prints());
    let (host, admin) = watched(config.host("stop_deadline", "\"1h\""));
    assert_eq!((admin.get("/healthz").status, &*admin.get("/healthz").body), (200, "ok\n"));
    assert_eq!((admin.get("/readyz").status, &*admin.get("/readyz").body), (200, "ready\n"));
    assert_eq!(admin.metric("sandloop_ready"), Some(1.0));
    let mut peer = Peer::connect_narrow(&host.address("outbox_flood"));
    peer.send(format!("{}\n", more_than_the_kernel_holds()));
    host.wait_printed_start("sent ");
    host.signal(Signal::TERM);
    host.wait_log("stopping");
    let ready = admin.get("/readyz");
    assert_eq!((ready.status, &*ready.body), (503, "stopping\n"));
    assert_eq!(admin.get("/healthz").status, 200);
    assert_eq!(admin.metric("sandloop_ready"), Some(0.0));
    let park = admin.ask("POST", "/plugins/outbox_flood/park", &[]);
    assert_eq!((park.status, &*park.code()), (503, "stopping"));
    // The second one leaves at once.
    host.signal(Signal::TERM);
    host.wait_exit();
}

#[test]
fn what_happens_is_counted() {
    let config = Config::serving(Plugin::new("echo").isolation(Isolation::Plugin))
        .plugin(Plugin::new("hostile_trap"))
        .listen(Listen::tcp("hostile_trap"))
        .host("reactors", "2");
    let (host, admin) = watched(config);
    let labels = "{plugin=\"echo\",tenant=\"echo\"}";
    let of = |name: &str| admin.metric(&format!("sandloop_{name}{labels}"));
    assert_eq!(of("connections_accepted_total"), Some(0.0));
    let mut peers: Vec<Peer> = (0..20).map(|_| host.connect("echo")).collect();
    for peer in &mut peers {
        (0..5).for_each(|_| peer.expect_echo("0123456789"));
    }
    assert_eq!(of("connections_accepted_total"), Some(20.0));
    assert_eq!(of("received_bytes_total"), Some(1000.0));
    // The host may count an event a moment after the peer has seen it.
    admin.wait_metric(&format!("sandloop_sent_bytes_total{labels}"), 1000.0);
    let events = admin
        .metric("sandloop_events_total{plugin=\"echo\",tenant=\"echo\",callback=\"receive-data\"}");
    // A piece of ten bytes may arrive as two.
    assert!(events.is_some_and(|events| 100.0 <= events), "{events:?}");
    let count = of("event_latency_seconds_count").expect("it is there");
    assert!(120.0 <= count, "{count}");
    assert_eq!(of("event_duration_seconds_count"), Some(count));
    let infinite =
        "sandloop_event_latency_seconds_bucket{plugin=\"echo\",tenant=\"echo\",le=\"+Inf\"}";
    assert_eq!(admin.metric(infinite), Some(count));
    assert!(of("cpu_seconds_total").is_some_and(|cpu| 0.0 < cpu));
    let usage =
        |name| format!("sandloop_{name}{{plugin=\"echo\",tenant=\"echo\",limit=\"connections\"}}");
    assert_eq!(admin.metric(&usage("plugin_usage")), Some(20.0));
    assert_eq!(admin.metric(&usage("plugin_limit")), Some(10_000.0));
    let mut trap = host.connect("hostile_trap");
    trap.send("x");
    trap.expect_end();
    let traps = "sandloop_traps_total{plugin=\"hostile_trap\",tenant=\"hostile_trap\"}";
    assert_eq!(admin.metric(traps), Some(1.0));
    let traps = admin.json("/traps");
    let [trap] = &traps["traps"].as_array().expect("a list")[..] else { panic!("{traps}") };
    assert_eq!(trap["plugin"], "hostile_trap");
    assert!(trap["backtrace"].as_str().is_some_and(|it| it.contains("hostile_trap")), "{trap}");
}

#[test]
fn a_denial_is_told_with_the_line_that_would_allow_it() {
    let plugin = Plugin::new("connect_trace").isolation(Isolation::Plugin).prints();
    let config = Config::new().plugin(plugin.option("target", "tcp://198.51.100.7:80"));
    let (host, admin) = watched(config.plugin(Plugin::new("echo")).listen(Listen::tcp("echo")));
    host.wait_log("denied");
    let denials = admin.json("/denials");
    let denial = &denials["denials"][0];
    assert_eq!(
        (&denial["plugin"], &denial["call"]),
        (&"connect_trace".into(), &"sockets.connect".into())
    );
    let remedy = denial["remedy"].as_str().expect("a text");
    assert!(remedy.contains("add `connect = [\"198.51.100.7:80\"]`"), "{remedy}");
    assert!(remedy.contains("[plugins.connect_trace.allow]"), "{remedy}");
    let denied = "sandloop_denials_total{plugin=\"connect_trace\",tenant=\"connect_trace\",call=\"sockets.connect\"}";
    assert_eq!(admin.metric(denied), Some(1.0));
}

#[test]
fn a_plugin_is_parked_and_goes_on() {
    let config = Config::serving(Plugin::new("echo")).admin("quarantine", "\"unready\"");
    let (host, admin) = watched(config);
    let mut before = host.connect("echo");
    before.expect_echo("helo\n");
    let parked = admin.ask("POST", "/plugins/echo/park", &[]);
    assert_eq!((parked.status, &*parked.body), (200, "{\"done\":\"parked\"}\n"));
    assert_eq!(admin.json("/plugins/echo")["state"], "parked");
    let ready = admin.get("/readyz");
    assert_eq!((ready.status, &*ready.body), (503, "parked: echo\n"));
    // Existing connections continue, and new ones wait.
    before.expect_echo("still here\n");
    let mut waits = host.connect("echo");
    waits.send("helo\n");
    let resumed = admin.ask("POST", "/plugins/echo/resume", &[]);
    assert_eq!((resumed.status, &*resumed.body), (200, "{\"done\":\"resumed\"}\n"));
    waits.expect("helo\n");
    assert_eq!(admin.get("/readyz").status, 200);
    let unknown = admin.ask("POST", "/plugins/ecco/park", &[]);
    assert_eq!((unknown.status, &*unknown.code()), (404, "unknown-plugin"));
}

/// The plugin's accepted connections end, and no new one is accepted until it is resumed.
#[test]
fn a_plugin_is_drained_and_resumed() {
    for (isolation, at_capacity) in [(Isolation::Connection, "wait"), (Isolation::Plugin, "refuse")]
    {
        let plugin = Plugin::new("drains").isolation(isolation);
        let plugin = plugin.limit("drain_deadline", "\"3s\"");
        let listen = |lets_go: &str| {
            Listen::at(&format!("tcp://{}:0", own_loopback()), "drains")
                .key("at_capacity", format!("{at_capacity:?}"))
                .option("lets_go", lets_go)
        };
        let config = Config::new().host("reactors", "2").plugin(plugin).listen(listen("when-idle"));
        let config = config.listen(listen("until-closed")).plugin(Plugin::new("echo"));
        let (host, admin) = watched(config.listen(Listen::tcp("echo")));
        let addresses = host.addresses("drains");
        let connect = |at: usize, count: usize| -> Vec<Peer> {
            let mut peers: Vec<Peer> = (0..count).map(|_| Peer::connect(&addresses[at])).collect();
            peers.iter_mut().for_each(|peer| peer.expect_echo("hello\n"));
            peers
        };
        let (mut idle, mut busy, mut stuck) = (connect(0, 10), connect(0, 1), connect(1, 3));
        busy[0].send("timer 700\n");
        busy[0].expect_echo("asked\n");
        let mut other = host.connect("echo");
        other.expect_echo("hello\n");
        let drained = admin.ask("POST", "/plugins/drains/drain", &[]);
        assert_eq!((drained.status, &*drained.body), (200, "{\"done\":\"draining\"}\n"));
        assert_eq!(admin.json("/plugins/drains")["state"], "draining");
        let mut waits = None;
        if at_capacity == "refuse" {
            Peer::expect_turned_away(&addresses[0]);
        } else {
            let mut peer = Peer::connect(&addresses[0]);
            peer.send("hello\n");
            waits = Some(peer);
        }
        idle.iter_mut().for_each(Peer::expect_end);
        // Work in progress is finished first.
        busy[0].expect("timer\n");
        busy[0].expect_end();
        if let Some(peer) = &mut waits {
            peer.expect_nothing_yet();
        }
        // Connections that do not end are cut off at the deadline.
        stuck.iter_mut().for_each(Peer::expect_closed);
        other.expect_echo("not touched\n");
        assert_eq!(admin.json("/connections?plugin=drains")["connections"], serde_json::json!([]));
        assert_eq!(admin.ask("POST", "/plugins/drains/resume", &[]).status, 200);
        if let Some(peer) = &mut waits {
            peer.expect("hello\n");
        }
        Peer::connect(&addresses[1]).expect_echo("again\n");
        host.stop();
    }
}

/// All of them, in pages, from every reactor.
#[test]
fn connections_and_sandboxes_are_told_in_pages() {
    const PEERS: usize = 230;
    let config = Config::serving(Plugin::new("echo")).host("reactors", "2");
    let (host, admin) = watched(config);
    let mut peers: Vec<Peer> = (0..PEERS).map(|_| host.connect("echo")).collect();
    peers.iter_mut().for_each(|peer| peer.expect_echo("x"));
    let locals: Vec<String> = peers.iter().map(Peer::local_address).collect();
    for (what, key) in [("connections", "peer"), ("instances", "plugin")] {
        let (mut told, mut after, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = admin.json(&format!("/{what}?plugin=echo{after}"));
            let rows = page[what].as_array().expect("a list");
            assert!(rows.len() <= 100);
            told.extend(rows.iter().map(|row| row[key].as_str().unwrap_or_default().to_owned()));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(told.len(), PEERS, "{what}");
        assert!(3 <= pages, "{what}: {pages}");
        if what == "connections" {
            let missing = locals.iter().find(|local| !told.contains(local));
            assert_eq!(missing, None, "{told:?}");
        }
    }
    let row = &admin.json("/connections?limit=1")["connections"][0];
    assert_eq!((&row["state"], &row["outgoing"]), (&"open".into(), &false.into()), "{row}");
    assert_eq!(admin.json("/connections?plugin=other")["connections"], serde_json::json!([]));
}

/// A plugin may connect anywhere, but to the admin listener only if its rule names exactly that.
#[test]
fn a_plugin_does_not_reach_it() {
    let address = own_loopback();
    let free = std::net::TcpListener::bind((&*address, 0)).expect("a port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let plugin = Plugin::new("connect_trace").isolation(Isolation::Plugin).prints();
    let plugin = plugin.may_connect(&["127.0.0.0/8:*"]);
    let plugin = plugin.option("target", &format!("tcp://{address}:{port}"));
    let config = Config::serving(Plugin::new("echo")).plugin(plugin);
    let host = Host::start(&config.admin("address", format!("\"tcp://{address}:{port}\"")));
    let denied = host.wait_log("denied");
    let cause = denied.field("cause").unwrap_or_default();
    assert!(cause.contains("this host listens there"), "{denied}");
}

#[test]
fn top_prints_what_the_page_shows() {
    let (host, _) = watched(Config::serving(Plugin::new("echo")));
    host.connect("echo").expect_echo("helo\n");
    let outcome = sandloop(host.dir(), &["top", "--once"]);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{outcome:?}");
    let row = outcome.stdout.lines().find(|line| line.starts_with("echo ")).expect("a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..3], ["echo", "echo", "serving"], "{row}");
    assert!(!outcome.stdout.contains('\x1b'), "{}", outcome.stdout);
    let dir = host.dir().to_owned();
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    std::fs::copy(dir.join("plugins.toml"), elsewhere.path().join("plugins.toml")).expect("a copy");
    let nobody = sandloop(elsewhere.path(), &["top", "--once"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(
        nobody.stderr.contains("admin.sock") && nobody.stderr.contains("is the host running"),
        "{nobody:?}"
    );
    let unwatched = Config::serving(Plugin::new("echo")).to_toml();
    std::fs::write(elsewhere.path().join("plugins.toml"), unwatched).expect("it can be written");
    let unwatched = sandloop(elsewhere.path(), &["top"]);
    assert_eq!(unwatched.code, Some(2), "{unwatched:?}");
    assert!(unwatched.stderr.contains("add a section [admin]"), "{unwatched:?}");
}

/// A port that the system has chosen is found, and used.
#[test]
fn commands_find_a_port_that_the_system_has_chosen() {
    let config = Config::serving(Plugin::new("echo")).admin("address", "\"tcp://127.0.0.1:0\"");
    let host = Host::start(&config);
    let port = Admin::of(&host).host().rsplit(':').next().map(str::to_owned).expect("a port");
    for (command, shows) in [(&["top", "--once"][..], "echo "), (&["health"][..], "")] {
        let refused = sandloop(host.dir(), command);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("add --port"), "{refused:?}");
        let asked = sandloop(host.dir(), &[command, &["--port", &port]].concat());
        assert_eq!(asked.code, Some(0), "{asked:?}");
        assert!(asked.stdout.contains(shows), "{asked:?}");
    }
}

/// A refused reload is reported, and the next one replaces it.
#[test]
fn what_became_of_a_reload_is_told() {
    let (host, admin) = watched(Config::serving(Plugin::new("echo")));
    let reloads =
        |result: &str| admin.metric(&format!("sandloop_reloads_total{{result=\"{result}\"}}"));
    assert_eq!((reloads("taken"), reloads("refused")), (Some(0.0), Some(0.0)));
    assert!(admin.json("/host")["last_reload"].is_null());
    let file = host.dir().join("plugins.toml");
    let good = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, format!("{good}\n[hots]\n")).expect("it can be written");
    let refused = admin.ask("POST", "/reload", &[]);
    assert_eq!((refused.status, &*refused.code()), (422, "bad-config"));
    assert!(refused.body.contains("did you mean"), "{refused:?}");
    assert_eq!((reloads("taken"), reloads("refused")), (Some(0.0), Some(1.0)));
    assert_eq!(admin.metric("sandloop_last_reload_successful"), Some(0.0));
    let error = admin.json("/host")["last_reload"]["error"].clone();
    assert!(error.as_str().is_some_and(|error| error.contains("did you mean")), "{error}");
    host.connect("echo").expect_echo("helo\n");
    std::fs::write(&file, good).expect("it can be written");
    let taken = admin.ask("POST", "/reload", &[]);
    assert_eq!((taken.status, &*taken.body), (200, "{\"done\":\"reloaded\"}\n"));
    assert_eq!((reloads("taken"), reloads("refused")), (Some(1.0), Some(1.0)));
    assert_eq!(admin.metric("sandloop_last_reload_successful"), Some(1.0));
    assert!(admin.json("/host")["last_reload"]["error"].is_null());
    host.connect("echo").expect_echo("helo\n");
}
