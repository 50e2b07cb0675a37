//! Standard streams of guests that do not write as a compiler's library does.

use std::fs;

use sandloop_tests::hostile::wat::{self, Pieces};
use sandloop_tests::{Config, Host, Plugin, process};

/// A plugin that runs this on its input; `$stdout` returns a handle, `$write` writes.
fn serve(receive_data: &'static str) -> Host {
    let pieces = Pieces { receive_data, ..Pieces::default() };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("writes.wasm");
    fs::write(&file, wat::component_with_stdout(&pieces)).expect("a new file");
    let plugin = Plugin::named("writes", &file).limit("cpu_per_event", "\"30s\"");
    Host::start_in(dir, &Config::serving(plugin))
}

#[test]
fn a_write_beyond_the_permit_ends_its_instance() {
    let host = serve("(call $write (call $stdout) (i32.const 0) (i32.const 65537) (i32.const 8))");
    let mut peer = host.connect("writes");
    peer.send("now\n");
    peer.expect_closed();
    let line = host.wait_log("trapped");
    let cause = line.field("cause").expect("the engine's words");
    assert_eq!(cause, "a write of 65537 bytes to stdout, of which check-write had granted 65536");
    host.stop();
}

#[test]
fn a_write_of_the_whole_permit_is_taken() {
    let host = serve(
        "(call $write (call $stdout) (i32.const 0) (i32.const 65536) (i32.const 8))
         (call $answer)",
    );
    let mut peer = host.connect("writes");
    peer.send("now\n");
    peer.expect("ok");
    drop(peer);
    // An unfinished line is logged at the end of its instance, up to the longest line.
    let line = host.wait_log("\\u{0}\\u{0}");
    assert!((4000..4096 + 200).contains(&line.0.len()), "{line}");
    host.stop();
}

/// Six hundred handles with an unfinished line on each, 64 KiB long: of each, up to the longest line is kept.
#[test]
fn lines_that_never_end_are_bounded() {
    let host = serve(
        "(local $handles i32)
         (loop $handles
           (call $write (call $stdout) (i32.const 0) (i32.const 65536) (i32.const 8))
           (br_if $handles
             (i32.lt_u
               (local.tee $handles (i32.add (local.get $handles) (i32.const 1)))
               (i32.const 600))))
         (call $answer)",
    );
    let before = process::resident(host.pid());
    let mut peer = host.connect("writes");
    peer.send("now\n");
    peer.expect("ok");
    let grown = process::resident_peak(host.pid()).saturating_sub(before);
    assert!(grown < 20 << 20, "{grown} bytes");
    host.stop();
}
