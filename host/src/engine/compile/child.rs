//! The outside of a process that compiles: its pipes, its limits, and how it has ended.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_setfl};
use signal_hook::consts::{SIGKILL, SIGXCPU};

use super::answer::{CompilerAnswer, HEAD_BYTES};
use super::artefact::Artefact;
use super::bounds::{Bounds, COMMAND};
use super::fault::{CompileFault, Unfinished};
use crate::clock::Moment;
use crate::engine::settings::CodeSettings;
use crate::log::text::GuestText;

/// The time after which a compilation is logged.
pub(super) const TELL_AFTER: Duration = Duration::from_secs(1);
/// How long after its CPU time could have been used up a process is taken to hang.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// The maximum bytes of error output that are kept of a process that fails.
const WORDS_MAX: usize = 4 << 10;
/// The bytes read from a pipe at once.
const CHUNK_BYTES: usize = 64 << 10;
/// The variables by which the dynamic linker finds the host's libraries; the compiler needs nothing else of the environment,
/// parts of which are secret.
const KEPT_VARIABLES: [&str; 2] = ["LD_LIBRARY_PATH", "LD_PRELOAD"];
/// The variable with the number of threads of a compiler.
const THREADS: &str = "RAYON_NUM_THREADS";

/// A component to compile.
#[derive(Debug)]
pub(super) struct CompileJob<'a> {
    /// Identifies the job in its result.
    pub number: usize,
    /// The name of its plugin, for the log.
    pub plugin: &'a str,
    /// The component.
    pub component: &'a [u8],
}

/// A process that compiles. Dropping it kills it.
#[derive(Debug)]
pub(super) struct CompilerProcess<'a> {
    pub job: CompileJob<'a>,
    bounds: Bounds,
    process: Child,
    input: Option<ChildStdin>,
    /// The part of the component that was not written yet.
    rest: &'a [u8],
    output: Option<ChildStdout>,
    answer: Vec<u8>,
    errors: Option<ChildStderr>,
    words: Vec<u8>,
    pub begun: Moment,
    is_told: bool,
}

impl<'a> CompilerProcess<'a> {
    /// Starts a child process of this program, with `threads` threads.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn start(
        program: &Path,
        settings: CodeSettings,
        bounds: Bounds,
        threads: usize,
        job: CompileJob<'a>,
        begun: Moment,
    ) -> io::Result<CompilerProcess<'a>> {
        let mut command = Command::new(program);
        command
            .arg0("sandloop")
            .args([COMMAND, &settings.to_string()])
            .args([bounds.memory.to_string(), seconds(bounds.time).to_string()])
            .arg(std::process::id().to_string())
            .env_clear()
            .envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env(THREADS, threads.to_string())
            .current_dir("/")
            // A terminal's Ctrl-C is for the host, which decides about its children.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let (input, output, errors) =
            (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let rest = job.component;
        let (answer, words) = (Vec::new(), Vec::new());
        let compiler = CompilerProcess {
            job,
            bounds,
            process,
            input,
            rest,
            output,
            answer,
            errors,
            words,
            begun,
            is_told: false,
        };
        for pipe in compiler.pipes() {
            fcntl_setfl(pipe.as_fd(), OFlags::NONBLOCK)?;
        }
        Ok(compiler)
    }

    /// The open ends of its pipes.
    pub(super) fn pipes(&self) -> impl Iterator<Item = PollFd<'_>> {
        [
            self.input.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::OUT)),
            self.output.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN)),
            self.errors.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN)),
        ]
        .into_iter()
        .flatten()
        .map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags))
    }

    /// The time until the next turn if no pipe has an event.
    pub(super) fn next(&self, now: Moment) -> Duration {
        let age = now.since(self.begun);
        let until = if self.is_told { deadline(self.bounds) } else { TELL_AFTER };
        until.saturating_sub(age)
    }

    /// Reads and writes what is possible without blocking. Returns the result when it is complete.
    pub(super) fn turn(&mut self, now: Moment) -> Option<Result<Artefact, CompileFault>> {
        self.give();
        let memory = usize::try_from(self.bounds.memory).unwrap_or(usize::MAX);
        take(&mut self.output, &mut self.answer, HEAD_BYTES.saturating_add(memory));
        take(&mut self.errors, &mut self.words, WORDS_MAX);
        if self.output.is_none() && self.errors.is_none() {
            return Some(self.result());
        }
        if memory < self.answer.len() {
            return Some(Err(Unfinished::Memory(self.bounds.memory).into()));
        }
        let age = now.since(self.begun);
        if deadline(self.bounds) <= age {
            let cause = format!("it has not answered after {age:.0?}");
            return Some(Err(Unfinished::Ended(GuestText::cause(cause)).into()));
        }
        if !self.is_told && TELL_AFTER <= age {
            self.is_told = true;
            let (plugin, bytes) = (self.job.plugin, self.job.component.len());
            tracing::info!(plugin, bytes, "compiling, which takes a while");
        }
        None
    }

    /// Writes as much of the component as the pipe takes.
    fn give(&mut self) {
        while let Some(input) = &mut self.input {
            match input.write(self.rest) {
                Ok(0) => self.input = None,
                Ok(count) => self.rest = &self.rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The process has ended: its other pipes have the reason.
                Err(_) => self.input = None,
            }
        }
    }

    /// The result. Both pipes are closed, so the process has ended, or it is not a compiler.
    fn result(&mut self) -> Result<Artefact, CompileFault> {
        match CompilerAnswer::read(std::mem::take(&mut self.answer)) {
            Some(answer) => outcome(answer, self.bounds.memory),
            None => Err(self.end().into()),
        }
    }

    /// Why the process has not answered.
    fn end(&mut self) -> Unfinished {
        // Killing a dead process does not change its exit status.
        let _ = self.process.kill();
        let words = String::from_utf8_lossy(&self.words);
        if says_no_memory(&words) {
            return Unfinished::Memory(self.bounds.memory);
        }
        let how = match self.process.wait() {
            Ok(status) => match status.signal() {
                Some(SIGXCPU) => return Unfinished::Time(self.bounds.time),
                Some(SIGKILL) => {
                    "the system killed it, as it does when it has no memory left".to_owned()
                }
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let said = if first.is_empty() { String::new() } else { format!(", {first:?}") };
        Unfinished::Ended(GuestText::cause(format_args!("{how}{said}")))
    }
}

impl Drop for CompilerProcess<'_> {
    fn drop(&mut self) {
        // Both fail only if the process has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The result of an answer, of a compiler that may use `memory` bytes.
pub(super) fn outcome(answer: CompilerAnswer, memory: u64) -> Result<Artefact, CompileFault> {
    match answer {
        CompilerAnswer::Made(artefact) => Ok(artefact),
        CompilerAnswer::Invalid(words) => {
            Err(CompileFault::Invalid(GuestText::cause(String::from_utf8_lossy(&words))))
        }
        CompilerAnswer::Proposals(names) => {
            let names = String::from_utf8_lossy(&names);
            Err(CompileFault::Proposals(names.split(',').map(str::to_owned).collect()))
        }
        CompilerAnswer::NoMemory => Err(Unfinished::Memory(memory).into()),
    }
}

/// CPU time in the system's unit, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(0 < time.subsec_nanos())
}

/// The time limit after which a process is killed.
fn deadline(bounds: Bounds) -> Duration {
    bounds.time.saturating_add(WAIT_MAX)
}

/// Whether these are the error texts of Rust's allocator, of the thread pool or of the system for a lack of memory.
fn says_no_memory(words: &str) -> bool {
    let phrases = ["memory allocation of", "Cannot allocate memory", "out of memory"];
    phrases.iter().any(|phrase| words.contains(phrase))
}

/// Reads from a pipe, up to `most` and one chunk; closes it at its end.
fn take<P: Read>(pipe: &mut Option<P>, into: &mut Vec<u8>, most: usize) {
    let mut chunk = [0; CHUNK_BYTES];
    while let Some(open) = pipe {
        match open.read(&mut chunk) {
            Ok(0) => *pipe = None,
            // Excess output is read and dropped, so that the process does not block at a full pipe.
            Ok(_) if most < into.len() => return,
            Ok(count) => into.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => *pipe = None,
        }
    }
}
