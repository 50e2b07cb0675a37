//! Each function, queue and behaviour of a peer, with each resource that it may use up: the host lives, its neighbour is
//! served, and descriptors and memory come back.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use sandloop_tests::hostile::drive::{descriptors, wait_descriptors};
use sandloop_tests::hostile::pairs::{self, Pair};
use sandloop_tests::{Config, Host, Listen, Plugin, process};

/// Hosts that are attacked side by side.
const HOSTS: usize = 3;
/// Peers of one pair that come at once.
const ATTACKERS: usize = 2;
/// As long as a peer waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// What all the attacks may leave behind of a host's memory. Measured beside other tests: 26 to 149 MiB, by which of them a host has
/// met; the soak holds a run that goes on to what it has had.
const MEMORY_LEFT_MAX: u64 = 256 << 20;

/// As many as were promised, each under a name of its own.
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

/// Takes one after the other, until none is left.
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
        let waited = wait_descriptors(&host, &mut echo, files);
        waited.unwrap_or_else(|left| panic!("{}: {left}", pair.name()));
    }
    let grown = process::resident(host.pid()).saturating_sub(memory);
    println!("{} MiB, and {} MiB more at the end", memory >> 20, grown >> 20);
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(grown < MEMORY_LEFT_MAX, "{} MiB are left", grown >> 20);
    let no_row = outcome.stderr.lines().find(|line| line.contains("no row for"));
    assert_eq!(no_row, None);
}
