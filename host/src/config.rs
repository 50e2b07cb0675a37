//! `plugins.toml`: parsed and checked before anything else happens.
//!
//! In two steps: `raw` mirrors the file key by key, `resolve` makes a [`Config`] of it that is valid by construction. `limits`
//! has every bound with its default.

pub mod address;
mod address_block;
mod address_value;
pub mod admin;
pub(crate) mod allow;
pub(crate) mod bound;
pub mod build;
pub(crate) mod channel;
mod choice;
pub mod cluster;
mod compile_cache;
pub mod component;
pub(crate) mod connect;
pub(crate) mod directory;
mod duplicate;
mod environment;
pub mod error;
pub mod explain;
pub mod file;
mod include;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod listen_rule;
pub mod model;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod origins;
mod overlap;
pub(crate) mod proxy_protocol;
mod quantity;
pub(crate) mod queue_lease;
mod raw;
#[cfg(test)]
pub(crate) mod reference;
pub mod registry;
pub(crate) mod reloading;
mod resolve;
pub mod schema;
mod shape;
pub(crate) mod socket_access;
mod source;
mod special_purpose;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub mod trust;
pub(crate) mod units;
mod values;
mod without;
mod written;

use std::path::{Path, PathBuf};

use self::error::{ConfigError, Problem};
use self::model::{Backtraces, Config};
use self::raw::RawFile;
use self::source::SourceText;

impl Config {
    /// Reads and resolves `file` and its included files.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        Config::parse(file, &read(file)?)
    }

    /// As [`Config::load`], for a plugin author: backtraces have lines, and code is compiled quickly rather than optimised.
    /// Changed files do not reload by themselves.
    pub fn load_for_author(file: &Path) -> Result<Config, ConfigError> {
        let mut config = Config::load(file)?;
        config.host.backtraces = Backtraces::Lines;
        config.host.is_for_author = true;
        config.host.reload_on_change = false;
        Ok(config)
    }

    /// The same configuration, from its files as they are now.
    pub(crate) fn read_again(&self) -> Result<Config, ConfigError> {
        let is_for_author = self.host.is_for_author;
        if is_for_author { Config::load_for_author(&self.file) } else { Config::load(&self.file) }
    }

    /// Resolves `text` as the contents of `file`: relative paths are relative to the folder of `file`, and errors name it.
    /// Included files are read.
    pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let main = ConfigFile::parse(file, text)?;
        let included = include::files(&main.source.top().key("include"), &main.raw.include)?;
        let included: Vec<(PathBuf, String)> = included
            .into_iter()
            .map(|file| read(&file).map(|text| (file, text)))
            .collect::<Result<_, _>>()?;
        let mut files = vec![main];
        for (included, text) in &included {
            let one = ConfigFile::parse(included, text)?;
            include::check_included(&one.source, file)?;
            files.push(one);
        }
        resolve::resolve(&files)
    }

    /// An error of this key: at its line, or at the beginning of the main file if the key is not written.
    pub(crate) fn wrong(&self, key: &str, problem: Problem) -> ConfigError {
        let (file, line) = match self.origins.find_near(key) {
            Some(origin) => (origin.file.clone(), origin.line),
            None => (self.file.clone(), 1),
        };
        ConfigError::Invalid { file, line, key: key.to_owned(), problem }
    }
}

/// A file of a configuration, with its mirror.
struct ConfigFile<'a> {
    source: SourceText<'a>,
    raw: RawFile,
}

impl<'a> ConfigFile<'a> {
    fn parse(file: &'a Path, text: &'a str) -> Result<ConfigFile<'a>, ConfigError> {
        let source = SourceText::parse(file, text)?;
        let raw = shape::read(&source, text)?;
        Ok(ConfigFile { source, raw })
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let bytes = file::read(file, file::TEXT_BYTES_MAX)
        .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| not_text(file, &error))
}

fn not_text(file: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    let problem = Problem::new("this is not UTF-8 text", "save the file as UTF-8");
    ConfigError::Invalid { file: file.to_owned(), line, key: String::new(), problem }
}
