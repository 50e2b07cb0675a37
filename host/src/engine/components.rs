//! The components of a configuration: read, compiled, counted, and loaded into one engine with room for them.
//!
//! The settings of the engine depend on the needs of all components, and the code depends on the settings. So components are
//! compiled for the usual settings first; only if the address space is short they are compiled again.

use std::collections::HashMap;

use wasmtime::Engine;

use crate::config::model::{Config, PluginConfig};
use crate::engine::capacity::Capacity;
use crate::engine::compile::fault::CompileFault;
use crate::engine::compile::{Code, CodeOrigin, Compiled, Compiler, Source, hash};
use crate::engine::fault::LoadError;
use crate::engine::fit;
use crate::engine::footprint::Footprint;
use crate::engine::room::HostEngine;
use crate::engine::settings::CodeSettings;
use crate::engine::source::Sources;
use crate::engine::{EngineError, engine};

/// The components of a configuration's plugins.
pub struct Components {
    /// The configuration without the plugins that are left out.
    pub config: Config,
    /// The engine with room for the others.
    pub engine: HostEngine,
    /// The component of each plugin, in their order; at least one.
    pub compiled: Vec<Compiled>,
    /// Why the others are left out: their compilers have not finished.
    pub left_out: Vec<LoadError>,
}

/// Why nothing can be served.
#[derive(Debug)]
pub enum ComponentsError {
    /// A component cannot be used.
    Load(LoadError),
    /// The engine cannot be created.
    Engine(EngineError),
}

/// The plugins whose code is compiled.
struct Coded {
    config: Config,
    /// The bytes of each component, in the order of `config`.
    files: Vec<Vec<u8>>,
    codes: Vec<Code>,
    left_out: Vec<LoadError>,
}

impl Components {
    /// Reads or fetches every component, compiles it and loads it.
    ///
    /// # Errors
    /// When a file is not a component, or needs more than its limits, or no plugin is left to serve, or the engine for the rest
    /// cannot be created.
    pub fn load(compiler: &Compiler, config: &Config) -> Result<Components, ComponentsError> {
        let files = read_all(config)?;
        let usual = CodeSettings::default().with(&config.host);
        let coded =
            Coded { config: config.clone(), files, codes: Vec::new(), left_out: Vec::new() };
        let coded = coded.compile(compiler, usual)?;
        fit::check(&coded.config, &coded.footprints())?;
        let engine = engine(&coded.config, &coded.footprints()).map_err(ComponentsError::Engine)?;
        let settings = engine.settings;
        let coded = if settings == usual { coded } else { coded.compile(compiler, settings)? };
        let compiled = coded.loaded(compiler, &engine.engine, settings)?;
        let Coded { config, left_out, .. } = coded;
        Ok(Components { config, engine, compiled, left_out })
    }

    /// Like [`Components::load`], for an existing engine with the components `known`: an unchanged component is neither compiled
    /// nor loaded again.
    ///
    /// # Errors
    /// As [`Components::load`]; no plugin is left out, and all must fit into the engine's pool.
    pub fn reload(
        compiler: &Compiler,
        config: &Config,
        engine: &HostEngine,
        known: Vec<Compiled>,
    ) -> Result<Vec<Compiled>, ComponentsError> {
        let files = read_all(config)?;
        let hashes: Vec<String> = files.iter().map(|file| hash(file)).collect();
        let known = known.into_iter().map(|one| (one.hash.clone(), one));
        let mut known: HashMap<String, Compiled> = known.collect();
        let unknown = (0..files.len()).filter(|index| !known.contains_key(&hashes[*index]));
        let unknown: Vec<usize> = unknown.collect();
        let source_of = |index: usize| source((&config.plugins[index], &files[index]));
        let sources: Vec<_> = unknown.iter().map(|index| source_of(*index)).collect();
        let results = compiler.compile(engine.settings, &sources).map_err(EngineError::Other)?;
        for (index, result) in unknown.into_iter().zip(results) {
            if known.contains_key(&hashes[index]) {
                continue;
            }
            let code = result.map_err(|fault| wrong(config, index, fault))?;
            let (engine, settings) = (&engine.engine, engine.settings);
            let compiled = load(compiler, engine, settings, &code, source_of(index))?;
            let compiled = compiled.map_err(|fault| wrong(config, index, fault))?;
            known.insert(compiled.hash.clone(), compiled);
        }
        let compiled: Vec<Compiled> =
            hashes.iter().filter_map(|hash| known.get(hash).cloned()).collect();
        let footprints: Vec<Footprint> = compiled.iter().map(|one| one.footprint).collect();
        fit::check(config, &footprints)?;
        let capacity = Capacity::new(config, &footprints);
        capacity.check_mappings().map_err(EngineError::Config)?;
        engine.room.check(config, &footprints).map_err(EngineError::Config)?;
        Ok(compiled)
    }

    /// The footprint of each plugin, in their order.
    pub fn footprints(&self) -> Vec<Footprint> {
        self.compiled.iter().map(|one| one.footprint).collect()
    }
}

impl Coded {
    /// Compiles for engines with these settings; leaves out the plugins whose compilers do not finish.
    fn compile(
        self,
        compiler: &Compiler,
        settings: CodeSettings,
    ) -> Result<Coded, ComponentsError> {
        let Coded { config, files, mut left_out, .. } = self;
        let sources: Vec<_> = config.plugins.iter().zip(&files).map(source).collect();
        let results = compiler.compile(settings, &sources).map_err(EngineError::Other)?;
        let (mut codes, mut gone) = (Vec::new(), Vec::new());
        for (index, result) in results.into_iter().enumerate() {
            match result.map_err(|fault| wrong(&config, index, fault)) {
                Ok(code) => codes.push(code),
                Err(error) if error.is_unfinished() => {
                    left_out.push(error);
                    gone.push(index);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if codes.is_empty()
            && let Some(last) = left_out.pop()
        {
            return Err(last.into());
        }
        let mut index = 0..;
        let mut files = files;
        files.retain(|_| index.next().is_some_and(|index| !gone.contains(&index)));
        Ok(Coded { config: config.without(&gone), files, codes, left_out })
    }

    fn footprints(&self) -> Vec<Footprint> {
        self.codes.iter().map(Code::footprint).collect()
    }

    /// Loads the components into their engine; equal ones once.
    fn loaded(
        &self,
        compiler: &Compiler,
        engine: &Engine,
        settings: CodeSettings,
    ) -> Result<Vec<Compiled>, ComponentsError> {
        let mut known: HashMap<String, Compiled> = HashMap::new();
        let mut all = Vec::new();
        for (index, code) in self.codes.iter().enumerate() {
            let compiled = match known.get(&code.hash) {
                Some(compiled) => compiled.clone(),
                None => {
                    let source = source((&self.config.plugins[index], &self.files[index]));
                    let compiled = load(compiler, engine, settings, code, source)?;
                    compiled.map_err(|fault| wrong(&self.config, index, fault))?
                }
            };
            known.insert(code.hash.clone(), compiled.clone());
            all.push(compiled);
        }
        Ok(all)
    }
}

/// Loads one component into its engine. Cached code that the engine refuses is compiled again.
fn load(
    compiler: &Compiler,
    engine: &Engine,
    settings: CodeSettings,
    code: &Code,
    source: Source<'_>,
) -> Result<Result<Compiled, CompileFault>, EngineError> {
    let made = match code.load(engine) {
        Err(cause) if code.from == CodeOrigin::Cache => {
            tracing::debug!(?cause, "compile cache: not believed");
            compiler.compile_anew(settings, source).map_err(EngineError::Other)?.and_then(|code| {
                let component = code.load(engine).map_err(CompileFault::Invalid)?;
                Ok((code, component))
            })
        }
        loaded => loaded.map(|component| (code.clone(), component)).map_err(CompileFault::Invalid),
    };
    Ok(made.map(|(code, component)| {
        let footprint = code.footprint();
        Compiled { component, hash: code.hash, from: code.from, footprint }
    }))
}

fn read_all(config: &Config) -> Result<Vec<Vec<u8>>, LoadError> {
    let sources = Sources::of(&config.host);
    let files = config.plugins.iter().map(|section| {
        let component = sources.component(&section.component);
        component.map(|it| it.bytes).map_err(|fault| LoadError::new(section, fault))
    });
    files.collect()
}

fn source<'a>((section, bytes): (&'a PluginConfig, &'a Vec<u8>)) -> Source<'a> {
    Source { plugin: &section.name, bytes }
}

fn wrong(config: &Config, index: usize, fault: CompileFault) -> LoadError {
    LoadError::new(&config.plugins[index], fault.into())
}

impl From<LoadError> for ComponentsError {
    fn from(error: LoadError) -> ComponentsError {
        ComponentsError::Load(error)
    }
}

impl From<EngineError> for ComponentsError {
    fn from(error: EngineError) -> ComponentsError {
        ComponentsError::Engine(error)
    }
}
