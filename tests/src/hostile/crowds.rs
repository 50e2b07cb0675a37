//! Many peers of one tenant at once: each holds as much as it may, and the host has to release all of it in one moment.

use super::attacks::{Attack, Peers};

/// The peers of one crowd. Two crowds fit into the connections of an attack.
const CROWD: usize = 30;
/// Crowds whose guests send as much as a connection may hold.
const READERS: usize = 8;

/// All peers request as much as possible of this, and leave at the same time.
fn leaving(what: &'static str, name: &str) -> Attack {
    let attack = Attack::built("hostile_flood", name).option("what", what);
    attack.limit("cpu_per_event", "\"1s\"").by(Peers::LeaveTogether(CROWD))
}

/// No more timers: the heap keeps the capacity for the largest number at once.
fn with_timers(attack: Attack) -> Attack {
    attack.limit("timers", "2000").told("limit=\"timers\"")
}

/// All attacks of crowds.
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
