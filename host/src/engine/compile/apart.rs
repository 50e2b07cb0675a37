//! The inside of the process that compiles one component: it sets its limits, reads the component from standard input, and
//! writes the answer to standard output.
//!
//! Compiling, counting instances and finding proposals are the only work on a component whose cost its author can choose: a
//! few hundred kilobytes can need gigabytes and minutes. So the work is done in a process that the system can end.

use std::io::{self, Read};

use rustix::process::{Resource, Rlimit, getppid, getrlimit, setrlimit};
use wasmtime::Engine;

use super::answer::CompilerAnswer;
use super::artefact::Artefact;
use crate::base::os;
use crate::engine::footprint::Footprint;
use crate::engine::proposals;
use crate::engine::settings::CodeSettings;
use crate::log::trap;

/// The seconds beyond its CPU time after which the process is killed.
const GRACE_SECONDS: u64 = 2;

/// Compiles the component on standard input for engines with these settings, with at most `memory` bytes and `seconds` of
/// CPU time, for the process `parent`. The answer goes to standard output.
///
/// # Errors
/// When the limits cannot be set, or the reader of the answer has gone.
pub fn compile(settings: CodeSettings, memory: u64, seconds: u64, parent: u32) -> io::Result<()> {
    bound(memory, seconds, parent)?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component)?;
    answer(settings, &component).write(&mut io::stdout().lock())
}

fn bound(memory: u64, seconds: u64, parent: u32) -> io::Result<()> {
    // Without its parent the answer is useless.
    os::end_with_parent()?;
    let own_parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if own_parent.and_then(|pid| u32::try_from(pid).ok()) != Some(parent) {
        return Err(io::Error::other("the host has ended"));
    }
    // If the system runs out of memory, this process is to be killed first. The file may not exist.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    lower(Resource::Data, memory, 0)?;
    // At the soft limit the system sends SIGXCPU, which identifies the cause; at the hard limit, SIGKILL.
    lower(Resource::Cpu, seconds, GRACE_SECONDS)?;
    // A core dump of the compiler is useless to an operator.
    lower(Resource::Core, 0, 0)
}

/// Sets a soft limit, and the hard one `grace` above it; neither is raised.
fn lower(resource: Resource, limit: u64, grace: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let (current, maximum) = (most.min(limit), most.min(limit.saturating_add(grace)));
    setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    Ok(())
}

/// Compiles a component.
pub(super) fn answer(settings: CodeSettings, component: &[u8]) -> CompilerAnswer {
    let compiled =
        Engine::new(&settings.config()).and_then(|engine| engine.precompile_component(component));
    match compiled {
        Ok(code) => {
            let footprint = Footprint::of(component).unwrap_or(Footprint::UNKNOWN);
            CompilerAnswer::Made(Artefact::new(footprint, &code))
        }
        Err(error) if error.is::<wasmtime::OutOfMemory>() => CompilerAnswer::NoMemory,
        Err(error) => match &*proposals::needed(component) {
            [] => CompilerAnswer::Invalid(trap::chain(&error).as_str().as_bytes().to_vec()),
            needed => CompilerAnswer::Proposals(needed.join(",").into_bytes()),
        },
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Component;

    use super::*;

    /// The smallest component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn code_fits_the_engine_that_it_was_made_for_and_no_other() {
        let all = [CodeSettings::default(), CodeSettings::checked(16 << 20)];
        for made in all {
            let CompilerAnswer::Made(artefact) = answer(made, EMPTY) else { panic!("{made:?}") };
            for used in all {
                let engine = Engine::new(&used.config()).unwrap();
                // SAFETY: the code was made this moment.
                let component = unsafe { Component::deserialize(&engine, artefact.code()) };
                assert_eq!(component.is_ok(), made == used, "{made} for {used}");
            }
        }
    }

    #[test]
    fn what_is_no_component_is_said() {
        for wrong in
            [&b""[..], b"#!/bin/sh", b"\0asm\x01\0\0\0", &EMPTY[..7], &[EMPTY, b"\x01"].concat()]
        {
            let answer = answer(CodeSettings::default(), wrong);
            assert!(
                matches!(&answer, CompilerAnswer::Invalid(words) if !words.is_empty()),
                "{answer:?}"
            );
        }
    }
}
