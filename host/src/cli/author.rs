//! The commands of those who write plugins.

use std::path::Path;
use std::process::ExitCode;

use sandloop_host::author::build;
use sandloop_host::clock::Clock;
use sandloop_host::config::model::Config;
use sandloop_host::log::filter::Filter;
use sandloop_host::run::error::StartError;

use super::{Complaint, log_doubts, print, start_log};

/// The configuration that is read where none is named.
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
    build::build(&config, plugins, &Clock::system(), |built| print(&format!("{built}\n")))
        .map_err(|error| Complaint(error.to_string(), error.exit_code()))?;
    Ok(ExitCode::SUCCESS)
}
