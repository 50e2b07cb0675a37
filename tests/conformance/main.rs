//! Public test suites against the built product: `cargo xtask conformance`. Each case agrees, differs for a reason that is
//! known, or is a failure.

use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

mod autobahn;
mod cookies;
mod differences;
mod foreign;
mod origin;
mod outcome;
mod probes;
mod references;
mod tls;
mod verdict;

use outcome::Outcome;
use verdict::Verdict;

/// Runs all cases of a suite.
type Run = fn() -> Vec<Outcome>;

/// Each under the name that selects it, quick ones first.
const SUITES: &[(&str, Run)] = &[
    ("rfc3986", references::resolve),
    ("http-state", cookies::browse),
    ("h1spec", probes::h1spec),
    ("http11probe", probes::http11probe),
    ("wasi-http-jco", foreign::jco),
    ("sslyze", tls::scan),
    ("autobahn-server", autobahn::server),
    ("autobahn-client", autobahn::client),
];

/// A file of what the command has got for the suites.
fn tools(path: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CONFORMANCE_TOOLS").unwrap_or_default()).join(path)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_chosen =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let chosen: Vec<_> = SUITES.iter().filter(|(name, _)| is_chosen(name)).collect();
    if chosen.is_empty() || words.iter().any(|word| word.starts_with('-')) {
        let names: Vec<_> = SUITES.iter().map(|(name, _)| *name).collect();
        eprintln!("error: no suite has such a name; there is: {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    let mut unexplained = 0;
    for (suite, run) in chosen {
        // A suite that cannot be run is a failure, and the others go on.
        let Ok(outcomes) = catch_unwind(run) else {
            println!("{suite}: it could not be run, as said above");
            unexplained += 1;
            continue;
        };
        let verdict = Verdict::of(suite, &outcomes, differences::KNOWN);
        println!("{verdict}");
        unexplained += verdict.unexplained();
    }
    println!("{} s", start.elapsed().as_secs());
    match unexplained {
        0 => {
            println!("verdict: every difference has its reason");
            ExitCode::SUCCESS
        }
        count => {
            println!("verdict: {count} without a reason");
            ExitCode::FAILURE
        }
    }
}
