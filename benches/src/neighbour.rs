//! What a good tenant notices: the latency of its echo alone, beside each guest of the hostile suite, and beside many hungry
//! tenants. Each time a control host has the same machine at the same moment and nobody who attacks it.

mod hungry;
mod pair;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use clap::Parser;
use sandloop_tests::{
    Config, Host, Listen, Plugin,
    hostile::{
        attacks::{self, Attack},
        drive::{attack, attacked_host},
    },
    paths,
};
use serde::Serialize;

use self::pair::{Latency, Pair};
use crate::{
    machine,
    report::{Raw, exit_code},
};

/// A good tenant's echo alone, beside each hostile guest, and beside hungry tenants.
#[derive(Debug, Parser)]
#[command(name = "neighbour")]
struct Options {
    /// How long the echo is measured beside each.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Peers of a hostile guest at once.
    #[arg(long, default_value_t = 2)]
    attackers: usize,
    /// Tenants that always have work waiting; 0 leaves them out.
    #[arg(long, default_value_t = 50)]
    hungry: usize,
    /// How long each event of theirs takes, in microseconds, about.
    #[arg(long, default_value_t = 200)]
    work: u32,
    /// Only hostile guests with one of these in their names (comma-separated), and `hungry`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Every record, as lines of JSON, the machine first.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

/// The echo beside one of them.
#[derive(Debug, Serialize)]
struct Record {
    beside: String,
    neighbour: Latency,
    control: Latency,
    /// How often the hostile peers came, or the hungry tenants were served, meanwhile.
    events: u64,
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    exit_code(run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let seconds = options.seconds;
    ensure!((0.1..=600.0).contains(&seconds), "--seconds must lie in 0.1..=600, not {seconds}");
    ensure!(0 < options.attackers, "--attackers must be at least 1");
    let time = Duration::from_secs_f64(seconds);
    let is_wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()))
    };
    let attacks: Vec<Attack> =
        attacks::all().into_iter().filter(|attack| is_wanted(&attack.name)).collect();
    let hungry = if is_wanted("hungry") { options.hungry } else { 0 };
    ensure!(!attacks.is_empty() || 0 < hungry, "--only leaves nothing to measure");

    let machine = machine::describe(paths::workspace());
    println!("{machine}");
    println!("host         {}", paths::binary().display());
    let mut raw = Raw::open(options.raw.as_deref())?;
    raw.write(&machine)?;
    let mut records = Vec::new();
    heading();
    let mut keep = |record: Record| {
        print(&record);
        raw.write(&record)?;
        records.push(record);
        anyhow::Ok(())
    };
    keep(alone(time))?;
    for attack in &attacks {
        keep(beside(attack, options.attackers, time))?;
    }
    if 0 < hungry {
        let (alone, beside) = hungry::beside(hungry, options.work, time);
        keep(alone)?;
        keep(beside)?;
    }
    summary(&records);
    Ok(())
}

fn alone(time: Duration) -> Record {
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let (host, control) = (Host::start(&config), Host::start(&config));
    let (neighbour, control) = Pair::connect(&host, &control).echo_for(time);
    Record { beside: "nobody".to_owned(), neighbour, control, events: 0 }
}

fn beside(one: &Attack, attackers: usize, time: Duration) -> Record {
    let (host, control) = (attacked_host(one), attacked_host(one));
    let mut pair = Pair::connect(&host, &control);
    let (address, stop) = (host.address("hostile"), AtomicBool::new(false));
    thread::scope(|scope| {
        let attackers: Vec<_> =
            (0..attackers).map(|_| scope.spawn(|| attack(&address, one.peers, &stop))).collect();
        let (neighbour, control) = pair.echo_for(time);
        stop.store(true, Ordering::Relaxed);
        let came = attackers.into_iter().map(|it| u64::from(it.join().unwrap_or_default()));
        Record { beside: one.name.clone(), neighbour, control, events: came.sum() }
    })
}

fn heading() {
    println!("\n{:<44}{:^27}{:^27}", "", "neighbour, us", "control, us");
    print!(
        "{:<44}{:>8}{:>8}{:>10}{:>9}{:>8}{:>10}",
        "beside", "p50", "p99", "max", "p50", "p99", "max"
    );
    println!("{:>9}{:>9}{:>9}", "p50 x", "p99 x", "events");
}

fn print(record: &Record) {
    let Record { beside, neighbour, control, events } = record;
    print!("{beside:<44}{:>8.0}{:>8.0}{:>10.0}", neighbour.p50, neighbour.p99, neighbour.max);
    print!("{:>9.0}{:>8.0}{:>10.0}", control.p50, control.p99, control.max);
    println!("{:>9.2}{:>9.2}{events:>9}", record.p50_ratio(), record.p99_ratio());
}

impl Record {
    fn p50_ratio(&self) -> f64 {
        self.neighbour.p50 / self.control.p50
    }

    fn p99_ratio(&self) -> f64 {
        self.neighbour.p99 / self.control.p99
    }

    /// A neighbour may take twice as long as the control, or two slices.
    fn is_over(&self) -> bool {
        self.neighbour.p99 > 2000.0_f64.max(2.0 * self.control.p99)
    }
}

fn summary(records: &[Record]) {
    let over: Vec<_> = records.iter().filter(|record| record.is_over()).collect();
    let worst = records.iter().max_by(|one, other| one.p99_ratio().total_cmp(&other.p99_ratio()));
    println!("\np99 over twice the control and over 2 ms: {} of {}", over.len(), records.len());
    for record in over {
        let p99 = record.neighbour.p99;
        println!("  {} ({p99:.0} us, {:.1} times)", record.beside, record.p99_ratio());
    }
    if let Some(worst) = worst {
        println!("worst p99 / control: {:.2}, beside {}", worst.p99_ratio(), worst.beside);
    }
}
