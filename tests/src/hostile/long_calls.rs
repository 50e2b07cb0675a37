//! Guests that make one call of the host as long as possible: no slice ends during it.

use super::attacks::Attack;
use super::wat::Pieces;

/// Short lines from the third page on: 64 KiB of them, the most that one write may have.
const LINES_AT: usize = 2 << 16;
const LINES_BYTES: usize = 64 << 10;

/// A guest that has short lines in its memory.
fn with_lines(receive_data: &'static str) -> Pieces {
    let lines = "a\\n".repeat(LINES_BYTES / 2);
    Pieces {
        more: format!("(data (i32.const {LINES_AT}) \"{lines}\")"),
        pages: "40",
        receive_data,
        ..Pieces::default()
    }
}

/// Writes the most that each write may have, repeatedly.
const WRITES: &str = "
    (local $out i32)
    (local.set $out (call $stdout))
    (loop (call $write (local.get $out) (i32.const 131072) (i32.const 65536) (i32.const 8)) (br 0))";

/// Uses a text of five megabytes, of which each byte has to be escaped.
fn text(name: &str, call: &'static str) -> Attack {
    let attack = Attack::built("guest_texts", name).option("call", call).option("text", "escapes");
    // The guest needs CPU time to make the text, too.
    attack.limit("cpu_per_event", "\"1s\"")
}

/// All of them, two at once: each computes for as long as it may, in a thread of a low priority, and on a busy machine more of
/// them would pile up for minutes.
pub fn all() -> Vec<Attack> {
    attacks().into_iter().map(|attack| attack.limit("connections", "2")).collect()
}

fn attacks() -> Vec<Attack> {
    let name = "\\1b".repeat(33_000);
    let deep = Pieces {
        more: format!(
            "(func $deep (@name \"{name}\") (param i32)
               (if (i32.eqz (local.get 0)) (then (unreachable)))
               (call $deep (i32.sub (local.get 0) (i32.const 1))))"
        ),
        receive_data: "(call $deep (i32.const 30))",
        ..Pieces::default()
    };
    vec![
        Attack::printing(
            "a million lines in one write",
            with_lines(
                "(call $write (call $stdout) (i32.const 131072) (i32.const 2000000) (i32.const 8))",
            ),
        )
        .told("a write of 2000000 bytes to stdout, of which check-write had granted 65536"),
        Attack::printing("short lines without end", with_lines(WRITES))
            .told("limit=\"cpu_per_event\""),
        Attack::printing("short lines without end in the slow lane", with_lines(WRITES))
            .limit("cpu_per_event", "\"200ms\"")
            .told("limit=\"cpu_per_event\""),
        text("a path of five megabytes", "sockets.connect"),
        text("a process of a name of a megabyte", "mailbox.spawned"),
        text("a line of five megabytes of escapes", "log.log").told("\\u{1b}"),
        text("an operation's error of five megabytes", "operations.run"),
        Attack::by_hand("functions with names of a hundred kilobytes", deep).told("trapped"),
    ]
}
