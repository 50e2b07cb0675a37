//! Programs: plugins without a listener, which print and stop by themselves.

use crate::{Config, Host, Isolation, Plugin};

/// The lines that a program prints until it stops. Its slice is the longest possible, so that the load of the machine has
/// little effect on their order.
///
/// # Panics
/// It does not stop, or not in an orderly way.
#[track_caller]
pub fn printed_by(guest: &str, reactors: &str) -> Vec<String> {
    let plugin = Plugin::new(guest).isolation(Isolation::Plugin).prints().may_stop();
    let config = Config::new().host("slice", "\"100ms\"").host("reactors", reactors).plugin(plugin);
    let outcome = Host::start(&config).wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout.lines().map(str::to_owned).collect()
}
