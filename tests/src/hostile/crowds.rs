//! Many of one tenant at once: each has as much as it may, and all of it falls to the host in one moment.

use super::attacks::{Attack, Peers};

/// Peers of one crowd. Two crowds fit into the connections of an attack.
const CROWD: usize = 30;
/// Crowds whose guests send as much as a connection may hold.
const READERS: usize = 8;

/// Everybody asks for as much as there is of this, and leaves at the same time.
fn leaving(what: &'static str, name: &str) -> Attack {
    let attack = Attack::built("hostile_flood", name).option("what", what);
    attack.limit("cpu_per_event", "\"1s\"").by(Peers::LeaveTogether(CROWD))
}

/// Not more timers than this: the heap keeps what all of them have had at once.
fn with_timers(attack: Attack) -> Attack {
    attack.limit("timers", "2000").told("limit=\"timers\"")
}

/// All of them.
pub fn all() -> Vec<Attack> {
    vec![
        leaving("pops", "crowd of waiting pops").told("limit=\"pops\""),
        leaving("subscriptions", "crowd of subscribers").told("limit=\"subscriptions\""),
        leaving("publishes", "crowd with a full channel").told("limit=\"channel\""),
        with_timers(leaving("timers", "crowd of timers")),
        with_timers(leaving("due timers", "crowd of timers that are due together")),
        leaving("sends", "crowd of full outboxes")
            .limit("outbox_max", "\"8MiB\"")
            .told("limit=\"outbox_max\"")
            .by(Peers::ReadTogether(READERS)),
        Attack::built("hostile_calls", "crowd of connects to a closed port")
            .option("attack", "closed-port")
            .with_closed_port()
            .by(Peers::LeaveTogether(CROWD)),
    ]
}
