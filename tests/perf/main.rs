//! What the host promises about time and memory, measured: `cargo xtask perf`. Every promise is measured in rounds, beside
//! a control that has the same machine at the same time, and gets one line of figures and a verdict.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

mod cluster;
mod control;
mod examples;
mod finding;
mod hostile;
mod idle;
mod inactivity;
mod load;
mod memory;
mod options;
mod order;
mod sandbox;
mod tenants;

use finding::Finding;
use options::Options;

/// Measures one promise, or several of one kind, in so many rounds.
type Measure = fn(rounds: usize) -> Vec<Finding>;

/// Each under the name that selects it, quick ones first.
const ALL: &[(&str, Measure)] = &[
    ("load::a_thousand_defers_do_not_slow_an_echo", load::a_thousand_defers_do_not_slow_an_echo),
    ("load::timers_are_armed_and_cancelled", load::timers_are_armed_and_cancelled),
    ("memory::cancelled_timers", memory::cancelled_timers),
    ("memory::floods", memory::floods),
    ("memory::subscribers", memory::subscribers),
    ("order::ticks_and_timers", order::ticks_and_timers),
    ("sandbox::long_work_delays_nobody", sandbox::long_work_delays_nobody),
    (
        "tenants::a_hungry_tenant_weighs_as_much_as_one_connection_of_another",
        tenants::a_hungry_tenant_weighs_as_much_as_one_connection_of_another,
    ),
    ("inactivity::a_timeout_is_punctual", inactivity::a_timeout_is_punctual),
    (
        "idle::a_thousand_idle_connections_wake_nobody",
        idle::a_thousand_idle_connections_wake_nobody,
    ),
    ("examples::they_count_as_their_slides_count", examples::they_count_as_their_slides_count),
    ("cluster::a_partition_delays_no_echo", cluster::a_partition_delays_no_echo),
    ("hostile::a_neighbour_keeps_its_latency", hostile::a_neighbour_keeps_its_latency),
    ("hostile::no_function_holds_the_loop", hostile::no_function_holds_the_loop),
];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("error: {usage}");
            return ExitCode::FAILURE;
        }
    };
    let chosen: Vec<_> = ALL.iter().filter(|(name, _)| options.selects(name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("error: no measurement has such a name; there is:\n{}", names.join("\n"));
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    let mut missed = Vec::new();
    let mut count = 0;
    for (name, measure) in chosen {
        println!("{name}");
        // A measurement that fails is a promise that is not kept, and the others go on.
        let findings = catch_unwind(|| measure(options.rounds));
        count += findings.as_ref().map_or(1, Vec::len);
        match findings {
            Ok(findings) => {
                findings.iter().for_each(|finding| println!("  {finding}"));
                let kept = |finding: &&Finding| !finding.is_kept();
                missed.extend(
                    findings.iter().filter(kept).map(|finding| format!("{name}, {finding}")),
                );
            }
            Err(_) => missed.push(format!("{name}: it could not be measured, as said above")),
        }
    }
    let (rounds, seconds) = (options.rounds, start.elapsed().as_secs());
    println!("{count} promises in {rounds} rounds each, {seconds} s");
    if missed.is_empty() {
        println!("verdict: all are kept");
        return ExitCode::SUCCESS;
    }
    println!(
        "verdict: {} of {count} are not shown to be kept:\n  {}",
        missed.len(),
        missed.join("\n  ")
    );
    ExitCode::FAILURE
}
