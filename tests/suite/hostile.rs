//! Guests that try everything: the host survives, their resources are released, their neighbour is served, and the log reports
//! what happened. `cargo xtask perf hostile` measures the delay of the neighbour's echo.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sandloop_tests::hostile::attacks::{self, Attack, Peers};
use sandloop_tests::hostile::drive::{
    ANSWER_MAX, attack, attack_for, attacked_host, descriptors, memory_left, wait_descriptors,
};
use sandloop_tests::hostile::wat::{self, Pieces};
use sandloop_tests::hostile::{crowds, long_calls};
use sandloop_tests::{Config, Host, PATIENCE, Plugin, process, sandloop, workspace};

/// The least number of echoes of the neighbour beside an attack.
const ECHOES: u32 = 400;
/// The shortest duration of an attack.
const LASTS: Duration = Duration::from_millis(300);
/// Attackers at once.
const ATTACKERS: usize = 2;
/// The memory that an attack may leave behind: sandboxes that are kept for the next, and small blocks of the heap.
const MEMORY_LEFT_MAX: u64 = 48 << 20;

/// Each attack on a host of its own, beside another tenant's echo.
fn withstand(attacks: Vec<Attack>) {
    for attack in attacks {
        withstand_one(&attack);
    }
}

fn withstand_one(one: &Attack) {
    let host = attacked_host(one);
    let mut echo = host.connect("echo");
    echo.expect_echo("before");
    let (files, address) = (descriptors(&host), host.address("hostile"));
    if let Peers::LeaveTogether(_) | Peers::ReadTogether(_) = one.peers {
        // Memory of a crowd stays with the host for the next one.
        thread::scope(|scope| {
            (0..ATTACKERS).for_each(|_| {
                scope.spawn(|| attack_for(&address, one.peers, ANSWER_MAX * 10));
            });
        });
        let waited = wait_descriptors(&host, &mut echo, files);
        waited.unwrap_or_else(|left| panic!("{}: {left}", one.name));
    }
    let memory = process::resident(host.pid());
    let stop = AtomicBool::new(false);
    let times: u32 = thread::scope(|scope| {
        let attackers: Vec<_> =
            (0..ATTACKERS).map(|_| scope.spawn(|| attack(&address, one.peers, &stop))).collect();
        let (begun, mut echoes) = (Instant::now(), 0);
        while echoes < ECHOES || begun.elapsed() < LASTS {
            echo.expect_echo("beside");
            echoes += 1;
        }
        stop.store(true, Ordering::Relaxed);
        attackers.into_iter().map(|it| it.join().unwrap_or_default()).sum()
    });
    assert!(0 < times, "{}: nobody has attacked", one.name);
    let mut wait_until_it_is_over = || {
        let waited = wait_descriptors(&host, &mut echo, files);
        waited.unwrap_or_else(|left| panic!("{}: {left}", one.name));
    };
    wait_until_it_is_over();
    // On a busy machine its peers may have left before the attack took effect.
    let (begun, mut answer_max) = (Instant::now(), ANSWER_MAX);
    while !is_told(&host, one) && begun.elapsed() < PATIENCE {
        attack_for(&address, one.peers, answer_max);
        wait_until_it_is_over();
        answer_max = (answer_max * 2).min(PATIENCE / 4);
    }
    if let Some(told) = one.told {
        host.wait_line(&format!("{}: {told}", one.name), |line| line.0.contains(told));
    }
    let left = memory_left(&host, &mut echo, memory, MEMORY_LEFT_MAX);
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}: {}", one.name, outcome.stderr);
    assert!(left < MEMORY_LEFT_MAX, "{}: {left} bytes are left", one.name);
    println!("{:<40} {times:>4} attacks, {:>3} MiB left", one.name, left >> 20);
}

/// Whether the log has the expected line about the attack.
fn is_told(host: &Host, attack: &Attack) -> bool {
    attack.told.is_none_or(|told| host.log().iter().any(|line| line.0.contains(told)))
}

#[test]
fn endless_loops() {
    withstand(attacks::loops());
}

#[test]
fn traps() {
    withstand(attacks::traps());
}

#[test]
fn bombs() {
    withstand(attacks::bombs());
}

#[test]
fn floods() {
    withstand(attacks::floods());
}

#[test]
fn calls_that_nobody_should_make() {
    withstand(attacks::calls());
}

#[test]
fn calls_that_the_host_is_long_in() {
    withstand(long_calls::all());
}

#[test]
fn crowds_that_do_the_same_at_once() {
    withstand(crowds::all());
}

/// As many as documented, each under its own name.
#[test]
fn there_are_enough_attacks() {
    let mut names: Vec<String> = attacks::all().into_iter().map(|attack| attack.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two attacks have one name");
    assert!(100 <= count, "{count} attacks");
}

/// A component that cannot be instantiated stops the start, with a message, and soon.
#[test]
fn what_cannot_be_instantiated_is_refused_at_the_start() {
    let start = |body: &str| format!("(func $s {body}) (start $s)");
    let refused = [
        ("a trap", Pieces { more: start("(unreachable)"), ..Pieces::default() }, "unreachable"),
        ("a loop", Pieces { more: start("(loop (br 0))"), ..Pieces::default() }, "interrupt"),
        ("all the memory there is", Pieces { pages: "65536", ..Pieces::default() }, "memory"),
        (
            "a table of a billion",
            Pieces { more: "(table 1000000000 funcref)".to_owned(), ..Pieces::default() },
            "table",
        ),
    ];
    for (name, pieces, says) in refused {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let component = dir.path().join("hostile.wasm");
        fs::write(&component, wat::component(&pieces)).expect("a new file");
        let config = Config::serving(Plugin::named("hostile", &component));
        fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
        let outcome = sandloop(dir.path(), &["check"]);
        assert_eq!(outcome.code, Some(3), "{name}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{name}: {}", outcome.stderr);
    }
    assert!(workspace().join("wit").is_dir());
}
