//! `sandloop test`.

use std::path::{Path, PathBuf};

use clap::Args;
use sandloop_host::author::transcript::run::{RunError, Verdict, Wanted, play_all};

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// The configuration, if a file ends in .toml, by default plugins.toml; transcripts, or folders of them, by default
    /// tests/*.transcript beside the configuration.
    files: Vec<PathBuf>,
    /// Load only this plugin.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Play only transcripts with this text in their path.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Plays them; `print` gets the result of each.
pub(super) fn play(
    arguments: &TestArguments,
    print: impl FnMut(&str),
) -> Result<Verdict, RunError> {
    let is_configuration =
        |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let (configurations, transcripts): (Vec<&PathBuf>, Vec<&PathBuf>) =
        arguments.files.iter().partition(is_configuration);
    let file = match *configurations {
        [] => Path::new("plugins.toml"),
        [file] => file,
        _ => return Err(RunError::Asked("there is one configuration at a time".to_owned())),
    };
    let transcripts: Vec<PathBuf> = transcripts.into_iter().cloned().collect();
    let wanted = Wanted {
        file,
        transcripts: &transcripts,
        plugin: arguments.plugin.as_deref(),
        only: arguments.only.as_deref(),
    };
    play_all(&wanted, print)
}
