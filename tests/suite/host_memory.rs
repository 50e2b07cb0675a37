//! Host memory that a guest can cause counts for its tenant: every function of the contract, and every event, with the largest
//! numbers and values. Memory beyond the accounts would show in the process.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sandloop_tests::hostile::pairs::{self, HostResource, Pair, PeerBehaviour};
use sandloop_tests::{Config, Host, Listen, LogLine, PATIENCE, Peer, Plugin, component, process};

/// The bytes of each account of host memory, so few that uncounted memory shows.
const ACCOUNT: u64 = 8 << 20;
/// The accounts of messages, of outboxes and of everything else.
const ACCOUNTS: u64 = 3;
/// Instances that request at once.
const PEERS: usize = 4;
/// The linear memory of each, and the data that one call of each passes to the host.
const LINEAR: u64 = 8 << 20;
const CALL: u64 = 2 << 20;
/// The memory of an idle host: sandboxes, threads, pieces of the heap that are not released, the log.
const BESIDES: u64 = 24 << 20;
const ALLOWED: u64 = ACCOUNTS * ACCOUNT + PEERS as u64 * (LINEAR + CALL) + BESIDES;

/// The time-out of an instance that computes: it has the lowest priority, and other tests use the processors.
const LONG: Duration = PATIENCE.saturating_mul(4);

/// A host on which only the accounts bound what a guest may keep.
fn with_accounts() -> Host {
    with_accounts_and(&[])
}

/// Like [`with_accounts`], with more bounds of the tenant.
fn with_accounts_and(bounds: &[(&str, &str)]) -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut plugin = Plugin::new(pairs::GUEST)
        .may_connect(&["127.0.0.1:9"])
        .allow("read", &["./data"])
        .limit("memory", LINEAR.to_string())
        .limit("call_bytes", CALL.to_string())
        .limit("cpu_per_event", "\"300ms\"")
        .limit("cpu_per_operation", "\"300ms\"")
        .limit("log_line", "\"1MiB\"");
    for unbounded in ["timers", "ticks", "subscriptions", "pops", "deferred", "traps"] {
        plugin = plugin.limit(unbounded, "1000000");
    }
    for (much, value) in [("outgoing", "10000"), ("processes", "50"), ("handles", "5000")] {
        plugin = plugin.limit(much, value);
    }
    plugin = plugin.limit("mailbox", "\"1GiB\"");
    let folder = dir.path().join("data");
    std::fs::create_dir(&folder).expect("a new folder");
    for number in 0..2000 {
        std::fs::write(folder.join(format!("name {number}")), "x").expect("a new file");
    }
    let config = Config::new()
        .plugin(plugin)
        .listen(Listen::tcp(pairs::GUEST))
        .plugin(Plugin::named("neighbour", &component("echo")))
        .listen(Listen::tcp("neighbour"))
        .tenant(pairs::GUEST, "channels", "1000000")
        .tenant(pairs::GUEST, "channel", "\"1GiB\"")
        .tenant(pairs::GUEST, "queue", "\"1GiB\"")
        .tenant(pairs::GUEST, "messages", ACCOUNT.to_string())
        .tenant(pairs::GUEST, "outboxes", ACCOUNT.to_string())
        .tenant(pairs::GUEST, "host_memory", ACCOUNT.to_string());
    let config =
        bounds.iter().fold(config, |config, (key, value)| config.tenant(pairs::GUEST, key, *value));
    Host::start_in(dir, &config)
}

fn pair(function: &str, resource: HostResource) -> Pair {
    Pair { function: function.to_owned(), resource, peer: PeerBehaviour::Waits }
}

/// Several instances request at once, and keep their results until all have been answered or have ended.
fn ask(host: &Host, pair: &Pair) -> Vec<Option<u32>> {
    ask_by(PEERS, host, pair)
}

/// Like [`ask`], with this number of instances.
fn ask_by(peers: usize, host: &Host, pair: &Pair) -> Vec<Option<u32>> {
    let mut peers: Vec<Peer> = (0..peers).map(|_| host.connect(pairs::GUEST)).collect();
    for peer in &mut peers {
        peer.send(pair.line());
    }
    let answers = peers.iter_mut().map(|peer| {
        let (mut answer, mut buffer, begun) = (Vec::new(), [0; 4096], Instant::now());
        while !answer.ends_with(b"\n") {
            match peer.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
                // It still computes.
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < LONG => {}
                Err(_) => return None,
            }
        }
        String::from_utf8_lossy(&answer).trim_start_matches('x').trim().parse().ok()
    });
    answers.collect()
}

/// Waits until nothing is left of these instances: they are released on another thread, and until then the tenant's account
/// holds their memory.
fn wait_until_all_is_given_back(host: &Host) {
    let is_told = |line: &LogLine| {
        line.field("tenant") == Some(pairs::GUEST) && line.field("plugin").is_none()
    };
    host.wait_in_use("it is not given back", LONG, is_told, |line| {
        line.field("memory") == Some("0")
    });
}

#[test]
fn whatever_a_guest_asks_for_is_in_an_account() {
    let host = with_accounts();
    let mut neighbour = host.connect("neighbour");
    // The heap keeps memory that it has had, so all of it is compared with the beginning.
    let before = process::resident(host.pid());
    for function in pairs::subjects() {
        for resource in [HostResource::Places, HostResource::Memory] {
            let pair = pair(&function, resource);
            wait_until_all_is_given_back(&host);
            let answers = ask(&host, &pair);
            let grown = process::resident_peak(host.pid()).saturating_sub(before);
            println!("{:<55} {:>4} MiB {answers:?}", pair.name(), grown >> 20);
            assert!(grown < ALLOWED, "{}: {} MiB, granted {answers:?}", pair.name(), grown >> 20);
            neighbour.expect_echo("beside");
        }
    }
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    // A function without a row in the guest's table.
    let no_row = outcome.stderr.lines().find(|line| line.contains("no row for"));
    assert_eq!(no_row, None);
}

/// Ended objects are taken off the account: the next ones get as much, however often they come.
#[test]
fn what_was_kept_is_given_back() {
    let host = with_accounts();
    for function in
        ["timers.add-timer", "reactor.next-tick", "channels.subscribe", "queues.pop", "wasi.folder"]
    {
        let pair = pair(function, HostResource::Places);
        // The result of a single instance, since that of several depends on which have ended by then.
        let alone = || ask_by(1, &host, &pair)[0].unwrap_or_default();
        // Earlier ones are released on another thread, and hold all that there is until then.
        wait_until_all_is_given_back(&host);
        // An instance that gets no core for long enough is ended before it answers.
        let begun = Instant::now();
        let mut first = alone();
        while first == 0 {
            assert!(begun.elapsed() < PATIENCE, "{function}: nothing was granted");
            first = alone();
        }
        for time in 0..4 {
            ask(&host, &pair);
            let begun = Instant::now();
            while alone() < first / 10 * 8 {
                assert!(begun.elapsed() < PATIENCE, "{function}: less is left, time {time}");
            }
        }
    }
    host.stop();
}

/// A bound of the account is reported like every other, and the guest continues.
#[test]
fn the_account_is_told_and_shown() {
    let host = with_accounts();
    let answers = ask(&host, &pair("timers.add-timer", HostResource::Places));
    let granted: u32 = answers.into_iter().flatten().sum();
    assert!(granted < 20_000, "{granted} timers in {ACCOUNT} bytes");
    let line = host.wait_log("at a limit");
    assert_eq!(line.field("limit"), Some("host_memory"), "{line}");
    assert_eq!(line.field("value"), Some("8MiB"), "{line}");
    let mut next = host.connect(pairs::GUEST);
    next.send("reactor.is-running most\n");
    assert!(!next.line().is_empty());
    assert!(next.is_open_for(Duration::from_millis(1)));
    host.stop();
}

/// Objects that are counted over all instances of a tenant: the key, the function that requests one, and whether a granted one
/// stays until its instance ends.
const COUNTS: [(&str, &str, bool); 5] = [
    ("timers", "timers.add-timer", true),
    ("ticks", "reactor.next-tick", false),
    ("subscriptions", "channels.subscribe", true),
    ("pops", "queues.pop", true),
    ("deferred", "deferred.defer", false),
];

#[test]
fn what_all_instances_of_a_tenant_have_is_counted_together() {
    const BOUND: u32 = 100;
    for (key, function, stays) in COUNTS {
        let host = with_accounts_and(&[(key, &BOUND.to_string())]);
        let pair = pair(function, HostResource::Places);
        let granted: Vec<u32> = ask(&host, &pair).into_iter().flatten().collect();
        assert_eq!(granted.len(), PEERS, "{function}: not everybody was answered");
        assert!(granted.iter().all(|one| *one <= BOUND), "{function}: {granted:?}");
        let sum = granted.iter().sum::<u32>();
        assert!(0 < sum && (!stays || sum <= BOUND), "{function}: {granted:?}");
        let line = host.wait_log("at a limit");
        let limit = format!("tenant {key}");
        assert_eq!(line.field("limit"), Some(limit.as_str()), "{line}");
        assert_eq!(line.field("value"), Some("100"), "{line}");
        // All objects that have ended are released, to the last.
        let begun = Instant::now();
        while ask(&host, &pair).into_iter().flatten().sum::<u32>() < BOUND {
            assert!(begun.elapsed() < PATIENCE, "{function}: less is left");
        }
        let outcome = host.stop();
        assert_eq!(outcome.code, Some(0), "{function}: {}", outcome.stderr);
    }
}

/// At the bound of handles an instance that requests one more ends; the others keep theirs.
#[test]
fn the_handles_of_all_instances_of_a_tenant_are_counted_together() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("public")).expect("a new folder");
    std::fs::write(dir.path().join("public/file"), "x").expect("a new file");
    let plugin = Plugin::new("files").allow("read", &["./public"]).limit("handles", "50");
    let config = Config::serving(plugin).tenant("files", "handles", "70");
    let host = Host::start_in(dir, &config);
    // The folder is a handle, too.
    let keeping = |count: u32| {
        let mut peer = host.connect("files");
        peer.send(format!("keep public/file {count}\n"));
        peer
    };
    let (mut one, mut other) = (keeping(30), keeping(20));
    for peer in [&mut one, &mut other] {
        peer.expect("kept\n");
        // A handler that has returned has been counted before the next one.
        peer.send("read public/file\n");
        peer.expect("x\n");
    }
    keeping(30).expect_closed();
    let line = host.wait_log("trapped");
    assert_eq!(line.field("limit"), Some("tenant handles"), "{line}");
    assert_eq!(line.field("value"), Some("70"), "{line}");
    other.send("read public/file\n");
    other.expect("x\n");
    // The handles of the instance that has ended are released.
    drop(one);
    let begun = Instant::now();
    loop {
        let mut peer = keeping(30);
        let mut answer = [0; 5];
        if 0 < peer.read(&mut answer).unwrap_or_default() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is given back");
    }
    host.stop();
}
