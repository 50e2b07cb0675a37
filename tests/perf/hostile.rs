//! An echo on a host that is attacked, beside one on a host that is not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sandloop_tests::hostile::attacks::{self, Attack};
use sandloop_tests::hostile::drive::{attack, attacked_host};

use crate::control::{P99, Pair, told};
use crate::finding::Finding;

/// Echoes of a round, and how long it is, at least: an attack comes several times meanwhile.
const ECHOES: usize = 400;
const ROUND: Duration = Duration::from_millis(100);
/// Two slices: a neighbour that has to wait for a hostile handler waits for slices of it.
const SLICES: Duration = Duration::from_millis(2);
/// Attackers at once.
const ATTACKERS: usize = 2;

/// Beside every attack, the 99th percentile is at most twice that of the control, or two slices.
pub fn a_neighbour_keeps_its_latency(rounds: usize) -> Vec<Finding> {
    attacks::all().iter().map(|attack| beside(attack, rounds)).collect()
}

fn beside(one: &Attack, rounds: usize) -> Finding {
    let (host, control) = (attacked_host(one), attacked_host(one));
    let mut pair = Pair::connect(&host, &control);
    let (address, stop) = (host.address("hostile"), AtomicBool::new(false));
    let (found, times) = thread::scope(|scope| {
        let attackers: Vec<_> =
            (0..ATTACKERS).map(|_| scope.spawn(|| attack(&address, one.peers, &stop))).collect();
        let mut round = || {
            let begun = Instant::now();
            pair.while_(|done| done < ECHOES || begun.elapsed() < ROUND)
        };
        let found: Vec<P99> = (0..rounds).map(|_| round()).collect();
        stop.store(true, Ordering::Relaxed);
        let times: u32 = attackers.into_iter().map(|it| it.join().unwrap_or_default()).sum();
        (found, times)
    });
    assert!(0 < times, "{}: nobody has attacked", one.name);
    let of_allowed = |round: &P99| {
        let allowed = (round.control * 2).max(SLICES);
        round.measured.as_secs_f64() / allowed.as_secs_f64()
    };
    let values: Vec<f64> = found.iter().map(of_allowed).collect();
    let note = format!("{}, {times} attacks", told(&found));
    Finding::new(&one.name, &values, 1.0, "of twice the control or 2 ms").note(note)
}
