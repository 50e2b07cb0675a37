//! The command line.

pub(crate) mod answer;
mod author;
mod signatures;
mod transcripts;
mod watching;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use sandloop_host::author::project::NewProject;
use sandloop_host::config::explain::Explained;
use sandloop_host::config::model::{CompileCache, Config, LogFormat, LogLevel};
use sandloop_host::config::schema;
use sandloop_host::engine::compile::{apart, bounds};
use sandloop_host::engine::settings::CodeSettings;
use sandloop_host::engine::{compile, inspect};
use sandloop_host::log::filter::{self, Filter};
use sandloop_host::log::{Log, Settings};
use sandloop_host::run::error::StartError;
use sandloop_host::run::notify::ServiceManager;
use sandloop_host::run::signals::{self, SignalWatch};
use sandloop_host::{log, run};

use crate::cli::answer::{Complaint, failed, print, print_line, shown};

/// A sandboxed event loop: serves network protocols whose handlers are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "sandloop", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: CliCommand,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  stopped as asked, or the file is good
  1  the host failed: the operating system refused something, or every program has ended; the command of
     a build failed; a transcript has not passed; something is missing that `doctor` has looked for
  2  the command line, SANDLOOP_LOG or the configuration is wrong
  3  a plugin cannot be loaded
  4  an address cannot be served
  129, 130, 143  SIGHUP, SIGINT or SIGTERM ended it before it served, or the second of them at once
What cannot be written to standard output or standard error changes no exit code.

The log goes to standard error; SANDLOOP_LOG overrides its level: error, warn, info, debug, trace or
off, or a level for parts of the host, as in SANDLOOP_LOG=info,sandloop_host::net=debug.";

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Serve a configuration, by default plugins.toml, until SIGINT or SIGTERM.
    Run {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
        /// Take over the listeners of the host that serves, which is found at the path `handover` of `[host]` and drains then;
        /// without such a host, start as usual.
        #[arg(long)]
        take_over: bool,
    },
    /// Check a configuration, by default plugins.toml: read it, load and link every plugin, serve nothing.
    Check {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
        /// Print every bound: its value, the line that sets it or that it is a default, and what happens when it is reached.
        #[arg(long)]
        explain: bool,
        /// Simulate one connection of each handler that a listener names, and report traps.
        #[arg(long = "try")]
        tries: bool,
    },
    /// Compile every component of a configuration into its compile cache, before a start; serve nothing.
    Compile {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
    },
    /// Make a project: a plugin in one of the languages, from a template inside this program.
    New {
        /// Its folder, whose last part is its name: a letter of a to z, then letters, digits and -.
        folder: PathBuf,
        /// The language; an unknown one is answered with the list.
        #[arg(long, short)]
        lang: String,
        /// The template: echo, chat, lines, client, deferred, http.
        #[arg(long, short, default_value = "echo")]
        template: String,
        /// Take languages and templates from this folder, which has the form of the repository's `sdk`.
        #[arg(long, hide = true)]
        sdk: Option<PathBuf>,
    },
    /// Build the plugins of a configuration and serve it; build and reload what changes: new connections get the new version.
    Dev {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
    },
    /// Print which tools of a language are installed, and how to install the others.
    Doctor {
        /// The languages; by default all.
        #[arg(value_name = "LANG")]
        languages: Vec<String>,
        /// A language, as the option of `new`.
        #[arg(long, short)]
        lang: Vec<String>,
        /// Take languages from this folder, which has the form of the repository's `sdk`.
        #[arg(long, hide = true)]
        sdk: Option<PathBuf>,
    },
    /// Build the components of a configuration by the commands of its sections `[plugins.<name>.build]`.
    Build {
        /// The configuration, if the first word ends with `.toml`, otherwise plugins.toml; then the plugins, by default all that
        /// have such a section.
        #[arg(value_names = ["FILE", "PLUGIN"])]
        words: Vec<String>,
    },
    /// Fetch every component of a configuration that is not a local file into its store, before a start.
    Pull {
        /// The configuration.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
    },
    /// Sign a component: write FILE.minisig beside it, which `minisign` and `sandloop verify` check.
    Sign {
        /// The component.
        file: PathBuf,
        /// A secret key of minisign without a password, as `minisign -G -W` makes it.
        #[arg(long, short)]
        key: PathBuf,
        /// The trusted comment, which is signed too and shown by the verification, instead of the time and the file's name.
        #[arg(long, short)]
        comment: Option<String>,
    },
    /// Check the signature beside a component, FILE.minisig.
    Verify {
        /// The component.
        file: PathBuf,
        /// A public key of minisign, or the path of its file; may be given several times.
        #[arg(long, short, required = true)]
        key: Vec<String>,
    },
    /// Have a running host reload its configuration; its log has the result.
    Reload {
        /// The process id of the host.
        #[arg(long)]
        pid: i32,
    },
    /// Describe a component: its world, its imports, missing exports, and why it would be refused.
    Inspect {
        /// The component.
        file: PathBuf,
    },
    /// Write the manual pages of these commands into a folder, for packages.
    #[command(hide = true)]
    Manual {
        /// The folder, which must exist.
        folder: PathBuf,
    },
    /// Show the state of a running host, by its admin listener: plugins and tenants, the last denials and traps.
    Top {
        /// The configuration of that host.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
        /// Print once, with the rates since the start of the host, instead of every two seconds.
        #[arg(long)]
        once: bool,
        /// The port of the admin listener, as the host's log says, if the configuration leaves it to the system.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Check by its admin listener whether every reactor of a running host turns. For health checks.
    Health {
        /// The configuration of that host.
        #[arg(default_value = "plugins.toml")]
        file: PathBuf,
        /// Check readiness instead: whether it serves and is not stopping.
        #[arg(long)]
        ready: bool,
        /// The port of the admin listener, as the host's log says, if the configuration leaves it to the system.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Play transcripts: the input of peers, the passing of time, and the expected output; docs/testing.md describes them.
    Test(transcripts::TestArguments),
    /// Print the JSON Schema of plugins.toml, with which editors complete and check the file.
    Schema,
    /// Compile standard input to standard output for the host that has started this process.
    #[command(name = bounds::COMMAND, hide = true)]
    CompileApart {
        /// The settings that determine the code.
        settings: CodeSettings,
        /// Bytes of memory.
        memory: u64,
        /// Seconds of CPU time.
        seconds: u64,
        /// The host's process id.
        parent: u32,
    },
}

/// Runs the command.
pub fn run(signals: &SignalWatch) -> ExitCode {
    match execute(&Arguments::parse().command, signals) {
        Ok(code) => code,
        Err(Complaint(cause, code)) => failed(&cause, code),
    }
}

fn execute(command: &CliCommand, signals: &SignalWatch) -> Result<ExitCode, Complaint> {
    compile::in_processes();
    if let CliCommand::CompileApart { settings, memory, seconds, parent } = command {
        return Ok(compile_apart(*settings, *memory, *seconds, *parent));
    }
    let filter = filter::from_environment().map_err(|error| Complaint(error.to_string(), 2))?;
    match command {
        CliCommand::Run { file, take_over } => serve(file, filter, signals, *take_over),
        CliCommand::Check { file, explain, tries } => check(file, filter, *explain, *tries),
        CliCommand::Compile { file } => fill(file, filter),
        CliCommand::New { folder, lang, template, sdk } => {
            author::new(&NewProject { folder, language: lang, template }, sdk.as_deref())
        }
        CliCommand::Dev { file } => author::dev(file, filter, signals),
        CliCommand::Doctor { languages, lang, sdk } => {
            author::doctor(&[&**languages, lang].concat(), sdk.as_deref())
        }
        CliCommand::Build { words } => author::build(words, filter),
        CliCommand::Pull { file } => pull(file, filter),
        CliCommand::Sign { file, key, comment } => {
            let signed = signatures::sign(file, key, comment.as_deref());
            told(signed, 2)
        }
        CliCommand::Verify { file, key } => told(signatures::verify(file, key), 3),
        CliCommand::Inspect { file } => inspect_file(file, filter),
        CliCommand::Reload { pid } => reload(*pid),
        CliCommand::Manual { folder } => manual(folder),
        CliCommand::Top { file, once, port } => watching::top(file, *once, *port),
        CliCommand::Health { file, ready, port } => watching::health(file, *ready, *port),
        CliCommand::Test(arguments) => test(arguments),
        CliCommand::Schema => {
            print(&format!("{:#}\n", schema::schema()));
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::CompileApart { .. } => Ok(ExitCode::FAILURE),
    }
}

fn serve(
    file: &Path,
    filter: Option<Filter>,
    signals: &SignalWatch,
    takes_over: bool,
) -> Result<ExitCode, Complaint> {
    let manager = ServiceManager::of_environment();
    let tell = |error: StartError| {
        manager.failed(&error.to_string());
        Complaint::from(error)
    };
    let config = Config::load(file).map_err(StartError::Config).map_err(tell)?;
    let _log = start_log(Some(&config), config.host.log, filter).map_err(tell)?;
    log_doubts(&config);
    if takes_over && config.host.handover.is_none() {
        let cause = format!(
            "{}: --take-over needs a path: write handover = \"/run/sandloop/handover.sock\" under [host]",
            file.display()
        );
        return Err(Complaint(cause, 2));
    }
    run::serve(&config, signals, &manager, takes_over, |_| Ok(())).map_err(tell)
}

fn check(
    file: &Path,
    filter: Option<Filter>,
    explain: bool,
    tries: bool,
) -> Result<ExitCode, Complaint> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = start_log(Some(&config), LogLevel::Warn, filter)?;
    log_doubts(&config);
    run::check(&config, tries)?;
    let explained = if explain { Explained(&config).to_string() } else { String::new() };
    let (plugins, listeners) = (config.plugins.len(), config.listeners.len());
    let file = file.display();
    let good = format_args!("{file}: good: plugins: {plugins}, listeners: {listeners}");
    print(&format!("{explained}{}\n", shown(good)));
    Ok(ExitCode::SUCCESS)
}

fn test(arguments: &transcripts::TestArguments) -> Result<ExitCode, Complaint> {
    let verdict = transcripts::play(arguments, print);
    let verdict = verdict.map_err(|error| Complaint(error.to_string(), error.exit_code()))?;
    print(&format!("{verdict}\n"));
    Ok(if verdict.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn fill(file: &Path, filter: Option<Filter>) -> Result<ExitCode, Complaint> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = start_log(Some(&config), config.host.log, filter)?;
    log_doubts(&config);
    for filled in run::fill::fill(&config)? {
        print_line(filled);
    }
    Ok(ExitCode::SUCCESS)
}

fn manual(folder: &Path) -> Result<ExitCode, Complaint> {
    clap_mangen::generate_to(Arguments::command(), folder)
        .map_err(|error| Complaint(format!("{}: {error}", folder.display()), 1))?;
    Ok(ExitCode::SUCCESS)
}

fn pull(file: &Path, filter: Option<Filter>) -> Result<ExitCode, Complaint> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let _log = start_log(Some(&config), config.host.log, filter)?;
    log_doubts(&config);
    for pulled in run::pull::pull(&config)? {
        print_line(pulled);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints one line, or returns the error with this exit code.
fn told(outcome: Result<String, String>, code: u8) -> Result<ExitCode, Complaint> {
    print_line(outcome.map_err(|cause| Complaint(cause, code))?);
    Ok(ExitCode::SUCCESS)
}

fn compile_apart(settings: CodeSettings, memory: u64, seconds: u64, parent: u32) -> ExitCode {
    match apart::compile(settings, memory, seconds, parent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the log with the bounds of a configuration, or with the default ones.
fn start_log(
    config: Option<&Config>,
    level: LogLevel,
    filter: Option<Filter>,
) -> Result<Log, StartError> {
    let (log_queue, stdout_queue) = config.map_or(log::QUEUES, |config| {
        (config.host.limits.log_queue, config.host.limits.stdout_queue)
    });
    let format = config.map_or(LogFormat::default(), |config| config.host.log_format);
    let settings = Settings { filter, level, format, log_queue, stdout_queue };
    log::start(settings).map_err(StartError::thread("the log"))
}

fn log_doubts(config: &Config) {
    for doubt in &config.doubts {
        tracing::warn!("{doubt}");
    }
}

fn reload(pid: i32) -> Result<ExitCode, Complaint> {
    signals::ask_to_reload(pid)
        .map_err(|error| Complaint(format!("the process {pid} cannot be asked: {error}"), 1))?;
    print("asked: the log of the host says what became of it\n");
    Ok(ExitCode::SUCCESS)
}

fn inspect_file(file: &Path, filter: Option<Filter>) -> Result<ExitCode, Complaint> {
    let _log = start_log(None, LogLevel::Warn, filter)?;
    let report = inspect::file(file, &CompileCache::Default)
        .map_err(|fault| Complaint(format!("{}: {fault}", file.display()), 3))?;
    print(&report.to_string());
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { 3.into() })
}
