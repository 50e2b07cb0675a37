//! `sandloop build`: runs the commands of `[plugins.<name>.build]`, and turns core modules into components.

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

/// Set for a build of `sandloop dev`, which should be quick rather than optimised.
const QUICK: &str = "SANDLOOP_DEV";
/// The shell, whatever `PATH` says.
const SHELL: &str = "/bin/sh";

/// A component after its build.
#[derive(Debug)]
pub struct Built {
    plugin: String,
    component: PathBuf,
    bytes: usize,
    took: Duration,
    /// Whether it differs from the component before.
    pub is_changed: bool,
}

/// Why a build has failed. The component before is unchanged.
#[derive(Debug)]
pub struct BuildError {
    file: PathBuf,
    line: usize,
    /// The key, with the name of its plugin.
    key: String,
    fault: Box<BuildFault>,
}

/// The cause.
#[derive(Debug)]
enum BuildFault {
    /// The plugin has no section `build`.
    NoSection,
    /// There is no plugin of this name; the most similar name.
    UnknownPlugin(Option<String>),
    /// The shell cannot be started.
    Start(io::Error),
    /// The command has failed.
    Command(ExitStatus),
    /// The output of the command cannot be read.
    Output(PathBuf, io::Error),
    /// The output is neither a component nor a core module of a plugin.
    Module(PathBuf, ModuleFault),
    /// The component cannot be written.
    Write(PathBuf, io::Error),
}

/// Builds the plugins of these names, or all that have a section `build`. `tell` is called after each.
///
/// # Errors
/// The first failed build. Builds before it are complete.
pub fn build(
    config: &Config,
    names: &[String],
    clock: &Clock,
    mut tell: impl FnMut(&Built),
) -> Result<(), BuildError> {
    let chosen = choose(config, names)?;
    let before = |(_, section): &(&PluginConfig, &BuildConfig)| there(&section.component);
    // Read before any build: many commands write the component themselves.
    let before: Vec<Option<Vec<u8>>> = chosen.iter().map(before).collect();
    let mut done: HashSet<(&Path, &str)> = HashSet::new();
    for ((plugin, section), before) in chosen.into_iter().zip(before) {
        let begun = clock.now();
        // Plugins of one workspace may have the same command.
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

/// The plugins to build, each with its section.
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

/// Waits for a line before it runs its second argument, so that the signal handler knows the process group first. If this process
/// ends before, nothing is run.
const WHEN_TOLD: &str = "read -r _ && exec \"$0\" -c \"$1\" </dev/null";

/// Runs the command. Its output is that of this process.
fn run(section: &BuildConfig, is_quick: bool) -> Result<(), BuildFault> {
    let here = Path::new(".");
    let folder = if section.folder.as_os_str().is_empty() { here } else { &section.folder };
    let mut command = Command::new(SHELL);
    command.args(["-c", WHEN_TOLD, SHELL]).arg(&section.command).current_dir(folder);
    command.stdin(Stdio::piped());
    if is_quick {
        command.env(QUICK, "1");
    }
    // In a process group of its own, which is ended with this process.
    let mut shell = command.process_group(0).spawn().map_err(BuildFault::Start)?;
    let companions = Companions::of(shell.id());
    if let Some(mut told) = shell.stdin.take() {
        // If the shell has ended already, its exit code is the error.
        let _ = told.write_all(b"\n");
    }
    let status = shell.wait().map_err(BuildFault::Start);
    drop(companions);
    let status = status?;
    if status.success() { Ok(()) } else { Err(BuildFault::Command(status)) }
}

/// The contents of a file; none if it cannot be read.
fn there(path: &Path) -> Option<Vec<u8>> {
    file::read_file(path, COMPONENT_BYTES_MAX).ok()
}

/// Writes the component, unless the command has done so.
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

/// The message for a file that cannot be written.
pub(super) struct NotWritten<'a>(pub(super) &'a Path, pub(super) &'a io::Error);

impl fmt::Display for NotWritten<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotWritten(path, error) = self;
        let otherwise = "choose a place where this user may write a file of that name";
        write!(f, "{}: cannot be written: {}", path.display(), SystemRefusal::new(error, otherwise))
    }
}

/// Replaces a file atomically: others read the old contents or the new ones.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // The temporary file may not exist.
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

    /// The exit code of the process.
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
