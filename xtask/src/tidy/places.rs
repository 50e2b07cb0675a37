//! What may be written in few places only.

use super::{assert_none, files};

/// What may be written in few places only: the words, where in the tree, and the files that may.
/// Each keeps a promise of docs/architecture.md; an exception is added here, with its reason.
const ONLY_IN: &[(&str, &str, &[&str])] = &[
    // The time enters through the clock, so that a test can bring its own.
    ("Instant::now", "host/src/", &["host/src/clock.rs"]),
    ("SystemTime::now", "host/src/", &["host/src/clock.rs"]),
    // A thread is a decision: those that end with the host come from one place. The ticker interrupts guests, the resolver
    // waits for names, those for files for file systems, and the reactors and those that make their calls come and go.
    ("thread::spawn", "host/src/", THREADS),
    ("thread::Builder", "host/src/", THREADS),
    // One translation of the contract on each side of it.
    // What WASI has is not the contract: its part that the engine does not have is translated beside what does it.
    (
        "bindgen!",
        "host/src/",
        &["host/src/contract/bindings.rs", "host/src/host_api/wasi/http/bindings.rs"],
    ),
    ("generate!", "sdk/rust/src/", &["sdk/rust/src/bindings.rs"]),
];
const THREADS: &[&str] = &[
    "host/src/base/thread.rs",
    "host/src/carrier/spares.rs",
    "host/src/engine/ticker.rs",
    "host/src/log/writer.rs",
    "host/src/workers/file_threads.rs",
    "host/src/workers/resolver.rs",
    "host/src/workers/slow_lane.rs",
];

#[test]
fn what_is_done_in_one_place_is_done_there() {
    let mut complaints = Vec::new();
    for file in files(&["host/src", "sdk/rust/src"], &["rs"]) {
        for (words, folder, allowed) in ONLY_IN {
            if !file.path.starts_with(folder) || allowed.contains(&file.path.as_str()) {
                continue;
            }
            let code = file.code().lines().enumerate();
            for (number, _) in code
                .filter(|(_, line)| line.contains(words) && !line.trim_start().starts_with("//"))
            {
                let (path, number) = (&file.path, number + 1);
                complaints.push(format!("{path}:{number}: `{words}` belongs in {allowed:?}"));
            }
        }
    }
    assert_none(&complaints);
}
