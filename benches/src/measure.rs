//! Rounds: every server once, one after the other, then all of them again.
//!
//! A machine's speed drifts over minutes. Two servers measured seconds apart see the same machine,
//! so figures are compared inside a round and only their ratios across rounds.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::{
    load::{Count, Load, Workload},
    machine,
    options::Options,
    process::Server,
    record::Record,
    report::{self, Raw},
    subject::{Paths, Subject},
    sys,
};

/// Runs before every interval, with everything verified: caches fill, buffers reach their size.
const WARM_UP: Duration = Duration::from_millis(700);

/// Measures and prints one workload after the other.
pub fn run(
    workloads: &[Workload],
    subjects: &[Subject],
    paths: &Paths,
    options: &Options,
    raw: &mut Raw,
) -> Result<()> {
    for &workload in workloads {
        let mut records = Vec::new();
        for round in 1..=options.rounds {
            for &subject in subjects {
                let record = once(workload, round, subject, paths, options.interval())?;
                raw.write(&record)?;
                report::progress(&record, options.rounds);
                records.push(record);
            }
        }
        report::table(workload, subjects, &records);
    }
    Ok(())
}

/// A fresh server, a warm-up, one interval; the server is ended after it.
fn once(
    workload: Workload,
    round: usize,
    subject: Subject,
    paths: &Paths,
    interval: Duration,
) -> Result<Record> {
    let mut server = Server::start(subject, paths, None)?;
    let measured = workload.start(server.address).and_then(|mut load| {
        load.run(WARM_UP, true)?;
        measured(&server, load.as_mut(), interval)
    });
    let (count, spent) = match measured {
        Ok(measured) => measured,
        Err(error) => return Err(anyhow!("{}", server.failure(&format!("failed: {error:#}")))),
    };
    // The machine's clock has coarse ticks: others may come out below nothing.
    let others = spent.machine.saturating_sub(spent.server + spent.generator);
    Ok(Record {
        workload,
        round,
        subject,
        seconds: spent.wall.as_secs_f64(),
        messages: count.messages,
        bytes: count.bytes,
        server_cpu_seconds: spent.server.as_secs_f64(),
        generator_cpu_seconds: spent.generator.as_secs_f64(),
        others_cpu_seconds: others.as_secs_f64(),
    })
}

/// The clocks of a measurement, or what each of them has advanced by.
struct Clocks {
    wall: Duration,
    server: Duration,
    generator: Duration,
    machine: Duration,
}

impl Clocks {
    fn read(start: Instant, server: &Server) -> Result<Self> {
        Ok(Self {
            wall: start.elapsed(),
            server: server.cpu_time()?,
            generator: sys::cpu_time(std::process::id())?,
            machine: machine::busy()?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            wall: self.wall.saturating_sub(before.wall),
            server: self.server.saturating_sub(before.server),
            generator: self.generator.saturating_sub(before.generator),
            machine: self.machine.saturating_sub(before.machine),
        }
    }
}

/// One interval: what came back, and what it took.
fn measured(server: &Server, load: &mut dyn Load, interval: Duration) -> Result<(Count, Clocks)> {
    let start = Instant::now();
    let before = Clocks::read(start, server)?;
    let count = load.run(interval, false)?;
    Ok((count, Clocks::read(start, server)?.since(&before)))
}
