//! The command line of `echo`: which mode, which servers, how long.

use std::{net::SocketAddr, path::Path, process::ExitCode};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use crate::{
    idle,
    load::Workload,
    machine, measure, native,
    options::Options,
    report::Raw,
    subject::{Paths, Subject},
    sys,
};

/// Descriptors that the generator, and each server, need beyond those of held connections.
const DESCRIPTORS_SPARE: u64 = 200;
const NO_EVENTMACHINE: &str = "
*** EventMachine is NOT measured: ruby or its eventmachine library is missing.
*** Debian: apt-get install ruby-eventmachine
";

/// Echo: a native server, the sandboxed plugin, and EventMachine, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "echo")]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Mode {
    /// 64 B × 50 connections in ping-pong, then 64 KiB bulk.
    Throughput,
    /// connect → 64 B → reply → close, a few at a time.
    Accept,
    /// Memory of connections that echoed once and then stay.
    Idle,
    /// Throughput, accept and idle, in that order (the default mode).
    All,
    /// The native server alone, until it is killed.
    Serve {
        /// Where to listen; port 0 is printed once chosen.
        #[arg(default_value = "127.0.0.1:0")]
        address: SocketAddr,
    },
}

/// Parses the arguments, runs the mode, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    let result = match mode.unwrap_or(Mode::All) {
        Mode::Serve { address } => {
            sys::raise_descriptor_limit(0);
            native::serve(address, || native::Echo)
        }
        mode => run(mode, &options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: Mode, options: &Options) -> Result<()> {
    ensure!(0 < options.rounds, "--rounds must be at least 1");
    let seconds = options.seconds;
    ensure!((0.1..=600.0).contains(&seconds), "--seconds must lie in 0.1..=600, not {seconds}");
    let mut throughput = options.subjects(Subject::ALL);
    let mut memory = options.subjects(&[Subject::Native, Subject::Connection]);
    let idle = matches!(mode, Mode::Idle | Mode::All);
    let wanted = if idle { options.connections as u64 + DESCRIPTORS_SPARE } else { 0 };
    let descriptors = sys::raise_descriptor_limit(wanted);
    ensure!(
        wanted <= descriptors,
        "--connections {} needs {wanted} descriptors and the limit is {descriptors}: \
         raise it (ulimit -Hn, fs.nr_open) or hold fewer",
        options.connections
    );

    let machine = machine::describe(Path::new("."));
    println!("{machine}");
    if machine.eventmachine.is_none() && throughput.contains(&Subject::EventMachine) {
        eprintln!("{NO_EVENTMACHINE}");
        throughput.retain(|&subject| subject != Subject::EventMachine);
        memory.retain(|&subject| subject != Subject::EventMachine);
    }
    let paths = Paths::find(&options.host, &options.component, throughput.iter().copied())?;
    let mut raw = Raw::open(options.raw.as_deref())?;
    raw.write(&machine)?;

    let mut workloads = match mode {
        Mode::Throughput | Mode::All => options.workloads(),
        _ => Vec::new(),
    };
    if matches!(mode, Mode::Accept | Mode::All) {
        workloads.push(Workload::Accept);
    }
    measure::run(&workloads, &throughput, &paths, options, &mut raw)?;
    if idle {
        idle::run(&memory, &paths, options, &mut raw)?;
    }
    Ok(())
}
