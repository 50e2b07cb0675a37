//! `sandloop build`: runs the commands of `[plugins.<name>.build]`, and makes components of what they make.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::author::componentize;
use crate::author::componentize::fault::ModuleFault;
use crate::base::refusal::SystemRefusal;
use crate::clock::Clock;
use crate::config::build::BuildConfig;
use crate::config::file;
use crate::config::file::COMPONENT_BYTES_MAX;
use crate::config::keys;
use crate::config::model::{Config, PluginConfig};
use crate::engine::component_file::ComponentKind;
use crate::run::signals::Companions;

/// What tells a command that its plugin is only looked at: it may be made soon rather than fast.
const QUICK: &str = "SANDLOOP_DEV";
/// The shell, wherever `PATH` leads.
const SHELL: &str = "/bin/sh";

/// A component that is there now.
#[derive(Debug)]
pub struct Built {
    plugin: String,
    component: PathBuf,
    bytes: usize,
    took: Duration,
    /// Whether it is another one than before.
    pub is_changed: bool,
}

/// Why there is no new component. The one before is as it was.
#[derive(Debug)]
pub struct BuildError {
    file: PathBuf,
    line: usize,
    /// The key below the plugins, with its plugin.
    key: String,
    fault: Box<BuildFault>,
}

/// What is wrong with a build.
#[derive(Debug)]
enum BuildFault {
    /// Nothing says how it is built.
    NoSection,
    /// There is no such plugin; the one that is most likely meant.
    UnknownPlugin(Option<String>),
    /// The shell cannot be started.
    Start(io::Error),
    /// The command has failed.
    Command(ExitStatus),
    /// What it makes cannot be read.
    Output(PathBuf, io::Error),
    /// What it makes is no plugin.
    Module(PathBuf, ModuleFault),
    /// The component cannot be written.
    Write(PathBuf, io::Error),
}

/// Builds the plugins of these names; without names, all that have a section `build`. What is told of each is told at once.
///
/// # Errors
/// The first that cannot be built. Those before it are.
pub fn build(
    config: &Config,
    names: &[String],
    clock: &Clock,
    mut tell: impl FnMut(&Built),
) -> Result<(), BuildError> {
    let chosen = choose(config, names)?;
    let before = |(_, section): &(&PluginConfig, &BuildConfig)| there(&section.component);
    // Many a command writes the component itself.
    let before: Vec<Option<Vec<u8>>> = chosen.iter().map(before).collect();
    let mut done: HashSet<(&Path, &str)> = HashSet::new();
    for ((plugin, section), before) in chosen.into_iter().zip(before) {
        let begun = clock.now();
        // Plugins of one workspace have one command.
        if done.insert((&section.folder, &section.command)) {
            run(section, config.host.is_for_author)
                .map_err(|fault| BuildError::of(plugin, section, "command", fault))?;
        }
        let bytes =
            finish(section).map_err(|fault| BuildError::of(plugin, section, "output", fault))?;
        tell(&Built {
            plugin: plugin.name.clone(),
            component: section.component.clone(),
            bytes: bytes.len(),
            took: clock.now().since(begun),
            is_changed: before != Some(bytes),
        });
    }
    Ok(())
}

/// The plugins that are built, each with its section.
fn choose<'a>(
    config: &'a Config,
    names: &[String],
) -> Result<Vec<(&'a PluginConfig, &'a BuildConfig)>, BuildError> {
    let all = || config.plugins.iter().filter_map(|it| Some((it, it.build.as_ref()?)));
    let nowhere = |key: String, line, fault| {
        let fault = Box::new(fault);
        BuildError { file: config.file.clone(), line, key, fault }
    };
    if names.is_empty() {
        let all: Vec<_> = all().collect();
        return match (all.is_empty(), config.plugins.first()) {
            (true, Some(plugin)) => {
                Err(nowhere(plugin.name.clone(), plugin.line, BuildFault::NoSection))
            }
            _ => Ok(all),
        };
    }
    let one = |name: &String| {
        let Some(plugin) = config.plugins.iter().find(|plugin| plugin.name == *name) else {
            let known: Vec<&str> =
                config.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
            let near = keys::nearest(name, &known).map(str::to_owned);
            return Err(nowhere(name.clone(), 1, BuildFault::UnknownPlugin(near)));
        };
        let section = plugin.build.as_ref();
        let section = section.map(|section| (plugin, section));
        section.ok_or_else(|| BuildError {
            file: plugin.file.clone(),
            line: plugin.line,
            key: name.clone(),
            fault: Box::new(BuildFault::NoSection),
        })
    };
    names.iter().map(one).collect()
}

/// Runs its second argument when it is told to, so that nothing has begun before it is known whom to end; when this process ends
/// first, nothing is run.
const WHEN_TOLD: &str = "read -r _ && exec \"$0\" -c \"$1\" </dev/null";

/// Runs the command with this process's output.
fn run(section: &BuildConfig, is_quick: bool) -> Result<(), BuildFault> {
    let here = Path::new(".");
    let folder = if section.folder.as_os_str().is_empty() { here } else { &section.folder };
    let mut command = Command::new(SHELL);
    command.args(["-c", WHEN_TOLD, SHELL]).arg(&section.command).current_dir(folder);
    command.stdin(Stdio::piped());
    if is_quick {
        command.env(QUICK, "1");
    }
    // With all that it starts, it ends when this process is asked to: nobody else would end it.
    let mut shell = command.process_group(0).spawn().map_err(BuildFault::Start)?;
    let companions = Companions::of(shell.id());
    if let Some(mut told) = shell.stdin.take() {
        // One that has ended meanwhile says why by its code.
        let _ = told.write_all(b"\n");
    }
    let status = shell.wait().map_err(BuildFault::Start);
    drop(companions);
    let status = status?;
    if status.success() { Ok(()) } else { Err(BuildFault::Command(status)) }
}

/// What is in a file, if it is there.
fn there(path: &Path) -> Option<Vec<u8>> {
    file::read_file(path, COMPONENT_BYTES_MAX).ok()
}

/// Has the component be there.
fn finish(section: &BuildConfig) -> Result<Vec<u8>, BuildFault> {
    let BuildConfig { output, component, adapter, .. } = section;
    let made = file::read_file(output, COMPONENT_BYTES_MAX)
        .map_err(|error| BuildFault::Output(output.clone(), error))?;
    let bytes = match ComponentKind::of(&made) {
        ComponentKind::Component => made,
        ComponentKind::CoreModule | ComponentKind::NotWasm => {
            componentize::component(&made, *adapter)
                .map_err(|fault| BuildFault::Module(output.clone(), fault))?
        }
    };
    if there(component).as_ref() != Some(&bytes) {
        write(component, &bytes).map_err(|error| BuildFault::Write(component.clone(), error))?;
    }
    Ok(bytes)
}

/// A file that cannot be written, why, and the remedy.
pub(super) struct NotWritten<'a>(pub(super) &'a Path, pub(super) &'a io::Error);

impl fmt::Display for NotWritten<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotWritten(path, error) = self;
        let otherwise = "choose a place where this user may write a file of that name";
        write!(f, "{}: cannot be written: {}", path.display(), SystemRefusal::new(error, otherwise))
    }
}

/// Writes a file that others may be reading: they see the one before or all of this one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // It may not even be there.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

impl BuildError {
    fn of(
        plugin: &PluginConfig,
        section: &BuildConfig,
        key: &str,
        fault: BuildFault,
    ) -> BuildError {
        let line = if key == "command" { section.command_line } else { section.output_line };
        let key = format!("{}.build.{key}", plugin.name);
        BuildError { file: plugin.file.clone(), line, key, fault: Box::new(fault) }
    }

    /// The code that the process ends with.
    pub fn exit_code(&self) -> u8 {
        match *self.fault {
            BuildFault::NoSection | BuildFault::UnknownPlugin(_) => 2,
            BuildFault::Start(_) | BuildFault::Command(_) | BuildFault::Write(..) => 1,
            BuildFault::Output(..) | BuildFault::Module(..) => 3,
        }
    }
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BuildError { file, line, key, fault } = self;
        write!(f, "{}:{line}: plugins.{key}: {fault}", file.display())
    }
}

impl fmt::Display for BuildFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildFault::NoSection => f.write_str(
                "nothing says how it is built; add a section `build` to the plugin, with a `command`",
            ),
            BuildFault::UnknownPlugin(near) => {
                f.write_str("there is no such plugin; ")?;
                match near {
                    Some(near) => write!(f, "did you mean `{near}`?"),
                    None => f.write_str("name one that has a section [plugins.<name>]"),
                }
            }
            BuildFault::Start(error) => {
                write!(f, "{SHELL} cannot be started: {}", SystemRefusal::new(error, "install a shell"))
            }
            BuildFault::Command(status) => match status.code() {
                Some(127) => f.write_str(
                    "the command ended with exit code 127, as where a program is not there; \
                     `sandloop doctor` says what is missing",
                ),
                Some(code) => write!(
                    f,
                    "the command ended with exit code {code}; its own words stand above"
                ),
                None => write!(f, "the command was ended: {status}"),
            },
            BuildFault::Output(path, error) => write!(
                f,
                "{}: {}",
                path.display(),
                SystemRefusal::new(error, "name what the command makes, from the folder of the configuration file")
            ),
            BuildFault::Module(path, fault) => write!(f, "{}: {fault}", path.display()),
            BuildFault::Write(path, error) => write!(f, "{}", NotWritten(path, error)),
        }
    }
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Built { plugin, component, bytes, took, is_changed } = self;
        let size = bytes.div_ceil(1 << 10);
        let seconds = took.as_secs_f32();
        let as_before = if *is_changed { "" } else { ", as before" };
        write!(
            f,
            "{plugin}: built in {seconds:.1} s: {} ({size} KiB{as_before})",
            component.display()
        )
    }
}
