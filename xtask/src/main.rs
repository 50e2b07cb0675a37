//! `cargo xtask`: everything a developer does, from a fresh machine on. This file only dispatches.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod components;
mod conformance;
mod docs;
mod host;
mod languages;
mod packages;
mod perf;
mod profile;
mod root;
mod run;
mod samples;
mod search;
mod setup;
mod step;
mod test;
mod tidy;

use profile::Profile;

/// Builds, serves, checks and measures Sandloop. Installs what is missing first and says so.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the plugins and the host, then serves `plugins.toml` (or the file given).
    Run {
        /// The optimised host, which takes some minutes more to build.
        #[arg(long)]
        release: bool,
        /// Handed to `sandloop run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// All that CI runs: format, lints, docs, components, host, tests.
    Test {
        /// Handed to `cargo test`, such as the name of a test.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Builds every plugin, example and test guest into `target/plugins`, and the host.
    Plugins {
        /// Only the components, without the host.
        #[arg(long)]
        no_host: bool,
        /// All as the tests have it, without link-time optimisation.
        #[arg(long)]
        quick: bool,
        /// The samples in JavaScript and Python too (from npm and PyPI).
        #[arg(long)]
        all_languages: bool,
    },
    /// Runs the tests of the SDKs in JavaScript and Python (with toolchains from npm and PyPI).
    Languages,
    /// Makes and builds every template of every language, in `target/samples/LANGUAGE-TEMPLATE`.
    Samples {
        /// The languages; all of them where none is named.
        languages: Vec<String>,
    },
    /// Runs one of the measurements in `benches/`.
    Bench {
        /// The binary's name, such as `echo`.
        name: String,
        /// Handed to it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures what the host promises about time and memory, with one verdict. Wants a quiet machine.
    Perf {
        /// The host without link-time optimisation, which is built sooner.
        #[arg(long)]
        quick: bool,
        /// `--rounds NUMBER`, and parts of the names of measurements.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Runs public test suites of protocols (Autobahn, http-state, RFC 3986, probes of HTTP servers, SSLyze), with a reason for
    /// each difference.
    Conformance {
        /// The host as it is shipped, which takes some minutes more to build.
        #[arg(long)]
        release: bool,
        /// Parts of the names of suites.
        args: Vec<String>,
    },
    /// Changed configurations and components, new ones each time.
    Fuzz {
        /// How long each of the two targets goes on.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Random mixtures of hostile guests beside one that behaves, for so many minutes.
    Soak {
        /// How long each of the mixtures goes on.
        #[arg(default_value_t = 5)]
        minutes: u64,
    },
    /// Builds the binary that is shipped, in `target/dist`: stripped, its debug file beside it.
    Dist {
        /// The host of the tests, which is built sooner.
        #[arg(long)]
        quick: bool,
        /// Another processor: `aarch64-unknown-linux-gnu`, with a first exchange under an emulator.
        #[arg(long)]
        target: Option<String>,
    },
    /// Builds the Debian package, has lintian read it, and installs and runs it on a system of its own.
    Deb {
        /// The host of the tests, which is built sooner.
        #[arg(long)]
        quick: bool,
    },
    /// Builds the container image, and runs its root without any privilege.
    Image {
        /// The host of the tests, which is built sooner.
        #[arg(long)]
        quick: bool,
        /// Only puts the image's root together, in this folder.
        #[arg(long)]
        only_root: Option<PathBuf>,
    },
    /// Builds what authors depend on into `target/packages`, and tries each in a project outside the tree.
    Packages {
        /// Which of them; all if none is named.
        kinds: Vec<packages::AuthorPackage>,
    },
    /// Checks the unit files and the Kubernetes manifests.
    Manifests,
    /// Builds the API documentation of every crate.
    Docs,
    /// Only installs what the other commands need.
    Setup,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Each cause on a line of its own, the innermost last; a backtrace would say nothing more.
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  because {cause}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Run { release, args } => run::run(&args, Profile::released(release)),
        Command::Test { args } => test::test(&args),
        Command::Plugins { no_host, quick, all_languages } => {
            components::command(Profile::released(!quick), !no_host, all_languages)
        }
        Command::Languages => languages::languages(),
        Command::Samples { languages } => {
            host::build(Profile::Quick)?;
            samples::build(&host::path(Profile::Quick), &languages)
        }
        Command::Perf { quick, args } => perf::perf(&args, Profile::released(!quick)),
        Command::Conformance { release, args } => {
            conformance::conformance(&args, Profile::released(release))
        }
        Command::Fuzz { minutes } => search::fuzz(minutes),
        Command::Soak { minutes } => search::soak(minutes),
        Command::Bench { name, args } => bench::bench(&name, &args),
        Command::Dist { quick, target } => {
            packages::dist(Profile::released(!quick), target.as_deref())
        }
        Command::Deb { quick } => packages::deb(Profile::released(!quick)),
        Command::Image { quick, only_root } => {
            packages::image(Profile::released(!quick), only_root.as_deref())
        }
        Command::Packages { kinds } => packages::for_authors(&kinds),
        Command::Manifests => packages::manifests(),
        Command::Docs => docs::docs(),
        Command::Setup => setup::everything(),
    }
}
