//! The examples with a periodic timer that another timer comes close to.

use std::fs;
use std::thread;

use sandloop_tests::{Host, workspace};

use crate::finding::Finding;

const EXAMPLES: [&str; 3] = ["03-timers", "04-next_tick", "16-spawn"];

/// Side by side, as they only wait: in most rounds each prints exactly what its slide shows.
pub fn they_count_as_their_slides_count(rounds: usize) -> Vec<Finding> {
    thread::scope(|scope| {
        let examples = EXAMPLES.map(|example| scope.spawn(move || of(example, rounds)));
        examples.map(|example| example.join().expect("the example runs")).into()
    })
}

fn of(example: &str, rounds: usize) -> Finding {
    let folder = workspace().join("examples").join(example);
    let expected = fs::read_to_string(folder.join("expected.txt")).expect("what the slide shows");
    let is_wrong = |_| {
        let outcome = Host::start_file(&folder.join("plugins.toml")).wait_exit();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        f64::from(u8::from(outcome.stdout != expected))
    };
    let values: Vec<f64> = (0..rounds).map(is_wrong).collect();
    Finding::new(example, &values, 0.0, "runs with other lines")
}
