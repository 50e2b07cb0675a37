//! The outside of one process that compiles: its pipes, its bounds, and how it ended.

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

/// How long a compilation takes before the operator is told of it.
pub(super) const TELL_AFTER: Duration = Duration::from_secs(1);
/// A process that is not done this long after it could have used its CPU time waits for something that does not come.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// What a process that fails has to say is kept up to here.
const WORDS_MAX: usize = 4 << 10;
/// Bytes that are read from a pipe at once.
const CHUNK_BYTES: usize = 64 << 10;
/// What the dynamic linker needs to find the host's libraries again; nothing else of the environment concerns a
/// compiler, and some of it is secret.
const KEPT_VARIABLES: [&str; 2] = ["LD_LIBRARY_PATH", "LD_PRELOAD"];
/// How many threads a compiler has.
const THREADS: &str = "RAYON_NUM_THREADS";

/// A component that is to be compiled.
#[derive(Debug)]
pub(super) struct CompileJob<'a> {
    /// Which it is, for whoever wants to know what came of it.
    pub number: usize,
    /// Whose it is, for the log.
    pub plugin: &'a str,
    /// The component.
    pub component: &'a [u8],
}

/// A process that compiles. Dropping it ends it.
#[derive(Debug)]
pub(super) struct CompilerProcess<'a> {
    pub job: CompileJob<'a>,
    bounds: Bounds,
    process: Child,
    input: Option<ChildStdin>,
    /// What it has not been given yet.
    rest: &'a [u8],
    output: Option<ChildStdout>,
    answer: Vec<u8>,
    errors: Option<ChildStderr>,
    words: Vec<u8>,
    pub begun: Moment,
    is_told: bool,
}

impl<'a> CompilerProcess<'a> {
    /// Starts a process of this program, with `threads` threads.
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
            // A terminal's Ctrl-C is for the host, which decides.
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

    /// The ends of its pipes that are still open.
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

    /// How long it needs no turn as long as its pipes are quiet.
    pub(super) fn next(&self, now: Moment) -> Duration {
        let age = now.since(self.begun);
        let until = if self.is_told { deadline(self.bounds) } else { TELL_AFTER };
        until.saturating_sub(age)
    }

    /// Moves what can be moved. Gives the result when there is one.
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

    /// Hands over as much of the component as the pipe takes.
    fn give(&mut self) {
        while let Some(input) = &mut self.input {
            match input.write(self.rest) {
                Ok(0) => self.input = None,
                Ok(count) => self.rest = &self.rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It has ended: its other pipes say how.
                Err(_) => self.input = None,
            }
        }
    }

    /// What it has left behind. Both pipes are at their end, so that it has ended, or it is no compiler of ours.
    fn result(&mut self) -> Result<Artefact, CompileFault> {
        match CompilerAnswer::read(std::mem::take(&mut self.answer)) {
            Some(answer) => outcome(answer, self.bounds.memory),
            None => Err(self.end().into()),
        }
    }

    /// Why it has not answered.
    fn end(&mut self) -> Unfinished {
        // A dead process keeps its first verdict.
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
        // Both fail only where it has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What an answer says, of a compiler that may use `memory` bytes.
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

/// CPU time as the system counts it, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(0 < time.subsec_nanos())
}

/// When a process is ended whatever it does.
fn deadline(bounds: Bounds) -> Duration {
    bounds.time.saturating_add(WAIT_MAX)
}

/// The words of Rust's allocator, of the thread pool and of the system.
fn says_no_memory(words: &str) -> bool {
    let phrases = ["memory allocation of", "Cannot allocate memory", "out of memory"];
    phrases.iter().any(|phrase| words.contains(phrase))
}

/// Reads what a pipe holds, up to `most` and one chunk; at its end it is closed.
fn take<P: Read>(pipe: &mut Option<P>, into: &mut Vec<u8>, most: usize) {
    let mut chunk = [0; CHUNK_BYTES];
    while let Some(open) = pipe {
        match open.read(&mut chunk) {
            Ok(0) => *pipe = None,
            // The rest of what is too much is read and forgotten, so that nobody waits for a full pipe.
            Ok(_) if most < into.len() => return,
            Ok(count) => into.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => *pipe = None,
        }
    }
}
