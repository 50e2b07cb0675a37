//! Timers: their order.

use sandloop_tests::{Config, Host, Isolation, Plugin, alone, once_undisturbed};

#[test]
fn timers_fire_in_order() {
    let expected = [
        "a10",
        "b20",
        "tie 1",
        "tie 2",
        "tie 3",
        "late 10",
        "late 20",
        "nested 0",
        "cancels",
        "periodic 1",
        "periodic 2",
        "periodic 3",
        "end",
    ];
    let _alone = alone();
    // A program without a listener is on one of them.
    for reactors in ["1", "2"] {
        // Where the machine stands still for 100 ms, parts of the program that follow each other overlap.
        once_undisturbed(|| {
            let plugin =
                Plugin::new("timers_order").isolation(Isolation::Plugin).prints().may_stop();
            let config =
                Config::new().host("slice", "\"100ms\"").host("reactors", reactors).plugin(plugin);
            let outcome = Host::start(&config).wait_exit();
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            let printed: Vec<&str> = outcome.stdout.lines().collect();
            if printed == expected { Ok(()) } else { Err(format!("{printed:?}")) }
        });
    }
}
