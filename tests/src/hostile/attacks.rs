//! The attacks: the guest, its bounds, the behaviour of its peers, and the expected log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Config, Isolation, Listen, Plugin, Server, StubServer, component};

use super::drive::idle_server;
use super::wat::{self, Pieces};
use super::{crowds, long_calls};

/// One attack.
#[derive(Clone, Debug)]
pub struct Attack {
    /// Its name.
    pub name: String,
    guest: Guest,
    isolation: Isolation,
    limits: Vec<(&'static str, &'static str)>,
    /// Bounds of its tenant.
    tenant: Vec<(&'static str, &'static str)>,
    /// Options of the listener, and of the plugin.
    options: Vec<(&'static str, &'static str)>,
    /// The behaviour of its peers.
    pub peers: Peers,
    /// An expected text in the log.
    pub told: Option<&'static str>,
    /// The target that its guests may connect to.
    target: Option<Target>,
}

#[derive(Clone, Debug)]
enum Guest {
    Built(&'static str),
    ByHand(Pieces),
    Printing(Pieces),
}

/// The target that guests may connect to, in the option `target`.
#[derive(Clone, Debug)]
enum Target {
    Idle(Arc<StubServer>),
    Refusing(Arc<Server>),
}

impl Target {
    fn address(&self) -> &str {
        match self {
            Target::Idle(server) => server.address(),
            Target::Refusing(server) => server.address(),
        }
    }
}

/// The behaviour of an attack's peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Send something and wait for an answer or the end, for a limited time.
    Ask,
    /// Send something and never read.
    NeverRead,
    /// This number at once: they send, and when all have their answers they leave together.
    LeaveTogether(usize),
    /// This number at once: they send, and when all have got something they begin to read together.
    ReadTogether(usize),
}

impl Attack {
    pub(super) fn built(guest: &'static str, name: &str) -> Attack {
        Attack {
            name: name.to_owned(),
            guest: Guest::Built(guest),
            isolation: Isolation::Connection,
            // No more at once: the pool keeps pages of the largest number of sandboxes so far.
            limits: vec![
                ("connections", "64"),
                ("cpu_per_event", "\"50ms\""),
                ("traps", "1000000"),
            ],
            tenant: Vec::new(),
            options: Vec::new(),
            peers: Peers::Ask,
            told: None,
            target: None,
        }
    }

    /// Its guests may connect to a server that accepts and never reads.
    fn with_server(mut self) -> Attack {
        self.target = Some(Target::Idle(Arc::new(idle_server())));
        self
    }

    /// Its guests may connect to a port without a listener.
    pub(super) fn with_closed_port(mut self) -> Attack {
        self.target = Some(Target::Refusing(Arc::new(Server::refusing())));
        self
    }

    pub(super) fn by_hand(name: &str, pieces: Pieces) -> Attack {
        Attack { guest: Guest::ByHand(pieces), ..Attack::built("", name) }
    }

    /// Written by hand, with `$stdout` and `$write`.
    pub(super) fn printing(name: &str, pieces: Pieces) -> Attack {
        Attack { guest: Guest::Printing(pieces), ..Attack::built("", name) }
    }

    pub(super) fn by(mut self, peers: Peers) -> Attack {
        self.peers = peers;
        self
    }

    pub(super) fn option(mut self, key: &'static str, value: &'static str) -> Attack {
        self.options.push((key, value));
        self
    }

    pub(super) fn limit(mut self, key: &'static str, value: &'static str) -> Attack {
        self.limits.retain(|(known, _)| *known != key);
        self.limits.push((key, value));
        self
    }

    /// Only the end of their instances ends its handlers and its jobs.
    #[must_use]
    pub fn without_deadlines(self) -> Attack {
        let keys = ["cpu_per_event", "event_deadline", "cpu_per_operation", "operation_deadline"];
        keys.into_iter().fold(self, |attack, key| attack.limit(key, "\"1h\""))
    }

    /// Its outbox is full and then drained, however fast its peers read: above this rate in a second, sent bytes wait.
    fn drains(mut self) -> Attack {
        self.tenant.push(("write_per_second", "\"4MiB\""));
        self.limit("outbox_max", "65536")
    }

    pub(super) fn told(mut self, told: &'static str) -> Attack {
        self.told = Some(told);
        self
    }

    /// The plugin under this name; a component that is generated goes into `dir`.
    pub fn plugin(&self, name: &str, dir: &Path) -> Plugin {
        let path: PathBuf = match &self.guest {
            Guest::Built(guest) => component(guest),
            Guest::ByHand(pieces) => self.write(dir, &wat::component(pieces)),
            Guest::Printing(pieces) => self.write(dir, &wat::component_with_stdout(pieces)),
        };
        let mut plugin = Plugin::named(name, &path).isolation(self.isolation);
        for (key, value) in &self.limits {
            plugin = plugin.limit(key, *value);
        }
        for (key, value) in &self.options {
            plugin = plugin.option(key, value);
        }
        match &self.target {
            Some(target) => plugin.may_connect(&[target.address()]),
            None => plugin,
        }
    }

    fn write(&self, dir: &Path, component: &[u8]) -> PathBuf {
        let path = dir.join(format!("{}.wasm", self.name));
        fs::write(&path, component).expect("a new file");
        path
    }

    /// The bounds of its tenant, which has the plugin's name.
    pub fn tenant(&self, config: Config, name: &str) -> Config {
        self.tenant.iter().fold(config, |config, (key, value)| config.tenant(name, key, *value))
    }

    /// Its listener.
    pub fn listen(&self, name: &str) -> Listen {
        let options = self.options.iter();
        let listen =
            options.fold(Listen::tcp(name), |listen, (key, value)| listen.option(key, value));
        match &self.target {
            Some(target) => listen.option("target", &format!("tcp://{}", target.address())),
            None => listen,
        }
    }
}

const CALLBACKS: &[&str] = &[
    "constructor",
    "post_init",
    "receive_data",
    "drained",
    "unbind",
    "connection_completed",
    "timer",
    "tick",
    "message",
    "popped",
    "completed",
    "exited",
    "spawned",
    "notified",
];

/// A guest that misbehaves in one of its callbacks.
fn in_callback(guest: &'static str, name: &str, callback: &'static str) -> Attack {
    let attack = Attack::built(guest, name).option("callback", callback);
    match callback {
        "drained" => attack.drains(),
        "connection_completed" => attack.with_server(),
        // A process ends with the connection that has spawned it, so its peer must not leave before it is noticed.
        "spawned" | "notified" => attack.limit("cpu_per_event", "\"5ms\""),
        _ => attack,
    }
}

/// The expected log: it is not certain otherwise that the guest was in `drained`.
fn told(callback: &str, else_: &'static str) -> &'static str {
    if callback == "drained" { "event=\"drained\"" } else { else_ }
}

/// Endless loops: in every callback, in `start`, in an operation, in the allocator, in the destructor.
pub fn loops() -> Vec<Attack> {
    let mut all: Vec<Attack> = CALLBACKS
        .iter()
        .map(|callback| {
            let attack = in_callback("hostile_loop", &format!("loop in {callback}"), callback);
            attack.told(told(callback, "limit=\"cpu_per_event\""))
        })
        .collect();
    let mut start = Attack::built("hostile_start", "loop in start").option("attack", "loop");
    start.isolation = Isolation::Plugin;
    all.push(start.told("event=\"start\""));
    let operation = Attack::built("hostile_flood", "loop in operations").option("what", "defers");
    all.push(operation.limit("cpu_per_operation", "\"20ms\"").told("limit=\"deferred\""));
    let endless = "(loop (br 0)) (i32.const 0)";
    let pieces = Pieces { realloc: endless, ..Pieces::default() };
    all.push(Attack::by_hand("loop in the allocator", pieces).told("limit=\"cpu_per_event\""));
    let pieces = Pieces { destructor: "(loop (br 0))", ..Pieces::default() };
    all.push(Attack::by_hand("loop in the destructor", pieces).told("limit=\"cpu_per_event\""));
    let sleep = Attack::built("hostile_sleep", "sleep for ever");
    all.push(sleep.limit("event_deadline", "\"100ms\"").told("limit=\"event_deadline\""));
    all
}

/// Traps, in the same places.
pub fn traps() -> Vec<Attack> {
    let mut all: Vec<Attack> = CALLBACKS
        .iter()
        .map(|callback| {
            let attack = in_callback("hostile_trap", &format!("trap in {callback}"), callback);
            attack.told(told(callback, "trapped"))
        })
        .collect();
    let mut start = Attack::built("hostile_start", "trap in start").option("attack", "trap");
    start.isolation = Isolation::Plugin;
    all.push(start.told("event=\"start\""));
    for (name, pieces) in [
        ("trap in the allocator", Pieces { realloc: "(unreachable)", ..Pieces::default() }),
        ("trap in the destructor", Pieces { destructor: "(unreachable)", ..Pieces::default() }),
        (
            "an allocator that answers nonsense",
            Pieces { realloc: "(i32.const -5)", ..Pieces::default() },
        ),
        (
            "bytes from outside its memory",
            Pieces {
                receive_data: "(call $send (global.get $socket) (i32.const -100) (i32.const 90) (i32.const 0))",
                ..Pieces::default()
            },
        ),
        (
            "a forged handle",
            Pieces { receive_data: "(call $close (i32.const 12345))", ..Pieces::default() },
        ),
        (
            "a handle dropped twice",
            Pieces {
                receive_data: "(call $drop (global.get $socket)) (call $drop (global.get $socket))",
                ..Pieces::default()
            },
        ),
        (
            "a handle used after it was dropped",
            Pieces {
                receive_data: "(call $drop (global.get $socket)) (call $close (global.get $socket))",
                ..Pieces::default()
            },
        ),
        (
            "text that is no text",
            Pieces {
                receive_data: "(i32.store (i32.const 0) (i32.const -1)) \
                               (call $log (i32.const 0) (i32.const 0) (i32.const 4))",
                ..Pieces::default()
            },
        ),
        (
            "a level that there is not",
            Pieces {
                receive_data: "(call $log (i32.const 77) (i32.const 0) (i32.const 0))",
                ..Pieces::default()
            },
        ),
    ] {
        all.push(Attack::by_hand(name, pieces).told("trapped"));
    }
    all
}

/// Memory, tables, stack, code: all that there is, and more.
pub fn bombs() -> Vec<Attack> {
    let mut start = Attack::built("hostile_start", "memory in start").option("attack", "memory");
    start.isolation = Isolation::Plugin;
    let table = "(table $t 1 funcref)";
    vec![
        Attack::built("hostile_memory", "memory").told("limit=\"memory\""),
        Attack::built("hostile_recursion", "stack").told("limit=\"stack\""),
        start.told("limit=\"memory\""),
        Attack::by_hand(
            "memory.grow until it fails",
            Pieces {
                receive_data: "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))",
                ..Pieces::default()
            },
        )
        .told("limit=\"memory\""),
        Attack::by_hand(
            "table.grow until it fails",
            Pieces {
                more: table.to_owned(),
                receive_data: "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1))))",
                ..Pieces::default()
            },
        )
        .told("limit=\"tables\""),
        Attack::by_hand(
            "a list longer than a call may bring",
            Pieces {
                receive_data: "(call $log (i32.const 0) (i32.const 0) (i32.const 1000000))",
                ..Pieces::default()
            },
        )
        .limit("call_bytes", "\"64KiB\"")
        .told("limit=\"call_bytes\""),
        Attack::by_hand(
            "ten thousand functions",
            Pieces { more: wat::ten_thousand_functions(), ..Pieces::default() },
        ),
        Attack::by_hand(
            "ten megabytes of data",
            Pieces {
                more: format!("(data (i32.const 131072) \"{}\")", "x".repeat(10 << 20)),
                pages: "200",
                ..Pieces::default()
            },
        ),
    ]
}

/// Floods of one thing, as much as the host grants, repeatedly.
pub fn floods() -> Vec<Attack> {
    let flood = |what: &'static str, told| {
        let attack = Attack::built("hostile_flood", &format!("flood of {what}"));
        attack.option("what", what).limit("cpu_per_operation", "\"20ms\"").told(told)
    };
    // Thousands of calls until the outbox is full: the handler must not end before.
    let mut sends = flood("sends", "limit=\"outbox_max\"").limit("cpu_per_event", "\"1s\"");
    sends.peers = Peers::NeverRead;
    // The host's work for a line is the guest's CPU time, which ends before the lines of a second are used up.
    let mut logs = flood("logs", "were left out");
    logs.tenant.push(("log_per_second", "\"4KiB\""));
    vec![
        flood("timers", "limit=\"timers\""),
        flood("ticks", "limit=\"ticks\""),
        flood("spawns", "limit=\"processes\""),
        flood("notifies", "limit=\"mailbox\""),
        flood("subscriptions", "limit=\"subscriptions\""),
        flood("channels", "at a limit"),
        flood("publishes", "limit=\"channel\""),
        flood("pops", "limit=\"pops\""),
        flood("pushes", "limit=\"queue\""),
        flood("connects", "call=\"sockets.connect\""),
        logs,
        sends,
    ]
}

/// Invalid calls.
pub fn calls() -> Vec<Attack> {
    let call = |attack: &'static str| {
        Attack::built("hostile_calls", &format!("calls: {attack}")).option("attack", attack)
    };
    let denied = |attack| call(attack).told("denied");
    let mut much = call("send-much").told("limit=\"outbox_max\"");
    much.peers = Peers::NeverRead;
    // One instance for all: what it holds of others counts for it.
    let shared = |name: &'static str| {
        let attack = name.split(' ').next().unwrap_or(name);
        let mut shared = Attack::built("hostile_calls", &format!("calls: {name}"));
        shared.isolation = Isolation::Plugin;
        shared.option("attack", attack)
    };
    vec![
        shared("close-others"),
        call("stale-handles"),
        shared("stale-handles of all"),
        call("use-after-unbind"),
        shared("use-after-unbind of one among many"),
        call("forged-ids"),
        call("set-and-cancel").told("limit=\"cpu_per_event\""),
        call("kill-nobody").told("limit=\"cpu_per_event\""),
        call("slow-server").with_server().limit("outgoing", "8").told("limit=\"outbox_max\""),
        call("double-close"),
        call("pause-resume"),
        denied("stop"),
        denied("names"),
        denied("other-plugins"),
        denied("inside"),
        denied("own-listener"),
        call("huge-message").told("limit=\"message\""),
        call("huge-line"),
        call("escapes").told("\\u{1b}[2J"),
        call("tick-storm").limit("ticks", "1000"),
        call("timer-storm"),
        call("defer-storm"),
        call("push-to-itself"),
        call("queue-to-itself"),
        call("slow-sleep").limit("event_deadline", "\"100ms\"").told("limit=\"event_deadline\""),
        much,
    ]
}

/// Every attack.
pub fn all() -> Vec<Attack> {
    [loops(), traps(), bombs(), floods(), calls(), long_calls::all(), crowds::all()].concat()
}
