//! From a component's bytes to code that can run: found in the cache, or compiled by a process of its own.
//!
//! A library that hosts in its own program compiles in its own process, because there is no command that it could start
//! itself with: there is no bound of memory and time then. The binary `sandloop` calls [`in_processes`] first.

mod answer;
pub mod apart;
pub mod bounds;
mod child;
pub mod fault;
mod queue;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use self::bounds::Bounds;
use self::child::CompileJob;
use self::fault::{CompileFault, Unfinished};
use self::queue::Done;
use crate::clock::Clock;
use crate::config::limits;
use crate::config::model::{CompileCache, HostConfig};
use crate::engine::cache::entry::{EntryKey, hex};
use crate::engine::cache::{Cache, Kept};
use crate::engine::settings::{self, CodeSettings};
use crate::log::text::GuestText;
use crate::log::trap;

/// A component that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Whose it is, for the log.
    pub plugin: &'a str,
    /// The component.
    pub bytes: &'a [u8],
}

/// A component that can run.
#[derive(Clone)]
pub struct Compiled {
    /// The component with its code.
    pub component: Component,
    /// SHA-256 of what it was compiled from.
    pub hash: String,
    /// Where its code is from.
    pub from: CodeOrigin,
}

/// Where code is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeOrigin {
    /// From the cache.
    Cache,
    /// Just compiled, in so much time.
    Compiler(Duration, Kept),
}

/// Makes code of components.
#[derive(Debug)]
pub struct Compiler<'a> {
    engine: &'a Engine,
    settings: CodeSettings,
    /// Of the settings.
    digest: [u8; 32],
    bounds: Bounds,
    cache: Cache,
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// From now on components are compiled in processes of this same program, which must know the command [`bounds::COMMAND`].
pub fn in_processes() {
    // The link leads to the program that runs, also where another one has taken its path meanwhile.
    let link = Path::new("/proc/self/exe");
    let program = if link.exists() { Some(link.to_owned()) } else { std::env::current_exe().ok() };
    if let Some(program) = program {
        // Whoever says it twice means the same program.
        let _ = PROGRAM.set(program);
    }
}

impl<'a> Compiler<'a> {
    /// A compiler for this engine, which has these settings.
    pub fn new(engine: &'a Engine, settings: CodeSettings, bounds: Bounds, cache: Cache) -> Self {
        Compiler { engine, settings, digest: settings::digest(engine), bounds, cache }
    }

    /// As [`Compiler::new`], with the cache and the bounds of `[host]`.
    pub fn of(engine: &'a Engine, settings: CodeSettings, host: &HostConfig) -> Self {
        let cache = Cache::open(&host.compile_cache, host.compile_cache_size);
        Compiler::new(engine, settings, Bounds::of(host), cache)
    }

    /// As [`Compiler::new`], with the defaults of `[host]` and this cache.
    pub fn with_defaults(engine: &'a Engine, settings: CodeSettings, cache: &CompileCache) -> Self {
        let cache = Cache::open(cache, limits::COMPILE_CACHE_SIZE.default);
        Compiler::new(engine, settings, Bounds::default(), cache)
    }

    /// Its cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Code for each of the sources, in their order. What is the same component is compiled once.
    pub fn compile(&self, sources: &[Source<'_>]) -> Vec<Result<Compiled, CompileFault>> {
        let keys: Vec<EntryKey> = sources.iter().map(|source| self.key(source.bytes)).collect();
        let mut firsts: HashMap<EntryKey, usize> = HashMap::new();
        let mut found: Vec<Option<Result<Compiled, CompileFault>>> = Vec::new();
        let mut jobs = Vec::new();
        for (number, (source, key)) in sources.iter().zip(&keys).enumerate() {
            let first = *firsts.entry(*key).or_insert(number);
            let hit = if first == number { self.find(key) } else { None };
            if first == number && hit.is_none() {
                jobs.push(CompileJob { number, plugin: source.plugin, component: source.bytes });
            }
            found.push(hit.map(Ok));
        }
        self.run(jobs, |Done { number, result, took }| {
            let made = result.and_then(|code| self.take(&keys[number], &code, took));
            tell(sources[number].plugin, &made);
            found[number] = Some(made);
        });
        let nothing = || Err(Unfinished::Ended(GuestText::cause("nothing came of it")).into());
        keys.iter().map(|key| found[firsts[key]].clone().unwrap_or_else(nothing)).collect()
    }

    fn key(&self, component: &[u8]) -> EntryKey {
        EntryKey { component: Sha256::digest(component).into(), settings: self.digest }
    }

    fn find(&self, key: &EntryKey) -> Option<Compiled> {
        let component = self.cache.find(key, |code| self.load(code))?;
        Some(Compiled { component, hash: hex(&key.component), from: CodeOrigin::Cache })
    }

    /// Loads and keeps what was just compiled.
    fn take(&self, key: &EntryKey, code: &[u8], took: Duration) -> Result<Compiled, CompileFault> {
        let component = self.load(code).map_err(CompileFault::Invalid)?;
        let from = CodeOrigin::Compiler(took, self.cache.keep(key, code));
        Ok(Compiled { component, hash: hex(&key.component), from })
    }

    fn load(&self, code: &[u8]) -> Result<Component, GuestText> {
        // SAFETY: the code is what `Engine::precompile_component` has made: either this moment, in this process or in
        // one of the same program that wrote it to a pipe which nobody else holds; or an earlier time, and then it was
        // read from a file that only this user and root could write and has the digest that was written with it.
        // Nobody can change it any more: `code` is in the memory of this process, and is copied.
        let component = unsafe { Component::deserialize(self.engine, code) };
        component.map_err(|error| trap::chain(&error))
    }

    fn run(&self, jobs: Vec<CompileJob<'_>>, done: impl FnMut(Done)) {
        match PROGRAM.get() {
            Some(program) => queue::compile(program, self.settings, self.bounds, jobs, done),
            None => jobs.iter().map(|job| self.compile_here(job)).for_each(done),
        }
    }

    fn compile_here(&self, job: &CompileJob<'_>) -> Done {
        let clock = Clock::system();
        let begun = clock.now();
        let result = self.engine.precompile_component(job.component);
        let result = result.map_err(|error| CompileFault::Invalid(trap::chain(&error)));
        Done { number: job.number, result, took: clock.now().since(begun) }
    }
}

/// Tells the operator about what took long.
fn tell(plugin: &str, made: &Result<Compiled, CompileFault>) {
    let Ok(Compiled { from: CodeOrigin::Compiler(took, _), .. }) = made else { return };
    let seconds = took.as_secs_f64();
    if child::TELL_AFTER <= *took {
        tracing::info!(plugin, seconds = format_args!("{seconds:.1}"), "compiled");
    } else {
        tracing::debug!(plugin, seconds = format_args!("{seconds:.3}"), "compiled");
    }
}
