//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sandloop_host::config::explain::Explained;
use sandloop_host::config::model::{Config, LogLevel};
use sandloop_host::engine::inspect;
use sandloop_host::log::{Log, Settings};
use sandloop_host::run::error::StartError;
use sandloop_host::{log, run};

/// A sandboxed event loop: serves network protocols whose handlers are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "sandloop", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Arguments {
    #[command(subcommand)]
    command: CliCommand,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  stopped as asked, or the file is good
  1  the host failed: the operating system refused something, or every program has ended
  2  the command line or the configuration is wrong
  3  a plugin cannot be loaded
  4  an address cannot be served
  130, 143  a second SIGINT or SIGTERM ended it at once

The log goes to standard error; SANDLOOP_LOG overrides its level, in the form of
tracing's filters, for example SANDLOOP_LOG=debug.";

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Serve a configuration, plugins.toml unless another is named, until SIGINT or SIGTERM.
    Run {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
    },
    /// Check a configuration, plugins.toml unless another is named: read it, load and link every plugin, serve nothing.
    Check {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
        /// Print every bound: its value, the line that sets it or that it is a default, and what happens at it.
        #[arg(long)]
        explain: bool,
    },
    /// Tell what a component is: its world, what it imports, what it lacks, why it would be refused.
    Inspect {
        /// The component.
        file: PathBuf,
    },
}

impl Arguments {
    /// Does what was asked.
    pub fn execute(&self) -> ExitCode {
        let result = match &self.command {
            CliCommand::Run { file } => run(file),
            CliCommand::Check { file, explain } => check(file, *explain),
            CliCommand::Inspect { file } => return inspect_file(file),
        };
        result.unwrap_or_else(|error| {
            eprintln!("error: {error}");
            error.exit_code().into()
        })
    }
}

fn run(file: &Path) -> Result<ExitCode, StartError> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = start_log(&config, config.host.log)?;
    run::serve(&config)
}

fn start_log(config: &Config, level: LogLevel) -> Result<Log, StartError> {
    let (log_queue, stdout_queue) = (config.host.log_queue, config.host.stdout_queue);
    let started = log::start(Settings { level, log_queue, stdout_queue });
    started.map_err(|error| StartError::Internal(format!("starting the log's thread: {error}")))
}

fn check(file: &Path, explain: bool) -> Result<ExitCode, StartError> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = start_log(&config, LogLevel::Warn)?;
    run::check(&config)?;
    if explain {
        print!("{}", Explained(&config));
    }
    println!(
        "{}: good: plugins: {}, listeners: {}",
        file.display(),
        config.plugins.len(),
        config.listeners.len()
    );
    Ok(ExitCode::SUCCESS)
}

fn inspect_file(file: &Path) -> ExitCode {
    match inspect::file(file) {
        Ok(report) => {
            print!("{report}");
            if report.faults.is_empty() { ExitCode::SUCCESS } else { 3.into() }
        }
        Err(fault) => {
            eprintln!("error: {}: {fault}", file.display());
            3.into()
        }
    }
}
