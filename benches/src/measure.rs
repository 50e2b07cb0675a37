//! Rounds: every server once, one after the other, then all of them again.
//!
//! A machine's speed drifts over minutes. Two servers measured seconds apart see the same machine,
//! so figures are compared inside a round and only their ratios across rounds.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::{
    load::{Count, Load, Work},
    machine,
    options::Options,
    process::Server,
    record::{Record, kernel_share},
    report::{self, Raw},
    subject::{Paths, Subject},
    sys,
};

/// Runs before every interval, with everything verified: caches fill, buffers reach their size.
const WARM_UP: Duration = Duration::from_millis(700);

/// At most so many runs of it, until each connection has had some messages: a server may make a sandbox at the first.
const WARM_UPS_MAX: usize = 20;
const WARM_MESSAGES: u64 = 10;
/// Sandboxes and connections that the host is given beyond those of the workload.
const SPARE: usize = 100;
/// Up to so many the host takes with its defaults.
const DEFAULT_ROOM: usize = 1000;

/// Measures and prints one workload after the other, then what a message costs over the number of connections, and how
/// two hosts compare.
pub fn run(
    works: &[Work],
    subjects: &[Subject],
    paths: &Paths,
    options: &Options,
    raw: &mut Raw,
) -> Result<()> {
    let mut all = Vec::new();
    for &work in works {
        let mut records = Vec::new();
        for round in 1..=options.rounds() {
            // There and back: who comes first in one round comes last in the next.
            let mut order = subjects.to_vec();
            if round % 2 == 0 {
                order.reverse();
            }
            for subject in order {
                let record = once(work, round, subject, paths, options.interval())?;
                raw.write(&record)?;
                report::progress(&record, options.rounds());
                records.push(record);
            }
        }
        records.sort_by_key(|record| (record.round, record.subject));
        report::table(work, subjects, &records);
        all.extend(records);
    }
    report::growth(works, subjects, &all);
    report::beside(works, subjects, &all);
    Ok(())
}

/// A fresh server, a warm-up, one interval; the server is ended after it.
fn once(
    work: Work,
    round: usize,
    subject: Subject,
    paths: &Paths,
    interval: Duration,
) -> Result<Record> {
    let room = (DEFAULT_ROOM < work.connections).then_some(work.connections + SPARE);
    let mut server = Server::start(subject, paths, room)?;
    let measured = work.start(server.address).and_then(|mut load| {
        warm_up(load.as_mut(), work)?;
        measured(&server, load.as_mut(), interval)
    });
    let (count, spent) = match measured {
        Ok(measured) => measured,
        Err(error) => return Err(anyhow!("{}", server.failure(&format!("failed: {error:#}")))),
    };
    // The machine's clock has coarse ticks: others may come out below nothing.
    let others = spent.machine.saturating_sub(spent.server + spent.generator);
    let cpu = spent.server.as_secs_f64();
    Ok(Record {
        work,
        round,
        subject,
        seconds: spent.wall.as_secs_f64(),
        messages: count.messages,
        bytes: count.bytes,
        server_cpu_seconds: cpu,
        server_kernel_seconds: kernel_share(cpu, spent.ticks.0, spent.ticks.1),
        generator_cpu_seconds: spent.generator.as_secs_f64(),
        others_cpu_seconds: others.as_secs_f64(),
    })
}

fn warm_up(load: &mut dyn Load, work: Work) -> Result<()> {
    let wanted = WARM_MESSAGES * work.connections as u64;
    let mut messages = 0;
    for _ in 0..WARM_UPS_MAX {
        messages += load.run(WARM_UP, true)?.messages;
        if wanted <= messages {
            break;
        }
    }
    Ok(())
}

/// The clocks of a measurement, or what each of them has advanced by.
struct Clocks {
    wall: Duration,
    server: Duration,
    generator: Duration,
    machine: Duration,
    /// The server's ticks, of its own code and of the kernel.
    ticks: (u64, u64),
}

impl Clocks {
    fn read(start: Instant, server: &Server) -> Result<Self> {
        Ok(Self {
            wall: start.elapsed(),
            server: server.cpu_time()?,
            generator: sys::cpu_time(std::process::id())?,
            machine: machine::busy()?,
            ticks: server.cpu_ticks()?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            wall: self.wall.saturating_sub(before.wall),
            server: self.server.saturating_sub(before.server),
            generator: self.generator.saturating_sub(before.generator),
            machine: self.machine.saturating_sub(before.machine),
            ticks: (self.ticks.0 - before.ticks.0, self.ticks.1 - before.ticks.1),
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
