//! The figures that a measurement records: one line of the raw file each.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{load::Work, subject::Subject, touched::Touched};

/// One server, one workload, one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Record {
    /// What was done.
    #[serde(flatten)]
    pub work: Work,
    /// Which time.
    pub round: usize,
    /// To which server.
    pub subject: Subject,
    /// The length of the interval.
    pub seconds: f64,
    /// What came back in it.
    pub messages: u64,
    /// And its bytes, in one direction.
    pub bytes: u64,
    /// The CPU time of the server over the interval, all threads, user and system.
    pub server_cpu_seconds: f64,
    /// What of it the kernel had.
    pub server_kernel_seconds: f64,
    /// The generator's, likewise.
    pub generator_cpu_seconds: f64,
    /// That of everything else on the machine: what should be next to nothing.
    pub others_cpu_seconds: f64,
}

impl Record {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// MiB a second, in one direction.
    pub fn mebibytes(&self) -> f64 {
        self.bytes as f64 / self.seconds / f64::from(1 << 20)
    }

    /// The server's CPU time a message, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.server_cpu_seconds * 1e6 / self.messages.max(1) as f64
    }

    /// The same in the kernel.
    pub fn kernel_micros(&self) -> f64 {
        self.server_kernel_seconds * 1e6 / self.messages.max(1) as f64
    }
}

/// What of `spent` belongs to the second of two numbers of ticks.
pub fn kernel_share(spent: f64, user: u64, kernel: u64) -> f64 {
    spent * kernel as f64 / (user + kernel).max(1) as f64
}

/// What the held connections of one server cost.
#[derive(Debug, Clone, Serialize)]
pub struct IdleRecord {
    /// Which server.
    pub subject: Subject,
    /// How many it held.
    pub connections: usize,
    /// Its memory with none, after one had come and gone.
    pub before: Memory,
    /// With all.
    pub held: Memory,
    /// After all had gone.
    pub after: Memory,
    /// From the first connect to the last reply.
    pub open_seconds: f64,
    /// What was touched when each was asked once more.
    pub touched: Touched,
    /// How long all but one in a hundred waited for that answer.
    pub answer_p99: f64,
}

/// What `/proc` says of a process's memory, in KiB unless named otherwise.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// Resident, all kinds.
    pub resident_kib: i64,
    /// Resident and private: heap, stacks, written guest memory.
    pub anonymous_kib: i64,
    /// The kernel's page tables for it, which no resident figure counts.
    pub page_tables_kib: i64,
    /// Mappings, which the system bounds (`vm.max_map_count`).
    pub mappings: i64,
}

impl Memory {
    /// That of a process now.
    pub fn of(pid: u32) -> Result<Memory> {
        let folder = format!("/proc/{pid}");
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let field = |name: &str| -> Result<i64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.with_context(|| format!("no {name} in {folder}/status"))?.parse()?)
        };
        let maps = fs::read_to_string(format!("{folder}/maps"))?;
        Ok(Memory {
            resident_kib: field("VmRSS:")?,
            anonymous_kib: field("RssAnon:")?,
            page_tables_kib: field("VmPTE:")?,
            mappings: i64::try_from(maps.lines().count())?,
        })
    }

    /// What each of so many has added.
    pub fn each(&self, before: &Memory, number: usize) -> [f64; 4] {
        let figures =
            |it: &Memory| [it.resident_kib, it.anonymous_kib, it.page_tables_kib, it.mappings];
        let (now, before) = (figures(self), figures(before));
        std::array::from_fn(|at| (now[at] - before[at]) as f64 / number.max(1) as f64)
    }
}
