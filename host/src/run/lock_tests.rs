//! The loop goes on wherever a host call is held up at a lock, and little is done under any: a table with a row for each file
//! that has one (`xtask/src/tidy/locks.rs` looks for them).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use sandloop_testkit::heap::Traffic;

use crate::base::lock::watched::{SeenUnder, Stall, StallPoint, watch};
use crate::base::thread::{ThreadId, look_at};
use crate::carrier::apart::CallApart;
use crate::clock::monotonic;
use crate::run::stage::{HandTurned, PATIENCE, component, folder};

/// The time in which a guest is entered for what its peer says, unless its tenant counts as slow.
const ENTERED_WITHIN: Duration = Duration::from_secs(1);
/// Turns in which an instance ends with all that it holds.
const TURNS_OF_AN_END: usize = 300;
/// Longer than a tenant counts as slow.
const SLOW_NO_MORE: Duration = Duration::from_secs(60);
/// What a call may take from the heap and give back under a lock: in pieces, and in bytes.
const PIECES_MAX: usize = 64;
const BYTES_MAX: usize = 1 << 20;

/// The table: a file and who waits for its lock while a host call has it, or who takes it where no host call does.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/run/lock_tests.txt");

/// What peers of guests say, so that these make host calls with the largest that they take.
const CALLS: &[(&str, &str)] = &[
    ("hostile", "sockets.send-data largest\n"),
    ("hostile", "sockets.connect largest\n"),
    ("hostile", "channels.subscribe largest\n"),
    ("hostile", "channels.push largest\n"),
    ("hostile", "queues.pop largest\n"),
    ("hostile", "queues.push largest\n"),
    ("hostile", "processes.spawn largest\n"),
    ("hostile", "processes.notify largest\n"),
    ("hostile", "deferred.defer largest\n"),
    ("hostile", "operations.run most\n"),
    ("hostile", "timers.add-timer largest\n"),
    ("hostile", "log.log largest\n"),
    ("hostile", "files.send-file largest\n"),
    ("hostile", "watching.watch-file largest\n"),
    ("hostile", "listeners.start-server largest\n"),
    ("hostile", "datagrams.open-datagram-socket largest\n"),
    ("hostile", "tls.start-tls largest\n"),
    ("hostile", "wasi.stdout largest\n"),
    ("hostile", "wasi.open largest\n"),
    ("hostile", "wasi.folder largest\n"),
    ("hostile", "wasi.poll.block largest\n"),
    ("hostile", "wasi.output.blocking-flush largest\n"),
    ("starts", "STARTTLS\n"),
    ("http", "GET /large?1000000 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("http", "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"),
];

/// Who waits for a lock while a host call has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhoWaits {
    /// Those who do something for the same tenant.
    ItsTenant,
    /// The loop, whoever it works for.
    TheLoop,
    /// Those who do something for the same tenant, where a call takes it at all: none is sure to. What is done under it is
    /// counted then.
    AtTimes,
    /// No host call takes it.
    Nobody,
}

/// What became of a call that was to be held up.
#[derive(Debug)]
enum HeldUp {
    /// It has come back without taking that lock.
    Never,
    /// It did not come to the lock in time.
    TooLate,
    /// The loop went on, and the good tenant was not served all the same.
    TheNeighbourWaited,
    /// The loop went on when the call did.
    TheLoopWaited,
    /// As it should be.
    TheLoopWentOn,
}

/// Each file with a lock.
fn table() -> BTreeMap<String, WhoWaits> {
    let text = std::fs::read_to_string(TABLE).expect("the table");
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| {
        let (file, who) =
            line.split_once(" | ").unwrap_or_else(|| panic!("{line}: a row is `file | who`"));
        let waits = match who {
            "its tenant" => WhoWaits::ItsTenant,
            "the loop" => WhoWaits::TheLoop,
            "at times its tenant" => WhoWaits::AtTimes,
            _ => WhoWaits::Nobody,
        };
        (file.to_owned(), waits)
    };
    rows.map(row).collect()
}

impl HandTurned {
    /// The call that a guest is entered for when its peer says this.
    fn call(&mut self, guest: &str, says: &str) -> (TcpStream, CallApart) {
        let until = monotonic() + PATIENCE;
        while monotonic() < until {
            // A tenant whose calls were long begins in the slow lane for a while.
            self.hand.advance(SLOW_NO_MORE);
            let mut peer = self.connect(guest);
            for _ in 0..100 {
                self.turn();
            }
            peer.write_all(says.as_bytes()).expect("a peer");
            if let Some(call) = self.entered(|plugin| plugin.name() == guest, ENTERED_WITHIN) {
                return (peer, call);
            }
            // It was made in the slow lane: the tenant is slow again.
            self.part_from(guest, peer);
        }
        panic!("{guest} is not entered for {says:?}");
    }

    /// Makes a call, whose thread may be held up. What was done under locks.
    fn make(&mut self, (guest, says): GuestCall) -> Vec<SeenUnder> {
        let (peer, call) = self.call(guest, says);
        let seen = thread::scope(|scope| {
            let made = CallMade::on(scope, call, None);
            self.end_waits(&made);
            made.join()
        });
        self.part_from(guest, peer);
        seen
    }

    /// Holds a call up at the first lock of a file, and has the good tenant served meanwhile.
    fn hold_up(&mut self, (guest, says): GuestCall, file: &'static str, at: StallPoint) -> HeldUp {
        let mut echo = self.connect("good");
        assert!(self.echoes(&mut echo), "before");
        let (peer, call) = self.call(guest, says);
        let ((reached, arrives), (goes, go_on)) = (channel(), channel());
        let stall = Stall { file, at, reached, go_on };
        let result = thread::scope(|scope| {
            let made = CallMade::on(scope, call, Some(stall));
            let waited = arrives.recv_timeout(PATIENCE);
            let echoed = waited.is_ok() && self.echoes(&mut echo);
            // Whoever is held up for too long goes on by itself: then it was waited for.
            let is_held_up = goes.send(()).is_ok();
            self.end_waits(&made);
            made.join();
            match waited {
                Err(RecvTimeoutError::Disconnected) => HeldUp::Never,
                Err(RecvTimeoutError::Timeout) => HeldUp::TooLate,
                Ok(()) if !echoed => HeldUp::TheNeighbourWaited,
                Ok(()) if !is_held_up => HeldUp::TheLoopWaited,
                Ok(()) => HeldUp::TheLoopWentOn,
            }
        });
        self.part_from(guest, peer);
        assert!(self.echoes(&mut echo), "after");
        result
    }

    /// A call has returned, and its peer goes: turns until nothing of its instance is left.
    fn part_from(&mut self, guest: &str, mut peer: TcpStream) {
        for _ in 0..100 {
            self.turn();
            let _ = peer.read(&mut [0; 1 << 16]);
        }
        drop(peer);
        let is_gone = self.turn_until(|host| host.carrier.instances_of(guest) == 0);
        assert!(is_gone, "{guest} does not end");
        for _ in 0..TURNS_OF_AN_END {
            self.turn();
        }
    }

    /// Turns until a call has returned. The clock goes for those that wait for a time, and stands while the thread of the call has
    /// no core: it would be past its deadlines.
    fn end_waits(&mut self, call: &CallMade<'_>) {
        while !call.made.is_finished() {
            self.turn();
            if look_at(call.thread).is_some_and(|seen| seen.waits) {
                self.hand.advance(Duration::from_millis(1));
            }
            thread::yield_now();
        }
    }
}

/// A call that is made on a thread of its own.
struct CallMade<'scope> {
    thread: ThreadId,
    made: ScopedJoinHandle<'scope, Vec<SeenUnder>>,
}

impl<'scope> CallMade<'scope> {
    fn on(
        scope: &'scope Scope<'scope, '_>,
        call: CallApart,
        stall: Option<Stall>,
    ) -> CallMade<'scope> {
        let (tell, told) = channel();
        let made = scope.spawn(move || {
            tell.send(ThreadId::current()).expect("it is waited for");
            watch(stall, || call.make()).1
        });
        CallMade { thread: told.recv().expect("it begins"), made }
    }

    /// What it has done under locks.
    fn join(self) -> Vec<SeenUnder> {
        self.made.join().expect("no panic")
    }
}

fn stage() -> HandTurned {
    let plugins = [
        ("good", "echo", "", ""),
        (
            "hostile",
            "hostile_keep",
            {
                "limits.cpu_per_event = \"1s\"\nlimits.traps = 1000000\n[plugins.hostile.allow]\n\
             read = [\"./data\"]\nconnect = [\"127.0.0.1:9\"]\n\
             listen = [\"127.0.0.1:*\", \"udp:127.0.0.1:*\"]"
            },
            "",
        ),
        (
            "starts",
            "tls_starts",
            { "tls.server = { certificate = \"cert.pem\", key = \"key.pem\" }" },
            "handler = \"gate\"",
        ),
        ("http", "wasi_http", "", ""),
    ];
    let mut text =
        "[host]\nslice = \"100ms\"\n[admin]\naddress = \"tcp://127.0.0.1:0\"\n".to_owned();
    for (name, guest, keys, listen) in plugins {
        let component = component(guest);
        let _ = write!(
            text,
            "[plugins.{name}]\n{component}\ntenant = \"{name}\"\n{keys}\n\
             [tenants.{name}]\n[[listen]]\naddress = \"tcp://127.0.0.1:0\"\nplugin = \"{name}\"\n{listen}\n"
        );
    }
    HandTurned::new(folder(), &text)
}

/// A guest, and what its peer says to it.
type GuestCall = (&'static str, &'static str);

/// What calls have done under the locks of one file, and which those are.
#[derive(Default)]
struct TakenLocks {
    by: Vec<GuestCall>,
    most: Traffic,
}

/// By file.
fn taken_by_calls(stage: &mut HandTurned) -> BTreeMap<&'static str, TakenLocks> {
    let mut files: BTreeMap<&'static str, TakenLocks> = BTreeMap::new();
    for call in CALLS {
        for SeenUnder { file, longest } in stage.make(*call) {
            let taken = files.entry(file).or_default();
            taken.by.push(*call);
            taken.most = taken.most.max(longest);
        }
    }
    files
}

/// Holds up the first of these calls that takes a lock again: some do only where a slice passes.
fn hold_up_one(
    stage: &mut HandTurned,
    calls: &[GuestCall],
    file: &'static str,
    at: StallPoint,
) -> Result<(), String> {
    for call in calls {
        match stage.hold_up(*call, file, at) {
            HeldUp::Never => {}
            HeldUp::TheLoopWentOn => return Ok(()),
            failed => return Err(format!("{file}, {call:?}, {at:?}: {failed:?}")),
        }
    }
    Err(format!("{file}, {at:?}: no call takes it again"))
}

#[test]
fn a_call_that_is_held_up_at_a_lock_holds_up_no_loop() {
    let table = table();
    let mut stage = stage();
    let mut complaints = Vec::new();
    let ((), of_the_loop) = watch(None, || {
        let files = taken_by_calls(&mut stage);
        for (file, TakenLocks { by, most: Traffic { pieces, bytes } }) in &files {
            if PIECES_MAX < *pieces || BYTES_MAX < *bytes {
                complaints.push(format!("{file}: {pieces} pieces, {bytes} bytes under one lock"));
            }
            let points = match table.get(*file) {
                Some(WhoWaits::ItsTenant) => &[StallPoint::Wants, StallPoint::Holds][..],
                Some(WhoWaits::TheLoop) => &[StallPoint::Wants][..],
                Some(WhoWaits::AtTimes) => &[][..],
                Some(WhoWaits::Nobody) | None => {
                    complaints.push(format!("{file}: {by:?} take it; say who waits for it"));
                    continue;
                }
            };
            let held_up = points.iter().map(|at| hold_up_one(&mut stage, by, file, *at));
            complaints.extend(held_up.filter_map(Result::err));
        }
        let is_sure = |waits| matches!(waits, WhoWaits::ItsTenant | WhoWaits::TheLoop);
        let are_taken = table.iter().filter(|(_, waits)| is_sure(**waits));
        for (file, _) in are_taken.filter(|(file, _)| !files.contains_key(file.as_str())) {
            complaints.push(format!("{file}: no call of `CALLS` takes it"));
        }
    });
    for file in of_the_loop.iter().map(|seen| seen.file).filter(|file| !table.contains_key(*file)) {
        complaints.push(format!("{file}: the loop takes it, and the table does not have it"));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
