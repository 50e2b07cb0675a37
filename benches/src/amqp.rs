//! AMQP: the same messages published, confirmed, consumed and acknowledged by several clients, at one RabbitMQ.
//!
//! `broker` (RabbitMQ on its core) → `client` (what is compared, and one run of each) → here: rounds, interleaved, and
//! the table.

mod broker;
mod client;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sandloop_testkit::statistics::median;
use serde::Serialize;

use self::{
    broker::Broker,
    client::{Kind, Paths, Run},
};
use crate::{
    machine,
    report::{Raw, exit_code, spread, warn_of_others},
};

/// Messages through a broker: the sandboxed plugin beside Python's pika.
#[derive(Debug, Parser)]
#[command(name = "amqp")]
struct Options {
    /// Times that every client is measured, interleaved; medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these clients (comma-separated); ratios need pika among them.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    #[command(flatten)]
    work: Work,
    /// Every record of every round, as lines of JSON, the machine first.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// The sandbox host.
    #[arg(long, default_value = "target/release/sandloop")]
    host: PathBuf,
    /// The component it runs.
    #[arg(long, default_value = "target/plugins/amqp_load.wasm")]
    component: PathBuf,
}

/// What each client does once in a round.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Work {
    /// Messages, each persistent, confirmed and acknowledged.
    #[arg(long, default_value_t = 50_000)]
    messages: u64,
    /// Bytes of each.
    #[arg(long, default_value_t = 1024)]
    bytes: u64,
    /// Messages that may wait for their confirm.
    #[arg(long, default_value_t = 1000)]
    window: u64,
    /// Messages that may wait for their acknowledgement.
    #[arg(long, default_value_t = 1000)]
    prefetch: u64,
}

/// One client, one round.
#[derive(Debug, Clone, Copy, Serialize)]
struct Record {
    round: usize,
    client: Kind,
    messages: u64,
    seconds: f64,
    /// Of the client's process, all its threads.
    client_cpu_seconds: f64,
    /// Of the broker's.
    broker_cpu_seconds: f64,
    /// That of everything else on the machine.
    others_cpu_seconds: f64,
}

impl Record {
    fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    fn cpu_micros(&self) -> f64 {
        self.client_cpu_seconds * 1e6 / self.messages as f64
    }
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    exit_code(run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let work = options.work;
    ensure!(0 < options.rounds, "--rounds must be at least 1");
    ensure!(WARM_UP_SHARE <= work.messages, "--messages must be at least {WARM_UP_SHARE}");
    ensure!(8 <= work.bytes, "--bytes must be at least 8: each message has its number");
    ensure!(0 < work.window && 0 < work.prefetch, "--window and --prefetch must be at least 1");
    let machine = machine::describe(Path::new("."));
    println!("{machine}");
    let paths = Paths::find(&options.host, &options.component)?;
    let broker = Broker::start()?;
    println!("rabbitmq     {}", broker.version());
    println!("pika         {}", paths.pika_version()?);
    let kinds = if options.only.is_empty() { Kind::ALL.to_vec() } else { options.only.clone() };
    let mut raw = Raw::open(options.raw.as_deref())?;
    raw.write(&machine)?;
    let once = |client: Kind, work: &Work| {
        client::run(client, work, &broker, &paths)
            .with_context(|| format!("measuring {}", client.name()))
    };
    for &kind in &kinds {
        once(kind, &Work { messages: work.messages / WARM_UP_SHARE, ..work })?;
    }
    let mut records = Vec::new();
    for round in 1..=options.rounds {
        for &kind in &kinds {
            let record = record(round, kind, &work, &once(kind, &work)?);
            raw.write(&record)?;
            progress(&record, options.rounds);
            records.push(record);
        }
    }
    table(&kinds, &records, &work);
    Ok(())
}

/// The first messages of a broker are slow: each client sends so small a part of them before it counts.
const WARM_UP_SHARE: u64 = 10;

fn record(round: usize, client: Kind, work: &Work, run: &Run) -> Record {
    let seconds = |time: Duration| time.as_secs_f64();
    Record {
        round,
        client,
        messages: work.messages,
        seconds: seconds(run.wall),
        client_cpu_seconds: seconds(run.client),
        broker_cpu_seconds: seconds(run.broker),
        // The machine's clock has coarse ticks: others may come out below nothing.
        others_cpu_seconds: seconds(run.machine.saturating_sub(run.client + run.broker)),
    }
}

fn progress(record: &Record, rounds: usize) {
    let share = |cpu: f64| 100.0 * cpu / record.seconds;
    eprintln!(
        "round {}/{rounds}  {:<8}{:>9.0} messages/s {:>8.2} CPU us each  broker {:>3.0}%  others {:>3.0}%",
        record.round,
        record.client.name(),
        record.rate(),
        record.cpu_micros(),
        share(record.broker_cpu_seconds),
        share(record.others_cpu_seconds),
    );
}

/// Medians of the figures, and medians of the ratios inside each round with their extremes.
fn table(kinds: &[Kind], records: &[Record], work: &Work) {
    let Work { messages, bytes, window, prefetch } = work;
    println!(
        "\n{messages} persistent messages of {bytes} B, {window} unconfirmed, {prefetch} unacknowledged"
    );
    print!("{:<10}{:>12}{:>9}{:>9}{:>9}", "", "messages/s", "CPU us", "client", "broker");
    println!("{:>9}   {:<20}CPU / pika", "others", "rate / pika");
    for &kind in kinds {
        let of = |figure: &dyn Fn(&Record) -> f64| {
            median(records.iter().filter(|one| one.client == kind).map(figure).collect())
        };
        print!("{:<10}{:>12.0}{:>9.2}", kind.name(), of(&Record::rate), of(&Record::cpu_micros));
        print!("{:>8.0}%", 100.0 * of(&|one| one.client_cpu_seconds / one.seconds));
        print!("{:>8.0}%", 100.0 * of(&|one| one.broker_cpu_seconds / one.seconds));
        print!("{:>8.0}%", 100.0 * of(&|one| one.others_cpu_seconds / one.seconds));
        println!(
            "   {:<20}{}",
            ratio(records, kind, Record::rate),
            ratio(records, kind, Record::cpu_micros)
        );
    }
    warn_of_others(records.iter().map(|one| one.others_cpu_seconds / one.seconds));
}

fn ratio(records: &[Record], kind: Kind, figure: fn(&Record) -> f64) -> String {
    let of = |kind| records.iter().filter(move |record| record.client == kind);
    spread(of(kind).zip(of(Kind::Pika)).map(|(one, base)| figure(one) / figure(base)).collect())
}

/// The core for the client; the broker has the next. On a machine with one they share it.
const CLIENT_CORE: usize = 0;
const BROKER_CORE: usize = 1;
