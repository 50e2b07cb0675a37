//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sandloop_host::config::explain::Explained;
use sandloop_host::config::model::{CompileCache, Config, LogLevel};
use sandloop_host::engine::compile::{apart, bounds};
use sandloop_host::engine::settings::CodeSettings;
use sandloop_host::engine::{compile, inspect};
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
    /// Compile every component of a configuration into its compile cache, ahead of a start; serve nothing.
    Compile {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
    },
    /// Tell what a component is: its world, what it imports, what it lacks, why it would be refused.
    Inspect {
        /// The component.
        file: PathBuf,
    },
    /// Compile standard input to standard output for the host that has started this process.
    #[command(name = bounds::COMMAND, hide = true)]
    CompileApart {
        /// What decides the code.
        settings: CodeSettings,
        /// Bytes of memory.
        memory: u64,
        /// Seconds of CPU time.
        seconds: u64,
        /// The host's process id.
        parent: u32,
    },
}

impl Arguments {
    /// Does what was asked.
    pub fn execute(&self) -> ExitCode {
        compile::in_processes();
        if let Err(error) = run::signals::outlive_file_size_limit() {
            eprintln!("warning: SIGXFSZ: {error}");
        }
        let result = match &self.command {
            CliCommand::Run { file } => run(file),
            CliCommand::Check { file, explain } => check(file, *explain),
            CliCommand::Compile { file } => fill(file),
            CliCommand::Inspect { file } => return inspect_file(file),
            CliCommand::CompileApart { settings, memory, seconds, parent } => {
                return compile_apart(*settings, *memory, *seconds, *parent);
            }
        };
        result.unwrap_or_else(|error| {
            eprintln!("error: {error}");
            error.exit_code().into()
        })
    }
}

fn run(file: &Path) -> Result<ExitCode, StartError> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = log::start(config.host.log);
    run::serve(&config)
}

fn check(file: &Path, explain: bool) -> Result<ExitCode, StartError> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = log::start(LogLevel::Warn);
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

fn fill(file: &Path) -> Result<ExitCode, StartError> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = log::start(config.host.log);
    for filled in run::fill::fill(&config)? {
        println!("{filled}");
    }
    Ok(ExitCode::SUCCESS)
}

fn compile_apart(settings: CodeSettings, memory: u64, seconds: u64, parent: u32) -> ExitCode {
    match apart::compile(settings, memory, seconds, parent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn inspect_file(file: &Path) -> ExitCode {
    let _log = log::start(LogLevel::Warn);
    match inspect::file(file, &CompileCache::Default) {
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
