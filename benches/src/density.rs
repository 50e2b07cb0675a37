//! What a sandbox without a socket costs where there are very many: processes that are born and then wait.

use std::{
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, paths};
use serde::Serialize;

use crate::{
    machine,
    record::Memory,
    report::{Raw, exit_code},
    touched::{self, Touched},
};

/// Processes that are asked for before the births of as many are waited for.
const ASKED_AT_ONCE: usize = 500;
/// For what was freed to be given back, before a reading.
const SETTLE: Duration = Duration::from_secs(1);

/// Processes, each in a sandbox of its own, and what each takes of the machine.
#[derive(Debug, Parser)]
#[command(name = "density")]
struct Options {
    /// How many there are in the end.
    #[arg(long, default_value_t = 100_000)]
    processes: usize,
    /// How many of them are sent a message each, one after the other, to see which pages that touches.
    #[arg(long, default_value_t = 2_000)]
    in_turn: usize,
    /// The record, as a line of JSON, the machine first.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Record {
    processes: usize,
    before: Memory,
    held: Memory,
    born_seconds: f64,
    stop_seconds: f64,
    in_turn: usize,
    touched: Touched,
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    exit_code(run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let most = 900_000;
    let number = options.processes;
    ensure!((1..=most).contains(&number), "--processes must lie in 1..={most}, not {number}");
    let machine = machine::describe(paths::workspace());
    println!("{machine}");
    println!("host         {}", paths::binary().display());
    let mut raw = Raw::open(options.raw.as_deref())?;
    raw.write(&machine)?;
    let record = hold(number, options.in_turn.min(number))?;
    raw.write(&record)?;
    print(&record);
    Ok(())
}

/// A host that does not start says why: so many sandboxes need more mappings than a process may have by default.
fn hold(number: usize, in_turn: usize) -> Result<Record> {
    let plugin = Plugin::new("processes")
        .isolation(Isolation::Plugin)
        .may_spawn(&["processes"])
        .limit("processes", (number + 1).to_string());
    let config = Config::new()
        .host("instances", (number + 10).to_string())
        .plugin(plugin)
        .tenant("processes", "memory", format!("\"{}MiB\"", 2 * (number + 10)))
        .tenant("processes", "host_memory", "\"8GiB\"")
        .listen(Listen::tcp("processes"));
    let host = Host::start(&config);
    let (mut parent, mut births) = (host.connect("processes"), host.connect("processes"));
    births.send("listen\n");
    births.expect("ok\n");
    let mut spawn = |number: usize| {
        parent.send("spawn x\n".repeat(number));
        let ids: Vec<String> = (0..number).map(|_| parent.line()).collect();
        births.expect("born x\n".repeat(number));
        ids
    };
    // What all have together is there then.
    spawn(1);
    thread::sleep(SETTLE);
    let before = Memory::of(host.pid())?;
    let begun = Instant::now();
    let (mut left, mut ids) = (number, Vec::new());
    while 0 < left {
        let some = left.min(ASKED_AT_ONCE);
        ids.extend(spawn(some));
        left -= some;
    }
    let born_seconds = begun.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let held = Memory::of(host.pid())?;
    touched::forget(host.pid())?;
    for id in &ids[..in_turn] {
        let number = id.strip_prefix("id ").context("one is spawned")?;
        parent.send(format!("notify-id {} x\n", number.trim()));
        births.expect("sum 1\n");
    }
    let touched = Touched::of(host.pid())?;
    let begun = Instant::now();
    host.stop();
    let stop_seconds = begun.elapsed().as_secs_f64();
    Ok(Record { processes: number, before, held, born_seconds, stop_seconds, in_turn, touched })
}

fn print(record: &Record) {
    let Record { processes, before, held, born_seconds, stop_seconds, in_turn, touched } = record;
    let [resident, anonymous, page_tables, mappings] = held.each(before, *processes);
    println!("\nprocesses: KiB each, after each was born and told so");
    println!(
        "{:>10}{:>10}{:>10}{:>13}{:>10}{:>10}{:>14}{:>10}",
        "number", "VmRSS", "RssAnon", "page tables", "mappings", "a second", "all, MiB", "stop, s"
    );
    println!(
        "{processes:>10}{resident:>10.2}{anonymous:>10.2}{page_tables:>13.2}{mappings:>10.2}{:>10.0}{:>14}{stop_seconds:>10.2}",
        *processes as f64 / born_seconds,
        held.resident_kib / 1024,
    );
    println!(
        "\ntouched by a message to each of {in_turn} in turn: {:.2} KiB",
        touched.each(*in_turn)
    );
    touched.print(*in_turn);
}
