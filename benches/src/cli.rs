//! The command line of `echo`: which mode, which servers, how long.

use std::{net::SocketAddr, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use crate::{
    idle,
    load::Work,
    machine, measure, native,
    options::Options,
    process::GENERATOR_CORE,
    report::{Raw, exit_code},
    subject::{Paths, Subject},
    sys,
};

/// Descriptors that the generator, and each server, need beyond those of held connections.
const DESCRIPTORS_SPARE: u64 = 200;

/// Echo: a native server, the sandboxed plugin, EventMachine and Envoy, interleaved in one run.
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
    /// 64 B in ping-pong on each number of connections, then 64 KiB bulk.
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
    exit_code(result)
}

fn run(mode: Mode, options: &Options) -> Result<()> {
    options.check()?;
    let idle = matches!(mode, Mode::Idle | Mode::All);
    let mut works = match mode {
        Mode::Throughput | Mode::All => options.throughput(),
        _ => Vec::new(),
    };
    if matches!(mode, Mode::Accept | Mode::All) {
        works.push(Work::accept());
    }
    let most = works.iter().map(|work| work.connections).max().unwrap_or(0);
    raise_descriptors(most, "--connections")?;
    if idle {
        raise_descriptors(options.held, "--held")?;
    }

    let root = Path::new(".");
    let machine = machine::describe(root);
    println!("{machine}");
    let without_missing = |mut subjects: Vec<Subject>| {
        subjects.retain(|subject| subject.missing(&machine, root).is_none());
        subjects
    };
    let asked = options.subjects(Subject::ALL);
    for subject in &asked {
        if let Some(why) = subject.missing(&machine, root) {
            eprintln!("*** {} is NOT measured: {why}", subject.name());
        }
    }
    let throughput = without_missing(asked);
    let memory = without_missing(options.subjects(&[Subject::Native, Subject::Connection]));
    let beside = options.beside();
    let paths = Paths::find(root, &options.host(), beside.as_ref(), throughput.iter().copied())?;
    let mut raw = Raw::open(options.raw.as_deref())?;
    raw.write(&machine)?;

    // After the look at the machine, which counts the cores that this thread may use.
    sys::stay_here_on_core(GENERATOR_CORE).context("keeping the generator on its core")?;
    measure::run(&works, &throughput, &paths, options, &mut raw)?;
    if idle {
        idle::run(&memory, &paths, options, &mut raw)?;
    }
    Ok(())
}

/// Lets this process, and the servers that it starts, have so many connections; `option` is what asks for them.
fn raise_descriptors(connections: usize, option: &str) -> Result<()> {
    let wanted = connections as u64 + DESCRIPTORS_SPARE;
    let descriptors = sys::raise_descriptor_limit(wanted);
    ensure!(
        wanted <= descriptors,
        "{option} {connections} needs {wanted} descriptors and the limit is {descriptors}: \
         raise it (ulimit -Hn, fs.nr_open) or hold fewer"
    );
    Ok(())
}
