//! Ticks: in order, and never before the turn they belong to.

use sandloop_tests::{Config, Host, Isolation, Plugin, alone, once_undisturbed};

#[test]
fn ticks_run_in_order() {
    let expected =
        ["start", "first", "second", "timer of a tick", "tick of a tick", "stop", "after stop"];
    // A tick that the machine holds up past its slice goes on after the timers of the next turn.
    prints_in_order("ticks_order", &expected);
}

/// A program prints these lines and stops, with one reactor and with two; what the machine may disturb counts once it
/// was not disturbed.
#[track_caller]
pub fn prints_in_order(guest: &str, expected: &[&str]) {
    let _alone = alone();
    // A program without a listener is on one of them.
    for reactors in ["1", "2"] {
        once_undisturbed(|| {
            let plugin = Plugin::new(guest).isolation(Isolation::Plugin).prints().may_stop();
            let config =
                Config::new().host("slice", "\"100ms\"").host("reactors", reactors).plugin(plugin);
            let outcome = Host::start(&config).wait_exit();
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            let printed: Vec<&str> = outcome.stdout.lines().collect();
            if printed == expected { Ok(()) } else { Err(format!("{printed:?}")) }
        });
    }
}
