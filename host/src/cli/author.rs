//! The commands for plugin authors.

use std::path::Path;
use std::process::ExitCode;

use sandloop_host::author::project::{self, NewProject};
use sandloop_host::author::sdk::Sdk;
use sandloop_host::author::{build, dev, doctor};
use sandloop_host::clock::Clock;
use sandloop_host::config::model::{Config, LogLevel};
use sandloop_host::log::filter::Filter;
use sandloop_host::run::error::StartError;
use sandloop_host::run::signals::SignalWatch;

use super::answer::{Complaint, print, print_line};
use super::{log_doubts, start_log};

/// The default configuration.
const USUAL: &str = "plugins.toml";

/// `sandloop build [FILE] [PLUGIN]...`
pub fn build(words: &[String], filter: Option<Filter>) -> Result<ExitCode, Complaint> {
    let (file, plugins) = match words.split_first() {
        Some((first, rest)) if first.ends_with(".toml") => (first.as_str(), rest),
        _ => (USUAL, words),
    };
    let config = Config::load(Path::new(file)).map_err(StartError::Config)?;
    let _log = start_log(Some(&config), config.host.log, filter)?;
    log_doubts(&config);
    build::build(&config, plugins, &Clock::system(), |built| print_line(built))
        .map_err(|error| Complaint(error.to_string(), error.exit_code()))?;
    Ok(ExitCode::SUCCESS)
}

/// `sandloop new FOLDER --lang LANGUAGE [--template TEMPLATE]`
pub fn new(new: &NewProject<'_>, sdk: Option<&Path>) -> Result<ExitCode, Complaint> {
    let made = project::make(new, &Sdk::of(sdk))
        .map_err(|error| Complaint(error.to_string(), error.exit_code()))?;
    let (folder, template) = (new.folder.display(), new.template);
    let project::Made { language, title, files } = made;
    print(&format!(
        "{folder}: {template} in {title}, files: {files}. Now:\n  cd {folder}\n  sandloop doctor {language}\n  sandloop dev\n"
    ));
    Ok(ExitCode::SUCCESS)
}

/// `sandloop dev [FILE]`
pub fn dev(
    file: &Path,
    filter: Option<Filter>,
    signals: &SignalWatch,
) -> Result<ExitCode, Complaint> {
    // A configuration that cannot be parsed is waited for.
    let config = Config::load(file).ok();
    let level = config.as_ref().map_or(LogLevel::Info, |config| config.host.log);
    let _log = start_log(config.as_ref(), level, filter)?;
    Ok(dev::dev(file, signals)?)
}

/// `sandloop doctor [LANG]...`
pub fn doctor(languages: &[String], sdk: Option<&Path>) -> Result<ExitCode, Complaint> {
    let found =
        doctor::look(&Sdk::of(sdk), languages).map_err(|error| Complaint(error.to_string(), 2))?;
    print(&found.to_string());
    Ok(if found.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
