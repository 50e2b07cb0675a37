//! Tick loops: one call a turn, and sockets have theirs.

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
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
        let turns = |peer: &mut Peer| ask(peer, "turns").parse::<u64>().expect("a number");
        let (first, second) = (turns(&mut one), turns(&mut one));
        assert!(20 <= first && first < second, "{first}, {second}");
        assert_eq!(ask(&mut one, "stop"), "stopped");
        let third = turns(&mut one);
        assert!(second <= third && turns(&mut one) == third, "it has stopped");
        host.stop();
    }
}
