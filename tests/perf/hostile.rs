//! An echo on a host that is attacked, beside one on a host that is not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sandloop_tests::hostile::attacks::{self, Attack};
use sandloop_tests::hostile::drive::{attack, attacked_host};
use sandloop_tests::hostile::pairs::{self, HostResource, PeerBehaviour};
use sandloop_tests::{Config, Host, Listen, Plugin};

use crate::control::{P99, Pair, beside_control, told};
use crate::finding::Finding;

/// Echoes of a round, and how long it is, at least: an attack comes several times meanwhile.
const ECHOES: usize = 400;
const ROUND: Duration = Duration::from_millis(100);
/// Attackers at once.
const ATTACKERS: usize = 2;

/// Beside every attack, the 99th percentile is at most twice that of the control, or two slices.
pub fn a_neighbour_keeps_its_latency(rounds: usize) -> Vec<Finding> {
    attacks::all().iter().map(|attack| beside(attack, rounds)).collect()
}

/// Beside a guest that is in a function of the host's with the largest that it takes, again and again: whatever lock is held in
/// there, the loop does not wait for the guest.
pub fn no_function_holds_the_loop(rounds: usize) -> Vec<Finding> {
    let (host, control) = (host_of_pairs(), host_of_pairs());
    let mut pair = Pair::connect(&host, &control);
    let subjects = pairs::subjects().into_iter();
    subjects.map(|function| beside_function(&host, &mut pair, function, rounds)).collect()
}

fn host_of_pairs() -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let config = pairs::attacked(config, "hostile", dir.path());
    Host::start_in(dir, &config)
}

fn beside_function(host: &Host, echo: &mut Pair, function: String, rounds: usize) -> Finding {
    let pair = pairs::Pair { function, resource: HostResource::Memory, peer: PeerBehaviour::Waits };
    let address = host.address("hostile");
    let attack = |stop: &AtomicBool| {
        let mut times = 0;
        while !stop.load(Ordering::Relaxed) {
            pairs::attack(&address, &pair, ROUND);
            times += 1;
        }
        times
    };
    let (found, times) = while_attacked(echo, rounds, attack);
    finding(&pair.name(), &found, times)
}

fn beside(one: &Attack, rounds: usize) -> Finding {
    let (host, control) = (attacked_host(one), attacked_host(one));
    let mut pair = Pair::connect(&host, &control);
    let address = host.address("hostile");
    let (found, times) =
        while_attacked(&mut pair, rounds, |stop| attack(&address, one.peers, stop));
    finding(&one.name, &found, times)
}

/// The rounds, and how often the attackers came meanwhile.
fn while_attacked(
    pair: &mut Pair,
    rounds: usize,
    attack: impl Fn(&AtomicBool) -> u32 + Sync,
) -> (Vec<P99>, u32) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS).map(|_| scope.spawn(|| attack(&stop))).collect();
        let mut round = || {
            let begun = Instant::now();
            pair.while_(|done| done < ECHOES || begun.elapsed() < ROUND)
        };
        let found = (0..rounds).map(|_| round()).collect();
        stop.store(true, Ordering::Relaxed);
        (found, attackers.into_iter().map(|it| it.join().unwrap_or_default()).sum())
    })
}

fn finding(name: &str, found: &[P99], times: u32) -> Finding {
    assert!(0 < times, "{name}: nobody has attacked");
    beside_control(name, found).note(format!("{}, {times} attacks", told(found)))
}
