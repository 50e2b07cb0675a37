//! `sandloop dev`: builds and serves, and does both again when a file changes.

mod watch;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use self::watch::ProjectFiles;
use crate::author::build;
use crate::author::build::BuildError;
use crate::base::thread::Threads;
use crate::clock::Clock;
use crate::config::error::ConfigError;
use crate::config::model::Config;
use crate::run;
use crate::run::control::{Control, ControlRefusal, Request};
use crate::run::error::StartError;
use crate::run::notify::ServiceManager;
use crate::run::signals::SignalWatch;

/// The builds in a row that may change the same files; further changes of these files start no build.
const BUILDS_IN_A_ROW: u32 = 3;

/// Builds and serves `file`, until a signal.
///
/// An error of a build or of the configuration is logged; the next change of a file starts another attempt. A version that is
/// served continues meanwhile.
///
/// # Errors
/// When the system refuses a thread, or this program cannot be started again.
pub fn dev(file: &Path, signals: &SignalWatch) -> Result<ExitCode, StartError> {
    let clock = Clock::system();
    let (config, watched) = first(file, &clock);
    let (of_watcher, of_clock) = (config.clone(), clock.clone());
    let attend = move |control: Control| {
        tracing::info!("served; a file that changes is built, and serves new connections");
        let attendant = Attendant { config: of_watcher, watched, clock: of_clock, control };
        Threads::new().spawn("dev".to_owned(), move || attendant.run())
    };
    match run::serve(&config, signals, &ServiceManager::default(), false, attend) {
        Ok(code) => Ok(code),
        Err(error) => {
            tracing::error!(cause = error.to_string(), "not served");
            wait_for_change(ProjectFiles::of(&config));
            // A failed start may have left state behind: the next one has a new process.
            Err(again())
        }
    }
}

/// The first configuration whose plugins can be built, and its files.
fn first(file: &Path, clock: &Clock) -> (Config, ProjectFiles) {
    loop {
        match Config::load_for_author(file) {
            Ok(config) => {
                let watched = ProjectFiles::of(&config);
                let names = watched.names();
                if build_all(&config, &names, clock) && is_good(&config) {
                    return (config, watched);
                }
                wait_for_change(watched);
            }
            Err(error) => {
                tracing::error!(cause = error.to_string(), "not read");
                wait_for_change(ProjectFiles::of_file(file));
            }
        }
    }
}

/// Waits while nothing is served.
fn wait_for_change(mut watched: ProjectFiles) {
    tracing::info!("waiting for a change");
    watched.wait();
}

/// Replaces this process by a new one with the same arguments; returns only after an error.
fn again() -> StartError {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return StartError::thread("the next start")(error),
    };
    StartError::thread("the next start")(
        Command::new(program).args(std::env::args_os().skip(1)).exec(),
    )
}

/// Builds these plugins; returns whether all builds have succeeded.
fn build_all(config: &Config, names: &[String], clock: &Clock) -> bool {
    if names.is_empty() {
        return true;
    }
    let built = build::build(config, names, clock, |built| tracing::info!("{built}"));
    built
        .map_err(|error: BuildError| tracing::error!(cause = error.to_string(), "not built"))
        .is_ok()
}

/// Whether the checks of `sandloop check --try` succeed.
fn is_good(config: &Config) -> bool {
    let checked = run::check(config, true);
    checked.map_err(|error| tracing::error!(cause = error.to_string(), "not served")).is_ok()
}

/// Rebuilds and reloads while the host serves.
struct Attendant {
    config: Config,
    watched: ProjectFiles,
    clock: Clock,
    control: Control,
}

impl Attendant {
    fn run(mut self) {
        let (mut last, mut in_a_row) = (Vec::new(), 0);
        loop {
            let has_waited = self.watched.wait();
            let changed = self.watched.changed();
            // The same files changed during each build: the build itself changes them.
            let is_again = !has_waited && changed == last && !self.watched.is_configured_anew();
            in_a_row = if is_again { in_a_row + 1 } else { 0 };
            if BUILDS_IN_A_ROW <= in_a_row {
                let files = changed.join(" ");
                tracing::warn!(files, "changed by the build itself: they do not belong in `watch`");
                self.watched.take();
                in_a_row = 0;
            } else {
                self.follow();
            }
            last = changed;
        }
    }

    /// Builds and serves what has changed.
    fn follow(&mut self) {
        let names = self.watched.changed_plugins();
        self.watched.take();
        let config = match Config::load_for_author(&self.config.file) {
            Ok(config) => config,
            Err(error) => return refused(&error),
        };
        let is_new = |name: &str| {
            let section = |config: &Config| {
                let plugin = config.plugins.iter().find(|plugin| plugin.name == name);
                plugin.and_then(|plugin| plugin.build.clone())
            };
            section(&config) != section(&self.config)
        };
        let mut now = ProjectFiles::of(&config);
        let names: Vec<String> =
            now.names().into_iter().filter(|name| names.contains(name) || is_new(name)).collect();
        now.go_on_from(&self.watched);
        self.watched = now;
        if !build_all(&config, &names, &self.clock) || !is_good(&config) {
            return tracing::warn!("the version before goes on serving");
        }
        self.config = config;
        match self.control.ask(Request::Reload).wait() {
            // The host logs the changes.
            Ok(_) | Err(ControlRefusal::Stopping | ControlRefusal::UnknownPlugin(_)) => {}
            Err(ControlRefusal::Reload(_)) => {
                tracing::warn!(
                    "the version before goes on serving; the next change is another try"
                );
            }
        }
    }
}

fn refused(error: &ConfigError) {
    tracing::error!(cause = error.to_string(), "not read: the version before goes on serving");
}
