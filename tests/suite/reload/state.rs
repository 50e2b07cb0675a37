//! The state of a program, handed over from one version to the next.

use std::fs;
use std::path::Path;
use std::thread;

use rustix::process::Signal;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, component, own_loopback};

use super::{is_over, reload};

const MODES: [&str; 2] = ["beside", "after"];

/// The counter, as a version with this kind of handover.
fn counter(handover: &str, version: &str) -> Plugin {
    let plugin = Plugin::named("it", &component("handover")).isolation(Isolation::Plugin).prints();
    plugin.key("handover", format!("{handover:?}")).option("version", version)
}

fn serving(address: &str, plugin: Plugin) -> Config {
    Config::new().plugin(plugin).listen(Listen::at(address, "it"))
}

/// Counts on a new connection.
fn count(address: &str, expected: &str) -> Peer {
    let mut peer = Peer::connect(address);
    peer.send("up\n");
    peer.expect(expected);
    peer
}

/// Checks the printed lines, in order, from the `first` of these on.
fn told(host: &Host, expected: &[&str]) {
    for line in expected {
        host.wait_printed(line);
    }
    let printed = host.printed();
    let places = expected.iter().map(|line| printed.find(&format!("{line}\n")));
    let places: Vec<usize> = places.map(|place| place.expect("a line")).collect();
    assert!(places.is_sorted(), "{expected:?} is not the order of\n{printed}");
}

#[test]
fn a_count_goes_on_through_reloads() {
    for (number, handover) in MODES.iter().enumerate() {
        let address = format!("tcp://{}:{}", own_loopback(), 7030 + number);
        let config = |version| serving(&address, counter(handover, version));
        let host = Host::start(&config("one"));
        let old = count(&address, "one 1\n");
        drop(count(&address, "one 2\n"));
        assert!(reload(&host, &config("two").to_toml()));
        let (restored, stopped) = ("two restores", "one has stopped");
        if *handover == "beside" {
            // The old one continues with a separate count.
            drop(count(&address, "two 3\n"));
            let mut old = old;
            old.send("up\n");
            old.expect("one 3\n");
            drop(old);
            told(&host, &["one is stopping", "one saves", restored, "two starts with 2", stopped]);
        } else {
            let waits = thread::spawn({
                let address = address.clone();
                move || count(&address, "two 3\n")
            });
            host.wait_printed("one is stopping");
            assert!(!host.printed().contains("one saves"), "{}", host.printed());
            drop(old);
            drop(waits.join().expect("it is served"));
            told(&host, &["one is stopping", "one saves", stopped, restored, "two starts with 2"]);
        }
        assert!(reload(&host, &config("three").to_toml()));
        drop(count(&address, "three 4\n"));
        let outcome = host.stop();
        assert!(!outcome.stdout.contains("a timer of restore"), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("three saves"), "nobody comes after: {}", outcome.stdout);
    }
}

/// The component itself changes, as after a build.
#[test]
fn a_count_goes_on_in_the_next_build() {
    let address = format!("tcp://{}:7032", own_loopback());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("plugin.wasm");
    let built = fs::read(component("handover")).expect("a component");
    fs::write(&file, &built).expect("a file");
    let plugin = Plugin::named("it", Path::new("plugin.wasm")).isolation(Isolation::Plugin);
    let config = serving(&address, plugin.prints()).host("reactors", "2");
    let host = Host::start_in(dir, &config);
    for number in 1..=8 {
        let mut peer = Peer::connect(&address);
        peer.send("up\n");
        assert!(peer.line().starts_with("count "), "connection {number}");
    }
    // One more custom section: its content is a name of one byte.
    fs::write(&file, [&built[..], &[0, 2, 1, b'x']].concat()).expect("a file");
    host.signal(Signal::HUP);
    let lines = host.wait_lines("the reload", 1, is_over);
    assert!(lines[0].message().starts_with("reloaded"), "{}", lines[0]);
    // Each reactor's program has the count of that reactor's earlier one.
    let start = "count starts with ";
    let lines = |host: &Host| -> Vec<u64> {
        let printed = host.printed();
        let counts = printed.lines().filter_map(|line| line.strip_prefix(start));
        counts.map(|count| count.parse().expect("a number")).collect()
    };
    // Two at the start; then each is stopping, saves and has stopped, restores and starts.
    host.wait_printed_lines(12);
    assert_eq!(lines(&host).iter().sum::<u64>(), 8, "{}", host.printed());
    host.stop();
}

#[test]
fn a_version_that_comes_back_goes_on_with_what_it_had() {
    for (number, on_restore) in ["count", "refuse"].into_iter().enumerate() {
        let address = format!("tcp://{}:{}", own_loopback(), 7033 + number);
        let config = |version: &str, on_restore: &str| {
            let plugin = counter("beside", version).option("on_restore", on_restore);
            serving(&address, plugin.limit("traps", "2").key("rollback", "true"))
        };
        let host = Host::start(&config("good", "count"));
        drop(count(&address, "good 1\n"));
        drop(count(&address, "good 2\n"));
        assert!(reload(&host, &config("bad", on_restore).to_toml()));
        for _ in 0..2 {
            let mut peer = Peer::connect(&address);
            peer.send("trap\n");
            peer.expect_closed();
        }
        host.wait_log("it has trapped too often");
        drop(count(&address, "good 3\n"));
        host.stop();
    }
}

/// A loss, the log line about it, and the initial count of the next version.
struct Loss {
    before: fn(Plugin) -> Plugin,
    next: fn(Plugin) -> Plugin,
    says: &'static [&'static str],
}

const LOSSES: &[Loss] = &[
    Loss {
        before: |plugin| plugin.option("on_save", "2000"),
        next: |plugin| plugin.limit("message", "\"1KiB\""),
        says: &["2000 bytes, which limits.message does not allow"],
    },
    Loss {
        before: |plugin| plugin.option("on_save", "trap"),
        next: |plugin| plugin,
        says: &["ended before it had saved"],
    },
    Loss {
        before: |plugin| plugin,
        next: |plugin| plugin.option("on_restore", "trap"),
        says: &["ended in restore"],
    },
    Loss {
        before: |plugin| plugin,
        next: |plugin| plugin.option("on_restore", "refuse"),
        says: &["does not take it", "of another age"],
    },
    Loss {
        before: |plugin| plugin.option("on_save", "2"),
        next: |plugin| plugin,
        says: &["does not take it", "too short"],
    },
];

#[test]
fn what_is_wrong_costs_the_state_alone() {
    for (number, loss) in LOSSES.iter().enumerate() {
        for (mode, handover) in MODES.iter().enumerate() {
            let address = format!("tcp://{}:{}", own_loopback(), 7040 + 2 * number + mode);
            let before = serving(&address, (loss.before)(counter(handover, "one")));
            let next = serving(&address, (loss.next)(counter(handover, "two")));
            let host = Host::start(&before);
            drop(count(&address, "one 1\n"));
            assert!(reload(&host, &next.to_toml()), "{:?}", loss.says);
            let mut peer = count(&address, "two 1\n");
            let line = host.wait_log("no state is handed over");
            assert_eq!(line.level(), "WARN", "{line}");
            assert!(loss.says.iter().all(|words| line.0.contains(words)), "{line}");
            assert!(line.field("remedy").is_some(), "{line}");
            peer.send("up\n");
            peer.expect("two 2\n");
            host.stop();
        }
    }
}

/// A kept state counts for its tenant, and no longer than it is needed.
#[test]
fn a_state_has_room_in_its_tenant_again_and_again() {
    let address = format!("tcp://{}:7052", own_loopback());
    let config = |round: usize, messages: &str| {
        let plugin = counter("beside", &round.to_string()).option("on_save", "4000");
        let toml = serving(&address, plugin.key("tenant", "\"own\"")).to_toml();
        format!("{toml}\n[tenants.own.limits]\nmessages = \"{messages}\"\n")
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_toml(dir, &config(0, "6KiB"));
    for round in 1..=5 {
        assert!(reload(&host, &config(round, "6KiB")));
        drop(count(&address, &format!("{round} 1\n")));
    }
    let lost = || host.log().iter().filter(|line| line.message().starts_with("no state")).count();
    assert_eq!(lost(), 0, "{:?}", host.log());
    assert!(reload(&host, &config(6, "4KiB")));
    let line = host.wait_log("no state is handed over");
    assert!(line.0.contains("4000 bytes, for which its tenant"), "{line}");
    host.stop();
}

/// A version without a state to hand over is no fault. One without the handler is reported.
#[test]
fn only_one_side_is_told_and_nothing_is_no_fault() {
    let address = format!("tcp://{}:7053", own_loopback());
    let pass = |a: &str| {
        let plugin = Plugin::named("it", &component("pass")).isolation(Isolation::Plugin);
        serving(&address, plugin.option("version", a)).to_toml()
    };
    let counts = |version: &str, on_save: &str| {
        serving(&address, counter("beside", version).option("on_save", on_save)).to_toml()
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_toml(dir, &counts("one", "nothing"));
    drop(count(&address, "one 1\n"));
    assert!(reload(&host, &counts("two", "count")));
    drop(count(&address, "two 1\n"));
    let is_loss =
        |line: &sandloop_tests::LogLine| line.message().starts_with("no state is handed over");
    assert!(!host.log().iter().any(is_loss), "{:?}", host.log());
    for (round, (toml, says)) in [
        (pass("three"), "the next one has no handover-handler"),
        (counts("four", "count"), "the one before has no handover-handler"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(reload(&host, &toml));
        let lines = host.wait_lines("the loss", round + 1, is_loss);
        assert!(lines[round].0.contains(says), "{says}: {}", lines[round]);
    }
    drop(count(&address, "four 1\n"));
    // A plugin that is removed has no successor either.
    assert!(reload(&host, &Config::serving(Plugin::new("echo")).to_toml()));
    host.wait_printed("four has stopped");
    assert!(!host.printed().contains("four saves"));
    host.stop();
}

/// Reloads that overtake a slow save: the last version gets the state, and new connections wait for it.
#[test]
fn the_last_of_several_versions_gets_the_state() {
    let address = format!("tcp://{}:7054", own_loopback());
    let config = |version: &str| {
        serving(&address, counter("beside", version).option("on_save", "slow")).to_toml()
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_toml(dir, &config("one"));
    drop(count(&address, "one 1\n"));
    for version in ["two", "three", "four"] {
        assert!(reload(&host, &config(version)));
    }
    drop(count(&address, "four 2\n"));
    host.wait_printed("one has stopped");
    host.stop();
}

/// A version that is restoring its state when the next reload comes.
struct InRestore {
    on_restore: &'static str,
    /// The versions after it, one reload each.
    next: &'static [&'static str],
}

const IN_RESTORE: &[InRestore] = &[
    InRestore { on_restore: "slow", next: &["three"] },
    InRestore { on_restore: "slow", next: &["three", "four"] },
    InRestore { on_restore: "slow-trap", next: &["three"] },
    InRestore { on_restore: "slow-trap", next: &["three", "four"] },
];

/// It is told to stop like any version that has started, and the state that it got goes to the next one. So does a
/// state that it did not live to restore.
#[test]
fn a_reload_may_come_in_the_middle_of_restore() {
    for (number, row) in IN_RESTORE.iter().enumerate() {
        for (mode, handover) in MODES.iter().enumerate() {
            let address = format!("tcp://{}:{}", own_loopback(), 7080 + 2 * number + mode);
            let config = |version: &str, on_restore: &str| {
                serving(&address, counter(handover, version).option("on_restore", on_restore))
            };
            let host = Host::start(&config("one", "count"));
            drop(count(&address, "one 1\n"));
            assert!(reload(&host, &config("two", row.on_restore).to_toml()));
            host.wait_printed("two restores");
            for version in row.next {
                assert!(reload(&host, &config(version, "count").to_toml()), "{version}");
            }
            let last = row.next.last().expect("one");
            drop(count(&address, &format!("{last} 2\n")));
            let starts = format!("{last} starts with 1");
            if row.on_restore == "slow" {
                let restores = format!("{last} restores");
                told(
                    &host,
                    &["two starts with 1", "two is stopping", "two saves", &restores, &starts],
                );
                host.wait_printed("two has stopped");
            }
            let outcome = host.stop();
            // The whole log: a line may be written after the count is seen.
            let is_lost = outcome.stderr.contains("no state");
            assert!(!is_lost, "{}, {handover}: {}", row.on_restore, outcome.stderr);
            assert!(outcome.stdout.contains(&starts), "{}", outcome.stdout);
            let begun = outcome.stdout.matches("three starts").count();
            assert!(begun <= 1, "{}", outcome.stdout);
        }
    }
}

/// It is informed of the end of the host as well.
#[test]
fn a_stop_may_come_in_the_middle_of_restore() {
    let address = format!("tcp://{}:7076", own_loopback());
    let config = |version: &str, on_restore: &str| {
        serving(&address, counter("beside", version).option("on_restore", on_restore))
    };
    let host = Host::start(&config("one", "count"));
    drop(count(&address, "one 1\n"));
    assert!(reload(&host, &config("two", "slow").to_toml()));
    host.wait_printed("two restores");
    host.signal(Signal::TERM);
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let places = ["two starts with 1", "two is stopping", "two has stopped"]
        .map(|line| outcome.stdout.find(&format!("{line}\n")));
    let is_whole = places.iter().all(Option::is_some);
    assert!(is_whole && places.is_sorted(), "{}", outcome.stdout);
}
