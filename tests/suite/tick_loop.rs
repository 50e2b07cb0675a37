//! Tick loops: one call in a turn, and sockets have their turns.

use std::time::Instant;

use sandloop_tests::{Config, Host, Isolation, PATIENCE, Peer, Plugin};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

fn turns(peer: &mut Peer) -> u64 {
    ask(peer, "turns").parse().expect("a number")
}

/// Requests the number of turns until it is at least `least`, and gets an answer each time; returns the number.
#[track_caller]
fn wait_turns(peer: &mut Peer, least: u64) -> u64 {
    let begun = Instant::now();
    loop {
        let had = turns(peer);
        if least <= had {
            return had;
        }
        assert!(begun.elapsed() < PATIENCE, "{had} turns, and not {least}");
    }
}

each_isolation!(a_tick_loop_leaves_the_others_their_turns);
fn a_tick_loop_leaves_the_others_their_turns(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = Host::start(
            &Config::serving(Plugin::new("tick_loop_turns").isolation(isolation))
                .host("reactors", reactors),
        );
        let (mut one, mut two) = (host.connect("tick_loop_turns"), host.connect("tick_loop_turns"));
        assert_eq!(ask(&mut one, "start"), "started");
        for number in 0..20 {
            assert_eq!(ask(&mut two, &format!("echo {number}")), format!("echo {number}"));
        }
        // It continued beside the echoes, and continues. Not in each turn: on a busy machine a tick outlives its slice, or is
        // on a reactor that waits for a processor meanwhile.
        let first = wait_turns(&mut one, 20);
        let second = wait_turns(&mut one, first + 1);
        assert_eq!(ask(&mut one, "stop"), "stopped");
        let third = turns(&mut one);
        assert!(second <= third && turns(&mut one) == third, "it has stopped");
        host.stop();
    }
}
