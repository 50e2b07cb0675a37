//! The flags that every mode of `echo` shares.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use clap::Args;
use sandloop_testkit::statistics::ROUNDS_MIN;

use crate::{
    load::{Work, Workload},
    subject::{Sandboxed, Subject},
};

/// What every mode shares.
#[derive(Debug, Args)]
pub struct Options {
    /// Times that every server is measured, interleaved; medians are reported. 5, or 9 with `--beside`.
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// Length of one measured interval.
    #[arg(long, global = true, default_value_t = 3.0)]
    pub seconds: f64,
    /// Only these servers (comma-separated); ratios need their base among them.
    #[arg(long, global = true, value_enum, value_delimiter = ',')]
    pub only: Vec<Subject>,
    /// Only these workloads of the throughput mode.
    #[arg(long, global = true, value_enum, value_delimiter = ',')]
    pub workload: Vec<Workload>,
    /// Connections of the small workload (comma-separated): one table each, and their growth.
    #[arg(long, global = true, value_delimiter = ',', default_value = "1,50,200,1000,4000")]
    pub connections: Vec<usize>,
    /// Connections held by the idle mode.
    #[arg(long, global = true, default_value_t = 10_000)]
    pub held: usize,
    /// Every record of every round, as lines of JSON, the machine first.
    #[arg(long, global = true, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// The sandbox host.
    #[arg(long, global = true, default_value = "target/release/sandloop")]
    host: PathBuf,
    /// The component it runs.
    #[arg(long, global = true, default_value = "target/plugins/echo.wasm")]
    component: PathBuf,
    /// Another sandbox host, such as that of another revision: each round has both, and the 95 % interval of each ratio
    /// is printed.
    #[arg(long, global = true, value_name = "HOST")]
    beside: Option<PathBuf>,
    /// The component that the other host runs, where it is another one.
    #[arg(long, global = true, value_name = "FILE", requires = "beside")]
    beside_component: Option<PathBuf>,
}

impl Options {
    /// The length of one measured interval.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Times that every server is measured.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.beside.is_some() { 9 } else { 5 })
    }

    /// The host that is measured.
    pub fn host(&self) -> Sandboxed {
        Sandboxed { host: self.host.clone(), component: self.component.clone() }
    }

    /// The host beside it.
    pub fn beside(&self) -> Option<Sandboxed> {
        let component = self.beside_component.as_ref().unwrap_or(&self.component);
        let beside =
            |host: &PathBuf| Sandboxed { host: host.clone(), component: component.clone() };
        self.beside.as_ref().map(beside)
    }

    /// The servers to compare: those asked for, or `default`, in the order of [`Subject`]. Beside another host only the
    /// two hosts are of interest, unless others are asked for.
    pub fn subjects(&self, default: &[Subject]) -> Vec<Subject> {
        let mut subjects = if self.only.is_empty() { default } else { &self.only }.to_vec();
        if self.beside.is_some() {
            if self.only.is_empty() {
                subjects.retain(|subject| subject.beside().is_some());
            }
            let others: Vec<_> = subjects.iter().filter_map(|subject| subject.beside()).collect();
            subjects.extend(others);
        }
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    /// What is done in the throughput mode: the workloads asked for, or both.
    pub fn throughput(&self) -> Vec<Work> {
        let has = |workload| self.workload.is_empty() || self.workload.contains(&workload);
        let mut work = Vec::new();
        if has(Workload::Small) {
            work.extend(self.connections.iter().map(|&connections| Work::small(connections)));
        }
        if has(Workload::Bulk) {
            work.push(Work::bulk());
        }
        work
    }

    /// Refuses what cannot be measured.
    ///
    /// # Errors
    /// A number is out of its range.
    pub fn check(&self) -> Result<()> {
        let least = if self.beside.is_some() { ROUNDS_MIN } else { 1 };
        ensure!(
            least <= self.rounds(),
            "--rounds must be at least {least}: fewer have no 95 % interval"
        );
        let seconds = self.seconds;
        ensure!((0.1..=600.0).contains(&seconds), "--seconds must lie in 0.1..=600, not {seconds}");
        ensure!(!self.connections.contains(&0), "--connections must be at least 1 each");
        Ok(())
    }
}
