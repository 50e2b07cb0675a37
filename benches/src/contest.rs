//! Contestants that do the same work in turns, and the table of what each took: what the benches of one protocol share.

use std::{
    fmt::Debug,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use sandloop_testkit::statistics::median;
use serde::Serialize;

use crate::{
    listening::Listening,
    machine,
    record::kernel_share,
    report::{Raw, spread, warn_of_others},
    sys,
};

/// The core for the servers that are compared.
pub const SERVER_CORE: usize = 0;
/// The core for the generator, and for servers that only stand behind those that are compared.
pub const GENERATOR_CORE: usize = 1;

/// One of those that are compared.
pub trait Contestant: ValueEnum + Copy + PartialEq + Debug + Serialize + Send + Sync {
    /// The name in tables.
    fn name(self) -> &'static str;

    /// Why it cannot be measured here, and what to do about it.
    fn missing(self) -> Option<&'static str> {
        None
    }
}

/// What a run takes.
#[derive(Debug, Args)]
pub struct Options<C: Contestant + 'static> {
    /// Times that every server is measured, interleaved; medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one measured interval.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only these servers (comma-separated); ratios need their base among them.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<C>,
    /// Every record of every round, as lines of JSON, the machine first.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// The sandbox host.
    #[arg(long, default_value = "target/release/sandloop")]
    host: PathBuf,
    /// The folder with the components that it runs.
    #[arg(long, default_value = "target/plugins")]
    plugins: PathBuf,
}

/// One contestant in one round.
#[derive(Debug, Clone, Copy, Serialize)]
struct Record<C> {
    work: &'static str,
    round: usize,
    contestant: C,
    seconds: f64,
    units: f64,
    cpu_seconds: f64,
    kernel_seconds: f64,
    others_cpu_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
}

/// A work that all do.
#[derive(Debug, Clone, Copy)]
pub struct Work<C: 'static> {
    /// The heading of its table.
    pub title: &'static str,
    /// What is counted, as in `msg`.
    pub unit: &'static str,
    /// Whom the others are compared with.
    pub bases: &'static [C],
}

/// Where the files are that the servers need.
#[derive(Debug)]
pub struct Files {
    /// This program.
    myself: PathBuf,
    /// The sandbox host.
    host: PathBuf,
    plugins: PathBuf,
}

impl Files {
    /// The command that runs the sandbox host with one reactor and one listener, for the component of this name; `plugin` and
    /// `listen` are further lines of the two sections.
    pub fn sandboxed(
        &self,
        dir: &Path,
        component: &str,
        plugin: &str,
        listen: &str,
    ) -> Result<Command> {
        let file = dir.join("plugins.toml");
        let path = self.plugins.join(format!("{component}.wasm"));
        let toml = format!(
            "[host]\nreactors = 1\n\n[plugins.{component}]\ncomponent = {path:?}\n{plugin}\n\n\
             [[listen]]\nplugin = \"{component}\"\n{listen}\n"
        );
        fs::write(&file, toml).with_context(|| format!("writing {}", file.display()))?;
        let mut command = Command::new(&self.host);
        command.arg("run").arg(file);
        Ok(command)
    }

    /// The command that runs this program's own server at an address.
    pub fn native(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(&self.myself);
        command.args(["serve", &address.to_string()]);
        command
    }
}

/// A run: who takes part, where everything is, and where it is recorded.
#[derive(Debug)]
pub struct Contest<C: Contestant + 'static> {
    contestants: Vec<C>,
    rounds: usize,
    /// Length of one measured interval.
    pub interval: Duration,
    /// What the servers need.
    pub files: Files,
    raw: Raw,
}

/// A server that is compared and the work that it gets.
pub trait Running {
    /// The processes that are measured.
    fn servers(&self) -> Vec<&Listening>;

    /// Servers behind them, on the generator's core: whatever they do is no disturbance.
    fn behind(&self) -> Vec<&Listening> {
        Vec::new()
    }

    /// Works for so long; how many units have been done.
    fn work(&mut self, time: Duration) -> Result<f64>;

    /// How long the units of the last work took, if it is a work of which that is known.
    fn latency(&self) -> Option<Latency> {
        None
    }
}

/// How long a unit took, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Half of them took less.
    pub median: f64,
    /// One in a hundred took longer.
    pub p99: f64,
    /// The slowest.
    pub longest: f64,
}

impl<C: Contestant + 'static> Options<C> {
    /// Looks for what is needed and says where it runs.
    pub fn begin(&self) -> Result<Contest<C>> {
        ensure!(0 < self.rounds && 0.0 < self.seconds, "--rounds and --seconds must be above 0");
        let present = |path: &Path, remedy: &str| {
            path.canonicalize()
                .with_context(|| format!("{} is missing: run {remedy}", path.display()))
        };
        let files = Files {
            myself: std::env::current_exe().context("finding this program")?,
            host: present(
                &self.host,
                "`cargo build --release --package sandloop-host`, or --host",
            )?,
            plugins: present(&self.plugins, "`cargo xtask plugins`")?,
        };
        let machine = machine::describe(Path::new("."));
        println!("{machine}");
        let mut raw = Raw::open(self.raw.as_deref())?;
        raw.write(&machine)?;
        let chosen = if self.only.is_empty() { C::value_variants() } else { &self.only };
        let mut contestants = chosen.to_vec();
        contestants.retain(|one| match one.missing() {
            None => true,
            Some(why) => {
                eprintln!("*** {} is NOT measured: {why}", one.name());
                false
            }
        });
        let interval = Duration::from_secs_f64(self.seconds);
        Ok(Contest { contestants, rounds: self.rounds, interval, files, raw })
    }
}

impl<C: Contestant + 'static> Contest<C> {
    /// Has everybody do the work in turns, each with a server that `start` starts anew, and prints the table.
    pub fn run<R: Running>(
        &mut self,
        work: Work<C>,
        start: impl Fn(C, &Files) -> Result<R>,
    ) -> Result<()> {
        let mut records = Vec::new();
        for round in 1..=self.rounds {
            // There and back: who comes first in one round comes last in the next.
            let mut order = self.contestants.clone();
            if round % 2 == 0 {
                order.reverse();
            }
            for contestant in order {
                let measured = start(contestant, &self.files)
                    .and_then(|running| self.once(work, round, contestant, running));
                let record =
                    measured.with_context(|| format!("measuring {}", contestant.name()))?;
                self.raw.write(&record)?;
                eprintln!(
                    "round {round}/{}  {:<12}{:>10.0} {}/s {:>10.2} CPU us each",
                    self.rounds,
                    contestant.name(),
                    record.rate(),
                    work.unit,
                    record.micros(),
                );
                records.push(record);
            }
        }
        self.table(work, &records);
        Ok(())
    }

    /// A warm-up, then one interval.
    fn once<R: Running>(
        &self,
        work: Work<C>,
        round: usize,
        contestant: C,
        mut running: R,
    ) -> Result<Record<C>> {
        running.work(self.interval / 3)?;
        let own = |running: &R| {
            anyhow::Ok(sys::cpu_time(std::process::id())? + cpu_time(&running.behind())?)
        };
        let (begun, cpu) = (Instant::now(), cpu_time(&running.servers())?);
        let ticks = cpu_ticks(&running.servers())?;
        let (mine, machine) = (own(&running)?, machine::busy()?);
        let units = running.work(self.interval)?;
        let spent = cpu_time(&running.servers())?.saturating_sub(cpu);
        let (user, kernel) = cpu_ticks(&running.servers())?;
        let others = (machine::busy()?.saturating_sub(machine))
            .saturating_sub(spent + own(&running)?.saturating_sub(mine));
        let cpu_seconds = spent.as_secs_f64();
        Ok(Record {
            work: work.title,
            round,
            contestant,
            seconds: begun.elapsed().as_secs_f64(),
            units,
            cpu_seconds,
            kernel_seconds: kernel_share(cpu_seconds, user - ticks.0, kernel - ticks.1),
            others_cpu_seconds: others.as_secs_f64(),
            latency: running.latency(),
        })
    }

    /// Medians of the figures, and medians of the ratios inside each round with their extremes.
    fn table(&self, work: Work<C>, records: &[Record<C>]) {
        println!("\n{}", work.title);
        print!("{:<13}{:>12}{:>12}{:>10}", "", format!("{}/s", work.unit), "CPU us each", "kernel");
        for base in work.bases {
            let headings = (format!("rate / {}", base.name()), format!("CPU / {}", base.name()));
            print!("   {:<20}{:<20}", headings.0, headings.1);
        }
        println!();
        for &contestant in &self.contestants {
            let of = |figure: fn(&Record<C>) -> f64| {
                median(
                    records.iter().filter(|it| it.contestant == contestant).map(figure).collect(),
                )
            };
            print!("{:<13}{:>12.0}", contestant.name(), of(Record::rate));
            print!("{:>12.2}{:>10.2}", of(Record::micros), of(Record::kernel_micros));
            for &base in work.bases {
                let ratio = |figure| spread(ratios(records, contestant, base, figure));
                print!("   {:<20}{:<20}", ratio(Record::rate), ratio(Record::micros));
            }
            println!();
        }
        self.latencies(records);
        warn_of_others(records.iter().map(|record| record.others_cpu_seconds / record.seconds));
    }

    /// Medians of the rounds, if the work has any.
    fn latencies(&self, records: &[Record<C>]) {
        let known: Vec<(C, Latency)> =
            records.iter().filter_map(|it| Some((it.contestant, it.latency?))).collect();
        if known.is_empty() {
            return;
        }
        println!("\n{:<13}{:>12}{:>12}{:>12}", "us", "p50", "p99", "longest");
        for &contestant in &self.contestants {
            let of = |figure: fn(&Latency) -> f64| {
                let its = known.iter().filter(|(of, _)| *of == contestant);
                median(its.map(|(_, latency)| figure(latency)).collect())
            };
            print!("{:<13}{:>12.1}", contestant.name(), of(|it| it.median));
            println!("{:>12.1}{:>12.1}", of(|it| it.p99), of(|it| it.longest));
        }
    }
}

/// What several processes have used.
fn cpu_time(servers: &[&Listening]) -> Result<Duration> {
    servers.iter().map(|server| server.cpu_time()).sum()
}

/// The same in ticks, of their own code and of the kernel.
fn cpu_ticks(servers: &[&Listening]) -> Result<(u64, u64)> {
    servers.iter().try_fold((0, 0), |(user, kernel), server| {
        let more = server.cpu_ticks()?;
        Ok((user + more.0, kernel + more.1))
    })
}

impl<C> Record<C> {
    fn rate(&self) -> f64 {
        self.units / self.seconds
    }

    fn micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.units.max(1.0)
    }

    fn kernel_micros(&self) -> f64 {
        self.kernel_seconds * 1e6 / self.units.max(1.0)
    }
}

/// `one ÷ base` in each round.
fn ratios<C: Contestant>(
    records: &[Record<C>],
    one: C,
    base: C,
    figure: fn(&Record<C>) -> f64,
) -> Vec<f64> {
    let mut sorted: Vec<&Record<C>> = records.iter().collect();
    sorted.sort_by_key(|record| record.round);
    let of = |who: C| sorted.iter().filter(move |record| record.contestant == who);
    of(one).zip(of(base)).map(|(one, base)| figure(one) / figure(base)).collect()
}
