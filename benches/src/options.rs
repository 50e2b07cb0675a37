//! The flags that every mode of `echo` shares.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{load::Workload, subject::Subject};

/// What every mode shares.
#[derive(Debug, Args)]
pub struct Options {
    /// Times that every server is measured, interleaved; medians are reported.
    #[arg(long, global = true, default_value_t = 5)]
    pub rounds: usize,
    /// Length of one measured interval.
    #[arg(long, global = true, default_value_t = 3.0)]
    pub seconds: f64,
    /// Only these servers (comma-separated); ratios need their base among them.
    #[arg(long, global = true, value_enum, value_delimiter = ',')]
    pub only: Vec<Subject>,
    /// Only these workloads of the throughput mode.
    #[arg(long, global = true, value_enum, value_delimiter = ',')]
    pub workload: Vec<Workload>,
    /// Connections held by the idle mode.
    #[arg(long, global = true, default_value_t = 10_000)]
    pub connections: usize,
    /// Every record of every round, as lines of JSON, the machine first.
    #[arg(long, global = true, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// The sandbox host.
    #[arg(long, global = true, default_value = "target/release/sandloop")]
    pub host: PathBuf,
    /// The component it runs.
    #[arg(long, global = true, default_value = "target/plugins/echo.wasm")]
    pub component: PathBuf,
}

impl Options {
    /// The length of one measured interval.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The servers to compare: those asked for, or `default`, in the order of [`Subject`].
    pub fn subjects(&self, default: &[Subject]) -> Vec<Subject> {
        let mut subjects = if self.only.is_empty() { default } else { &self.only }.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    /// The workloads of the throughput mode: those asked for, or both.
    pub fn workloads(&self) -> Vec<Workload> {
        match self.workload.is_empty() {
            true => vec![Workload::Small, Workload::Bulk],
            false => self.workload.clone(),
        }
    }
}
