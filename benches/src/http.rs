//! HTTP: the same "hello" from several servers, asked by wrk, one core for the server and one for wrk.
//!
//! `server` (what is compared, and how each is started) → `wrk` (one interval) → here: rounds, interleaved, and the
//! table. `hello` is the native baseline's protocol.

mod hello;
mod server;
mod wrk;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use sandloop_testkit::statistics::median;
use serde::Serialize;

use self::{
    hello::Hello,
    server::{Kind, Paths, Server},
};
use crate::{
    machine, native,
    record::kernel_share,
    report::{Raw, exit_code, spread},
};

/// HTTP "hello": the sandboxed plugin beside a native server, nginx, Node.js, thin and Envoy.
#[derive(Debug, Parser)]
#[command(name = "http")]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Mode {
    /// The native server alone, until it is killed.
    Serve {
        /// Where to listen; port 0 is printed once chosen.
        #[arg(default_value = "127.0.0.1:0")]
        address: SocketAddr,
    },
}

/// What a run takes.
#[derive(Debug, clap::Args)]
struct Options {
    /// Times that every server is measured, interleaved; medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one measured interval, in whole seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections that wrk holds.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Only these servers (comma-separated); ratios need their base among them.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Only these workloads.
    #[arg(long, value_enum, value_delimiter = ',')]
    workload: Vec<Workload>,
    /// Every record of every round, as lines of JSON, the machine first.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// The sandbox host.
    #[arg(long, default_value = "target/release/sandloop")]
    host: PathBuf,
    /// The component it runs.
    #[arg(long, default_value = "target/plugins/http-hello.wasm")]
    component: PathBuf,
}

/// How the clients behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Workload {
    /// Connections stay: a request follows an answer.
    Keep,
    /// `Connection: close`: a connection for each request.
    Close,
}

impl Workload {
    fn title(self) -> &'static str {
        match self {
            Workload::Keep => "keep-alive",
            Workload::Close => "a connection for each request",
        }
    }
}

/// One server, one workload, one round.
#[derive(Debug, Clone, Copy, Serialize)]
struct Record {
    workload: Workload,
    round: usize,
    server: Kind,
    requests_per_second: f64,
    /// Of the server, all its threads, for a request, in microseconds.
    cpu_micros: f64,
    /// What of it the kernel had.
    kernel_micros: f64,
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    let result = match mode {
        Some(Mode::Serve { address }) => native::serve(address, Hello::new),
        None => run(&options),
    };
    exit_code(result)
}

fn run(options: &Options) -> Result<()> {
    ensure!(0 < options.rounds && 0 < options.seconds, "--rounds and --seconds must be at least 1");
    wrk::check()?;
    let machine = machine::describe(Path::new("."));
    println!("{machine}");
    let paths = Paths::find(&options.host, &options.component)?;
    let mut kinds = if options.only.is_empty() { Kind::ALL.to_vec() } else { options.only.clone() };
    kinds.retain(|kind| {
        let there = kind.is_there();
        if !there {
            eprintln!("*** {} is NOT measured: {}", kind.name(), kind.remedy());
        }
        there
    });
    let mut workloads = options.workload.clone();
    if workloads.is_empty() {
        workloads.extend([Workload::Keep, Workload::Close]);
    }
    let mut raw = Raw::open(options.raw.as_deref())?;
    raw.write(&machine)?;
    for workload in workloads {
        let mut records = Vec::new();
        for round in 1..=options.rounds {
            for &kind in &kinds {
                let record = once(workload, round, kind, &paths, options)
                    .with_context(|| format!("measuring {}", kind.name()))?;
                raw.write(&record)?;
                eprintln!(
                    "round {round}/{}  {:<11}{:>9.0} requests/s {:>8.2} CPU us each",
                    options.rounds,
                    kind.name(),
                    record.requests_per_second,
                    record.cpu_micros
                );
                records.push(record);
            }
        }
        table(workload, &kinds, &records);
    }
    Ok(())
}

/// A fresh server, a warm-up, one interval; the server is ended after it.
fn once(
    workload: Workload,
    round: usize,
    server: Kind,
    paths: &Paths,
    options: &Options,
) -> Result<Record> {
    let running = Server::start(server, paths)?;
    running.check_answer()?;
    let close = workload == Workload::Close;
    wrk::run(running.0.address, options.connections, Duration::from_secs(1), close)?;
    let (before, ticks) = (running.0.cpu_time()?, running.0.cpu_ticks()?);
    let interval = Duration::from_secs(options.seconds);
    let report = wrk::run(running.0.address, options.connections, interval, close)?;
    let spent = running.0.cpu_time()?.saturating_sub(before);
    let (user, kernel) = running.0.cpu_ticks()?;
    let cpu_micros = spent.as_secs_f64() * 1e6 / report.requests.max(1) as f64;
    Ok(Record {
        workload,
        round,
        server,
        requests_per_second: report.requests_per_second,
        cpu_micros,
        kernel_micros: kernel_share(cpu_micros, user - ticks.0, kernel - ticks.1),
    })
}

/// Medians of the figures, and medians of the ratios inside each round with their extremes.
fn table(workload: Workload, kinds: &[Kind], records: &[Record]) {
    println!("\n{}", workload.title());
    print!("{:<12}{:>12}{:>9}{:>9}", "", "requests/s", "CPU us", "kernel");
    println!(
        "   rate / native       CPU / native        rate / nginx        CPU / nginx         rate / thin         CPU / envoy-wasm"
    );
    for &kind in kinds {
        let of = |figure: fn(&Record) -> f64| {
            median(records.iter().filter(|one| one.server == kind).map(figure).collect())
        };
        print!("{:<12}{:>12.0}", kind.name(), of(|one| one.requests_per_second));
        print!("{:>9.2}", of(|one| one.cpu_micros));
        print!("{:>9.2}   ", of(|one| one.kernel_micros));
        let rate = |base| ratio(records, kind, base, |one| one.requests_per_second);
        print!("{:<20}", rate(Kind::Native));
        let cpu = |base| ratio(records, kind, base, |one| one.cpu_micros);
        print!("{:<20}{:<20}{:<20}", cpu(Kind::Native), rate(Kind::Nginx), cpu(Kind::Nginx));
        println!("{:<20}{}", rate(Kind::Thin), cpu(Kind::EnvoyWasm));
    }
}

fn ratio(records: &[Record], kind: Kind, base: Kind, figure: fn(&Record) -> f64) -> String {
    let of = |kind| records.iter().filter(move |record| record.server == kind);
    let ratios: Vec<f64> =
        of(kind).zip(of(base)).map(|(one, base)| figure(one) / figure(base)).collect();
    spread(ratios)
}

/// The core for the servers; wrk has the next. On a machine with one they share it.
const SERVER_CORE: usize = 0;
const WRK_CORE: usize = 1;
