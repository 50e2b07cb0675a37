//! Each function, queue and behaviour of a peer, with each resource that it may use up: the host survives, its neighbour is
//! served, and descriptors and memory are released.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use sandloop_tests::hostile::drive::{descriptors, memory_left, wait_descriptors_for};
use sandloop_tests::hostile::pairs::{self, Pair};
use sandloop_tests::{Config, Host, Listen, Plugin, process};

/// Hosts that are attacked side by side.
const HOSTS: usize = 3;
/// Peers of one pair at once.
const ATTACKERS: usize = 2;
/// How long a peer waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// The memory of a host that all attacks may leave behind. Measured beside other tests: 26 to 149 MiB, depending on the attacks
/// that a host got; the soak compares a longer run with itself.
const MEMORY_LEFT_MAX: u64 = 256 << 20;

/// As many as documented, each under its own name.
#[test]
fn there_are_enough_pairs() {
    let all = pairs::all();
    let names: BTreeSet<String> = all.iter().map(Pair::name).collect();
    assert_eq!(names.len(), all.len(), "two pairs have one name");
    assert!(150 <= all.len(), "{} pairs", all.len());
}

#[test]
fn every_pair_of_a_function_and_a_resource_is_withstood() {
    let left = Mutex::new(pairs::all());
    thread::scope(|scope| {
        for _ in 0..HOSTS {
            scope.spawn(|| withstand(&left));
        }
    });
}

/// Takes one pair after the other, until none is left.
fn withstand(left: &Mutex<Vec<Pair>>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let config = pairs::attacked(config, "hostile", dir.path());
    let host = Host::start_in(dir, &config);
    let mut echo = host.connect("echo");
    echo.expect_echo("before");
    let (files, memory) = (descriptors(&host), process::resident(host.pid()));
    let address = host.address("hostile");
    loop {
        let Some(pair) = left.lock().expect("nobody has panicked").pop() else { break };
        thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| pairs::attack(&address, &pair, ANSWER_MAX));
            }
            echo.expect_echo("beside");
        });
        let waited = wait_descriptors_for(&host, &mut echo, files, pairs::ALL_AT_ONCE);
        waited.unwrap_or_else(|left| panic!("{}: {left}", pair.name()));
    }
    let grown = memory_left(&host, &mut echo, memory, MEMORY_LEFT_MAX);
    println!("{} MiB, and {} MiB more at the end", memory >> 20, grown >> 20);
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(grown < MEMORY_LEFT_MAX, "{} MiB are left", grown >> 20);
    let no_row = outcome.stderr.lines().find(|line| line.contains("no row for"));
    assert_eq!(no_row, None);
}
