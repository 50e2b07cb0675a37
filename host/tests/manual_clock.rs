//! A whole reactor on a clock of its own: deadlines are met by moving a hand, never by waiting.
//!
//! The guests are the components that `cargo xtask plugins` makes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use sandloop_host::carrier::Carrier;
use sandloop_host::clock::{Clock, Hand};
use sandloop_host::config::address::ListenAddress;
use sandloop_host::config::model::Config;
use sandloop_host::net::listener;
use sandloop_host::run::prepare::{HostThreads, Prepared};

/// More turns than any test needs for what does not depend on the clock.
const TURNS_MAX: usize = 100_000;
/// Turns after which everything that is due has happened.
const TURNS_TO_SETTLE: usize = 200;

/// A reactor whose time stands still, and everything that has to outlive it.
struct Loop {
    carrier: Carrier,
    hand: Hand,
    address: Option<ListenAddress>,
    /// Whether the last turn said that there are more.
    runs: bool,
    _threads: HostThreads,
}

impl Loop {
    /// Serves the component `name` with these keys in its section, and a listener with these if any.
    fn new(name: &str, keys: &str, listen: Option<&str>) -> Loop {
        let component = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../target/plugins/{name}.wasm"))
            .canonicalize()
            .unwrap_or_else(|error| panic!("{name}.wasm: {error}; run `cargo xtask plugins`"));
        let listen = listen.map_or(String::new(), |keys| {
            format!("[[listen]]\naddress = \"tcp://127.0.0.1:0\"\nplugin = \"p\"\n{keys}")
        });
        // Nothing here is so slow that it should leave the reactor, however busy the machine is.
        let host = "[host]\nslice = \"100ms\"";
        let text = format!("{host}\n[plugins.p]\ncomponent = {component:?}\n{keys}\n{listen}");
        let config = Config::parse(Path::new("plugins.toml"), &text).unwrap();
        let (clock, hand) = Clock::manual();
        let Prepared { mut reactors, threads, .. } = Prepared::new(&config, &clock).unwrap();
        let mut reactor = reactors.remove(0);
        let mut address = None;
        for place in 0..config.listeners.len() {
            let bound = listener::bind(&config, place, 0).unwrap();
            for listener in bound.listen(&config, place).unwrap() {
                address = Some(listener.endpoint.address.clone());
                reactor.listen(listener).unwrap();
            }
        }
        Loop { carrier: Carrier::new(reactor), hand, address, runs: true, _threads: threads }
    }

    fn connect(&self) -> TcpStream {
        let Some(ListenAddress::Tcp(address)) = &self.address else { panic!("no listener") };
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    fn turn(&mut self) {
        self.runs = self.runs && self.carrier.turn().unwrap();
    }

    /// Turns until `done`, with the clock standing still; false when it never was.
    fn turn_until(&mut self, mut done: impl FnMut(&Loop) -> bool) -> bool {
        for _ in 0..TURNS_MAX {
            if done(self) {
                return true;
            }
            self.turn();
        }
        false
    }

    /// Moves the clock and does everything that is due.
    fn advance(&mut self, milliseconds: u64) {
        self.hand.advance(Duration::from_millis(milliseconds));
        for _ in 0..TURNS_TO_SETTLE {
            self.turn();
        }
    }
}

/// What one read of a non-blocking peer says.
fn read(peer: &mut TcpStream) -> Option<usize> {
    peer.read(&mut [0; 1 << 16]).ok()
}

#[test]
fn a_program_lives_by_the_clock_alone() {
    // add_periodic_timer(1) and add_timer(5) { stop }: the deck's slide.
    let mut the_loop =
        Loop::new("timers", "isolation = \"plugin\"\n[plugins.p.allow]\nstop = true", None);
    the_loop.advance(0);
    the_loop.advance(4000);
    the_loop.advance(999);
    assert!(the_loop.runs, "never early");
    the_loop.advance(1);
    assert!(!the_loop.runs, "BOOM");
}

#[test]
fn inactivity_is_met_to_the_millisecond() {
    let mut the_loop = Loop::new("inactivity", "", Some("options = { timeout = 1000 }"));
    let mut peer = the_loop.connect();
    the_loop.advance(0);
    the_loop.advance(600);
    // Activity at 0.6 T: the end is at 1.6 T, where EventMachine's is at 2 T.
    peer.write_all(b"x").unwrap();
    assert!(the_loop.turn_until(|_| read(&mut peer) == Some(1)));
    the_loop.advance(999);
    assert_ne!(read(&mut peer), Some(0), "not yet");
    the_loop.advance(1);
    assert!(the_loop.turn_until(|_| read(&mut peer) == Some(0)));
}

#[test]
fn a_close_after_writing_waits_for_its_deadline_only() {
    let mut the_loop = Loop::new("close_variants", "", Some(""));
    let mut peer = the_loop.connect();
    // Far more than the sockets hold, and nobody reads it.
    peer.write_all(b"close-after-writing 12000000\n").unwrap();
    the_loop.advance(0);
    // The default close deadline is 30 s. The peer reads a little, so the connection is still there.
    the_loop.advance(29_999);
    let mut received = read(&mut peer).unwrap();
    the_loop.advance(1);
    assert!(the_loop.turn_until(|_| {
        let count = read(&mut peer);
        received += count.unwrap_or(0);
        count == Some(0)
    }));
    assert!(received < 12_000_000, "what was left at the deadline is not sent");
}

/// Runs the program of a scenario (tests/differential/README.md) that ends with `stop`.
fn scripted(script: &str) -> Loop {
    let script = script.replace('\n', "\\n");
    let keys = format!(
        "isolation = \"plugin\"\n[plugins.p.options]\nscript = \"{script}\"\n\
         [plugins.p.allow]\nstop = true"
    );
    let mut the_loop = Loop::new("differential", &keys, None);
    the_loop.advance(0);
    the_loop
}

#[test]
fn the_timeout_of_a_deferrable_is_met_to_the_millisecond() {
    let mut the_loop = scripted(
        "start:\n deferrable D\n errback D late\n timeout D 5000 x\n timer 4000 more\n\
         more:\n timeout D 5000 x\nlate:\n stop",
    );
    the_loop.advance(4000);
    // The second timeout replaced the first.
    the_loop.advance(4999);
    assert!(the_loop.runs, "never early");
    the_loop.advance(1);
    assert!(!the_loop.runs);
}

#[test]
fn ties_fire_in_the_order_they_were_made() {
    let script = |first: &str, second: &str| {
        format!(
            "start:\n deferrable D\n callback D good\n timer 20 {first}\n timer 20 {second}\n\
             well:\n succeed D x\nill:\n fail D x\ngood:\n stop"
        )
    };
    let mut in_order = scripted(&script("well", "ill"));
    in_order.advance(20);
    assert!(!in_order.runs, "the first of two that are due together came first");
    let mut other = scripted(&script("ill", "well"));
    other.advance(20);
    assert!(other.runs);
}

#[test]
fn ticks_notices_and_messages_take_no_time() {
    // A tick, a notification, a message, an item: each leads to the next while the clock stands still.
    let the_loop = scripted(
        "start:\n tick first\nfirst:\n spawn P told\n notify P x\n\
         told:\n subscribe C S heard\n publish C x\nheard:\n pop Q got\n push Q x\ngot:\n stop",
    );
    assert!(!the_loop.runs);
}

#[test]
fn a_cancelled_timer_never_fires() {
    let mut the_loop =
        scripted("start:\n timer 10 never T\n timer 20 end\n cancel T\nnever:\n stop\nend:\n stop");
    the_loop.advance(19);
    assert!(the_loop.runs, "the cancelled one was due at 10");
    the_loop.advance(1);
    assert!(!the_loop.runs);
}

#[test]
fn a_tick_loop_sleeps_for_nobody_and_ends() {
    let the_loop = scripted("start:\n tick_loop L turn 50\n on_stop L end\nturn:\nend:\n stop");
    assert!(!the_loop.runs, "fifty turns without a clock");
}

/// What may pile up for a turn, how it is made to (an option of the guest `hostile_flood`), and what makes it due.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// It is at once.
    Now,
    /// When the clock has moved by an hour.
    InAnHour,
    /// When the connection has ended that asked for it: all of it is given back.
    AtTheEnd,
}

/// Each phase leaves for the next turn what is over its bound, whatever a guest has piled up for it.
#[test]
fn no_turn_does_all_that_has_piled_up() {
    // The contract's names of what a plugin may have many of, and the tenant's part of it.
    let limits = "isolation = \"plugin\"\n[plugins.p.limits]\ntimers = 100000\nticks = 100000\nsubscriptions = 100000\n\
                  pops = 100000\ncpu_per_event = \"60s\"\nevent_deadline = \"60s\"\n\
                  call_bytes = \"1GiB\"\nmemory = \"1GiB\"\nmailbox = \"64MiB\"\n[plugins.p.allow]\nspawn = [\"p\"]\n\
                  [tenants.p.limits]\nmessages = \"64MiB\"\nchannel = \"64MiB\"";
    for (what, due) in [
        ("timers", Due::Now),
        ("timers", Due::InAnHour),
        ("timers", Due::AtTheEnd),
        ("ticks", Due::Now),
        ("ticks", Due::AtTheEnd),
        ("subscriptions", Due::Now),
        ("subscriptions", Due::AtTheEnd),
        ("pops", Due::AtTheEnd),
        ("publishes", Due::Now),
        ("notifies", Due::Now),
    ] {
        let limits = match due {
            Due::AtTheEnd => limits.replace("isolation = \"plugin\"\n", ""),
            Due::Now | Due::InAnHour => limits.to_owned(),
        };
        let listen = format!("options = {{ what = \"{what}\" }}");
        let mut the_loop = Loop::new("hostile_flood", &limits, Some(&listen));
        let mut peer = the_loop.connect();
        peer.write_all(b"x").unwrap();
        let mut longest = 0;
        let mut line = Vec::new();
        let answered = the_loop.turn_until(|the_loop| {
            longest = longest.max(the_loop.carrier.units_of_turn());
            let mut buffer = [0; 64];
            let length = peer.read(&mut buffer).unwrap_or(0);
            line.extend_from_slice(&buffer[..length]);
            line.ends_with(b"\n")
        });
        assert!(answered, "{what}");
        let granted: usize = String::from_utf8_lossy(&line).trim().parse().unwrap();
        match due {
            Due::Now => {}
            Due::InAnHour => the_loop.hand.advance(Duration::from_secs(3600)),
            Due::AtTheEnd => drop(peer),
        }
        for _ in 0..granted / 1000 + TURNS_TO_SETTLE {
            the_loop.turn();
            longest = longest.max(the_loop.carrier.units_of_turn());
        }
        // A bound of a phase is 1,024, and a guest is told of one thing in a few steps.
        assert!(10_000 < granted, "{what}: {granted} are no more than a turn may do");
        assert!(longest < 8_000, "{what} {due:?}: {longest} in one turn, of {granted}");
    }
}
