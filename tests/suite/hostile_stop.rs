//! A stop while guests try everything, with no bound that ends their handlers: the host has ended at its `stop_deadline`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_tests::hostile::attacks::{self, Attack};
use sandloop_tests::hostile::drive::{attack_until_refused, attacked_host_of};
use sandloop_tests::{Config, PATIENCE};

/// Hosts that are attacked side by side.
const HOSTS: usize = 4;
/// Attackers of each at once.
const ATTACKERS: u32 = 2;
/// The longest stop. On a busy machine its end may be late, and no attack ends by itself within the patience of a test;
/// `all_steps_together_have_the_deadline` checks the steps of the stop exactly, with a clock that stands still.
const DEADLINE: Duration = Duration::from_secs(1);
/// Stops under one attack before the host counts as one that hangs: on a busy machine its last steps may take longer than they
/// are waited for, and it says so.
const STOPS_MAX: u32 = 3;
const CUT: &str = "still running at the end of the stop: leaving at once";

#[test]
fn a_stop_under_each_attack_is_over_at_its_deadline() {
    let left = Mutex::new(attacks::all());
    thread::scope(|scope| {
        for _ in 0..HOSTS {
            scope.spawn(|| {
                loop {
                    let Some(attack) = left.lock().expect("nobody has panicked").pop() else {
                        break;
                    };
                    let attack = attack.without_deadlines();
                    let is_whole = (0..STOPS_MAX).any(|_| stop_under(&attack));
                    assert!(is_whole, "{}: cut off {STOPS_MAX} times", attack.name);
                }
            });
        }
    });
}

/// Stops a host under an attack; whether it has come to its end by itself.
fn stop_under(attack: &Attack) -> bool {
    let deadline = format!("\"{}s\"", DEADLINE.as_secs());
    let host = attacked_host_of(attack, Config::new().host("stop_deadline", deadline));
    let mut echo = host.connect("echo");
    let address = host.address("hostile");
    let times = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| attack_until_refused(&address, attack.peers, &times));
        }
        let begun = Instant::now();
        while times.load(Ordering::Relaxed) < ATTACKERS {
            echo.expect_echo("beside");
            assert!(begun.elapsed() < PATIENCE, "{}: nobody has attacked", attack.name);
        }
        let begun = Instant::now();
        host.signal(Signal::TERM);
        let outcome = host.wait_exit();
        let took = begun.elapsed();
        let is_cut = outcome.code == Some(1) && outcome.stderr.contains(CUT);
        assert!(outcome.code == Some(0) || is_cut, "{}: {outcome:?}", attack.name);
        println!("{:<50} {took:?}{}", attack.name, if is_cut { ", cut off" } else { "" });
        !is_cut
    })
}
