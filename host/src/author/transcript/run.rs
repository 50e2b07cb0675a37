//! A run: plays transcripts against plugins, and counts the results.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::author::sources;
use crate::author::transcript::failure::ScriptFailure;
use crate::author::transcript::peers::Peers;
use crate::author::transcript::player::Player;
use crate::author::transcript::script::{self, OptionLine, Script, ScriptError};
use crate::author::transcript::stage::ScriptedHost;
use crate::config::file;
use crate::config::model::{Config, LogLevel};
use crate::config::options;
use crate::engine::compile::Compiler;
use crate::engine::components::Components;
use crate::log;
use crate::log::text::GuestText;
use crate::run::error::StartError;

/// The extension of transcripts.
const ENDING: &str = "transcript";
/// The folder of transcripts, beside the configuration.
const FOLDER: &str = "tests";

/// The arguments of a run.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The configuration.
    pub file: &'a Path,
    /// The transcripts; if empty, those in the folder `tests` beside the configuration.
    pub transcripts: &'a [PathBuf],
    /// The only plugin to load.
    pub plugin: Option<&'a str>,
    /// A part of the paths of transcripts to play; others are left out.
    pub only: Option<&'a str>,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The number of transcripts that have passed.
    pub passed: usize,
    /// The number of transcripts that have failed.
    pub failed: usize,
}

/// Why no transcript was played.
#[derive(Debug)]
pub enum RunError {
    /// The configuration or a component cannot be used.
    Start(StartError),
    /// A line of a transcript is not a step.
    Script(ScriptError),
    /// A requested transcript or plugin does not exist.
    Asked(String),
}

impl RunError {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Start(error) => error.exit_code(),
            RunError::Script(_) | RunError::Asked(_) => 2,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Start(error) => error.fmt(f),
            RunError::Script(error) => error.fmt(f),
            RunError::Asked(cause) => f.write_str(cause),
        }
    }
}

impl std::error::Error for RunError {}

impl From<StartError> for RunError {
    fn from(error: StartError) -> RunError {
        RunError::Start(error)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { passed, failed } = self;
        let all = passed + failed;
        let plural = if all == 1 { "" } else { "s" };
        write!(f, "{all} transcript{plural}: {passed} passed, {failed} failed")
    }
}

/// Plays every requested transcript, each on a host of its own; `tell` gets the result of each as text.
///
/// # Errors
/// Why no transcript was played: all are parsed and all plugins are loaded before the first one is played.
pub fn play_all(wanted: &Wanted<'_>, mut tell: impl FnMut(&str)) -> Result<Verdict, RunError> {
    let config = Config::load(wanted.file).map_err(StartError::Config)?;
    let config = only_plugin(config, wanted.plugin).map_err(RunError::Asked)?;
    let scripts = read_all(&found(wanted)?)?;
    sources::outdated(&config).iter().for_each(|line| tell(&format!("{line}\n")));
    // Before anything is loaded, since an error reports the same as the log.
    let log = log::keep(LogLevel::Warn).map_err(StartError::thread("the log"))?;
    let log = log.ok_or_else(|| RunError::Asked("the process has a log already".to_owned()))?;
    let config = for_one_loop(config);
    let components = Components::load(&Compiler::of(&config.host), &config);
    let components = components.map_err(StartError::from)?;
    if let Some(fault) = components.left_out.into_iter().next() {
        return Err(StartError::Load(fault).into());
    }
    let mut verdict = Verdict { passed: 0, failed: 0 };
    for (file, script) in &scripts {
        let config = with_options(&components.config, file, &script.options)?;
        let stage = ScriptedHost::new(Components {
            config: config.clone(),
            engine: components.engine.clone(),
            compiled: components.compiled.clone(),
            left_out: Vec::new(),
        })?;
        let peers = Peers::new().map_err(StartError::made("a transcript"))?;
        let played = Player::new(file, script, &config, stage, &log, peers).play();
        // The log of its end belongs to no step.
        drop(log.take());
        tell(&told(file, played.as_ref().err().map(|failure| &**failure)));
        match played {
            Ok(()) => verdict.passed += 1,
            Err(_) => verdict.failed += 1,
        }
    }
    Ok(verdict)
}

fn told(file: &Path, failure: Option<&ScriptFailure>) -> String {
    let file = GuestText::path(file);
    match failure {
        None => format!("ok      {file}\n"),
        Some(failure) => format!("FAILED  {file}\n{failure}"),
    }
}

fn only_plugin(config: Config, only: Option<&str>) -> Result<Config, String> {
    let Some(only) = only else { return Ok(config) };
    let others = config.plugins.iter().enumerate().filter(|(_, plugin)| plugin.name != only);
    let others: Vec<usize> = others.map(|(index, _)| index).collect();
    if others.len() == config.plugins.len() {
        let names: Vec<&str> = config.plugins.iter().map(|plugin| &*plugin.name).collect();
        let (file, names) = (config.file.display(), names.join(", "));
        return Err(format!("{file} has no plugin {only:?}; it has {names}"));
    }
    Ok(config.without(&others))
}

/// One reactor and one worker: the order of events on several is not determined.
fn for_one_loop(mut config: Config) -> Config {
    config.host.limits.reactors = 1;
    config.host.limits.workers = 1;
    config.host.handover = None;
    config.admin = None;
    config
}

/// The requested transcripts; those of a folder are sorted by name.
fn found(wanted: &Wanted<'_>) -> Result<Vec<PathBuf>, RunError> {
    let folder = wanted.file.parent().unwrap_or(Path::new("")).join(FOLDER);
    let mut files = Vec::new();
    if wanted.transcripts.is_empty() {
        files.extend(in_folder(&folder).map_err(RunError::Asked)?);
    }
    for path in wanted.transcripts {
        if path.is_dir() {
            files.extend(in_folder(path).map_err(RunError::Asked)?);
        } else {
            files.push(path.clone());
        }
    }
    if let Some(only) = wanted.only {
        files.retain(|file| file.to_string_lossy().contains(only));
        if files.is_empty() {
            return Err(RunError::Asked(format!("no transcript has {only:?} in its path")));
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = folder.display();
    let remedy = "name transcripts, or write tests/NAME.transcript beside plugins.toml";
    let entries = folder.read_dir().map_err(|error| format!("{shown}: {error}; {remedy}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{shown} has no *.{ENDING}; {remedy}"));
    }
    Ok(paths)
}

fn read_all(files: &[PathBuf]) -> Result<Vec<(PathBuf, Script)>, RunError> {
    let read = |path: &PathBuf| {
        let bytes = file::read(path, script::BYTES_MAX);
        let bytes =
            bytes.map_err(|error| RunError::Asked(format!("{}: {error}", path.display())))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            RunError::Asked(format!("{}: it is not UTF-8 text; write \\xff", path.display()))
        })?;
        Ok((path.clone(), Script::parse(path, &text).map_err(RunError::Script)?))
    };
    files.iter().map(read).collect()
}

/// The configuration with the options that a transcript sets.
fn with_options(config: &Config, file: &Path, lines: &[OptionLine]) -> Result<Config, ScriptError> {
    let mut config = config.clone();
    let folder = config.file.parent().unwrap_or(Path::new("")).to_owned();
    for OptionLine { line, plugin, key, value } in lines {
        let error = |cause| ScriptError { file: file.to_owned(), line: *line, cause };
        let place = plugin_at(&config, plugin.as_deref()).map_err(error)?;
        let text = options::text(&folder, value).map_err(|problem| error(problem.to_string()))?;
        let options = &mut config.plugins[place].options;
        options.retain(|(known, _)| known != key);
        options.push((key.clone(), text));
        options.sort();
    }
    Ok(config)
}

fn plugin_at(config: &Config, named: Option<&str>) -> Result<usize, String> {
    let names: Vec<&str> = config.plugins.iter().map(|plugin| &*plugin.name).collect();
    match named {
        None if names.len() == 1 => Ok(0),
        None => Err(format!(
            "say whose option it is, as in option {}.KEY = VALUE; there are {}",
            names.first().unwrap_or(&""),
            names.join(", ")
        )),
        Some(name) => names
            .iter()
            .position(|known| *known == name)
            .ok_or_else(|| format!("there is no plugin {name:?}; there are {}", names.join(", "))),
    }
}

impl From<ScriptError> for RunError {
    fn from(error: ScriptError) -> RunError {
        RunError::Script(error)
    }
}
