//! From a component's bytes to executable code: found in the cache, or compiled by a child process.
//!
//! A library that hosts in its own program compiles in its own process, because it has no command to start itself with; then
//! there is no limit of memory and time. The binary `sandloop` calls [`in_processes`] first.

mod answer;
pub mod apart;
mod artefact;
pub mod bounds;
mod child;
pub(crate) mod fault;
mod queue;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use self::artefact::Artefact;
use self::bounds::Bounds;
use self::child::CompileJob;
use self::fault::{CompileFault, Unfinished};
use self::queue::Done;
use crate::clock::Clock;
use crate::config::limits;
use crate::config::model::{CompileCache, HostConfig};
use crate::engine::cache::entry::{EntryKey, hex};
use crate::engine::cache::{Cache, Kept};
use crate::engine::footprint::Footprint;
use crate::engine::settings::{self, CodeSettings};
use crate::log::text::GuestText;
use crate::log::trap;

/// A component to compile.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name of its plugin, for the log.
    pub plugin: &'a str,
    /// The component.
    pub bytes: &'a [u8],
}

/// The code of a component, for engines with certain settings.
#[derive(Debug, Clone)]
pub struct Code {
    /// SHA-256 of the component.
    pub hash: String,
    /// Where the code comes from.
    pub from: CodeOrigin,
    artefact: Arc<Artefact>,
}

impl Code {
    /// The footprint of one instance.
    pub(crate) fn footprint(&self) -> Footprint {
        self.artefact.footprint
    }

    /// Loads the component into an engine with the settings of the code.
    ///
    /// # Errors
    /// When the engine refuses it.
    pub(crate) fn load(&self, engine: &Engine) -> Result<Component, GuestText> {
        // SAFETY: the code is what `Engine::precompile_component` has made: either this moment, in this process or in
        // one of the same program that wrote it to a pipe which nobody else holds; or an earlier time, and then it was
        // read from a file that only this user and root could write and has the digest that was written with it.
        // Nobody can change it any more: it is in the memory of this process, and is copied.
        let component = unsafe { Component::deserialize(engine, self.artefact.code()) };
        component.map_err(|error| trap::chain(&error))
    }
}

/// A loaded component.
#[derive(Clone)]
pub struct Compiled {
    /// The component with its code.
    pub component: Component,
    /// SHA-256 of the component.
    pub hash: String,
    /// Where its code comes from.
    pub from: CodeOrigin,
    /// The footprint of one instance.
    pub(crate) footprint: Footprint,
}

/// Where code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeOrigin {
    /// From the cache.
    Cache,
    /// Compiled now, in this time.
    Compiler(Duration, Kept),
}

/// Compiles components.
#[derive(Debug)]
pub struct Compiler {
    bounds: Bounds,
    cache: Cache,
}

/// The settings to compile for.
struct CompileTarget {
    settings: CodeSettings,
    /// A digest of the engine's version, its settings and the processor.
    digest: [u8; 32],
}

impl CompileTarget {
    fn new(settings: CodeSettings) -> wasmtime::Result<CompileTarget> {
        let engine = Engine::new(&settings.config())?;
        Ok(CompileTarget { settings, digest: settings::digest(&engine) })
    }

    fn key(&self, component: &[u8]) -> EntryKey {
        EntryKey { component: Sha256::digest(component).into(), settings: self.digest }
    }
}

/// SHA-256 of a component, as `sha256sum` prints it.
pub(crate) fn hash(component: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(component).into();
    hex(&digest)
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Compiles components in child processes of this program, which must know the command [`bounds::COMMAND`].
pub fn in_processes() {
    // The link leads to the running program, also if another one has replaced it at its path.
    let link = Path::new("/proc/self/exe");
    let program = if link.exists() { Some(link.to_owned()) } else { std::env::current_exe().ok() };
    if let Some(program) = program {
        // A second call sets the same program.
        let _ = PROGRAM.set(program);
    }
}

impl Compiler {
    /// A compiler with the cache and the bounds of `[host]`.
    pub fn of(host: &HostConfig) -> Compiler {
        let cache = Cache::open(&host.compile_cache, host.limits.compile_cache_size);
        Compiler { bounds: Bounds::of(host), cache }
    }

    /// Like [`Compiler::of`], with the defaults of `[host]` and this cache.
    pub fn with_defaults(cache: &CompileCache) -> Compiler {
        let cache = Cache::open(cache, limits::COMPILE_CACHE_SIZE.default);
        Compiler { bounds: Bounds::default(), cache }
    }

    /// Its cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Code for each source, in their order, for engines with these settings. Equal components are compiled once.
    ///
    /// # Errors
    /// When no engine can be created with these settings.
    pub fn compile(
        &self,
        settings: CodeSettings,
        sources: &[Source<'_>],
    ) -> wasmtime::Result<Vec<Result<Code, CompileFault>>> {
        let target = CompileTarget::new(settings)?;
        let keys: Vec<EntryKey> = sources.iter().map(|source| target.key(source.bytes)).collect();
        let mut firsts: HashMap<EntryKey, usize> = HashMap::new();
        let mut found: Vec<Option<Result<Code, CompileFault>>> = Vec::new();
        let mut jobs = Vec::new();
        for (number, (source, key)) in sources.iter().zip(&keys).enumerate() {
            let first = *firsts.entry(*key).or_insert(number);
            let hit = if first == number { self.find(key) } else { None };
            if first == number && hit.is_none() {
                jobs.push(CompileJob { number, plugin: source.plugin, component: source.bytes });
            }
            found.push(hit.map(Ok));
        }
        self.run(&target, jobs, |Done { number, result, took }| {
            let made = result.map(|artefact| self.keep(&keys[number], artefact, took));
            tell(sources[number].plugin, &made);
            found[number] = Some(made);
        });
        let code = |key| found[firsts[key]].clone().unwrap_or_else(nothing);
        Ok(keys.iter().map(code).collect())
    }

    /// Compiles one component without the cache, whose code the engine has refused.
    ///
    /// # Errors
    /// As those of the compiler.
    pub fn compile_anew(
        &self,
        settings: CodeSettings,
        source: Source<'_>,
    ) -> wasmtime::Result<Result<Code, CompileFault>> {
        let target = CompileTarget::new(settings)?;
        let key = target.key(source.bytes);
        let job = CompileJob { number: 0, plugin: source.plugin, component: source.bytes };
        let mut made = nothing();
        self.run(&target, vec![job], |Done { result, took, .. }| {
            made = result.map(|artefact| self.keep(&key, artefact, took));
            tell(source.plugin, &made);
        });
        Ok(made)
    }

    fn find(&self, key: &EntryKey) -> Option<Code> {
        let read = |bytes: &[u8]| Artefact::read(bytes.to_vec()).ok_or("too short");
        let artefact = self.cache.find(key, read)?;
        Some(Code {
            hash: hex(&key.component),
            from: CodeOrigin::Cache,
            artefact: Arc::new(artefact),
        })
    }

    /// Writes compiled code to the cache.
    fn keep(&self, key: &EntryKey, artefact: Artefact, took: Duration) -> Code {
        let from = CodeOrigin::Compiler(took, self.cache.keep(key, artefact.bytes()));
        Code { hash: hex(&key.component), from, artefact: Arc::new(artefact) }
    }

    fn run(&self, target: &CompileTarget, jobs: Vec<CompileJob<'_>>, done: impl FnMut(Done)) {
        match PROGRAM.get() {
            Some(program) => queue::compile(program, target.settings, self.bounds, jobs, done),
            None => jobs.iter().map(|job| compile_here(target.settings, job)).for_each(done),
        }
    }
}

/// The result for a component that was not compiled.
fn nothing() -> Result<Code, CompileFault> {
    Err(Unfinished::Ended(GuestText::cause("nothing came of it")).into())
}

fn compile_here(settings: CodeSettings, job: &CompileJob<'_>) -> Done {
    let clock = Clock::system();
    let begun = clock.now();
    let result = child::outcome(apart::answer(settings, job.component), u64::MAX);
    Done { number: job.number, result, took: clock.now().since(begun) }
}

/// Logs a compilation that took long.
fn tell(plugin: &str, made: &Result<Code, CompileFault>) {
    let Ok(Code { from: CodeOrigin::Compiler(took, _), .. }) = made else { return };
    let seconds = took.as_secs_f64();
    if child::TELL_AFTER <= *took {
        tracing::info!(plugin, seconds = format_args!("{seconds:.1}"), "compiled");
    } else {
        tracing::debug!(plugin, seconds = format_args!("{seconds:.3}"), "compiled");
    }
}
