//! The queue of compilations: as many at once as there are cores, each in a child process.

use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};

use super::artefact::Artefact;
use super::bounds::Bounds;
use super::child::{CompileJob, CompilerProcess};
use super::fault::{CompileFault, Unfinished};
use crate::clock::{Clock, Moment};
use crate::engine::settings::CodeSettings;

/// The result of a job.
#[derive(Debug)]
pub(super) struct Done {
    /// [`CompileJob::number`].
    pub number: usize,
    /// What became of it.
    pub result: Result<Artefact, CompileFault>,
    /// The duration.
    pub took: Duration,
}

/// Compiles each component in a child process, as many at once as there are cores, and passes on each result as it comes.
pub(super) fn compile(
    program: &Path,
    settings: CodeSettings,
    bounds: Bounds,
    jobs: Vec<CompileJob<'_>>,
    mut done: impl FnMut(Done),
) {
    let clock = Clock::system();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = cores.min(jobs.len());
    let threads = cores.div_ceil(at_once.max(1));
    let mut waiting = jobs.into_iter();
    let mut running: Vec<CompilerProcess<'_>> = Vec::new();
    loop {
        while running.len() < at_once {
            let Some(job) = waiting.next() else { break };
            let number = job.number;
            match CompilerProcess::start(program, settings, bounds, threads, job, clock.now()) {
                Ok(compiler) => running.push(compiler),
                Err(error) => {
                    let result = Err(Unfinished::not_started(&error).into());
                    done(Done { number, result, took: Duration::ZERO });
                }
            }
        }
        if running.is_empty() {
            return;
        }
        wait(&running, clock.now());
        let now = clock.now();
        let mut index = 0;
        while index < running.len() {
            match running[index].turn(now) {
                None => index += 1,
                Some(result) => {
                    let compiler = running.swap_remove(index);
                    let took = now.since(compiler.begun);
                    done(Done { number: compiler.job.number, result, took });
                }
            }
        }
    }
}

/// Waits until a process has an event, is to be logged, or has exceeded its time.
fn wait(running: &[CompilerProcess<'_>], now: Moment) {
    let next = running.iter().map(|one| one.next(now)).min().unwrap_or_default();
    let mut pipes: Vec<PollFd<'_>> = running.iter().flat_map(CompilerProcess::pipes).collect();
    // Rounded up, so that the deadline has passed when `poll` returns.
    let timeout = Timespec::try_from(next + Duration::from_millis(1)).ok();
    // Also after an interrupt every process gets a turn.
    let _ = poll(&mut pipes, timeout.as_ref());
}
