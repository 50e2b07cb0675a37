//! `plugins.toml`: what to run, read once before anything else happens.
//!
//! Two steps: `raw` mirrors the file key by key, `resolve` turns the mirror into a
//! [`Config`] that cannot be wrong. Every bound and its default lives in `limits`.

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
    /// Reads and resolves `file` and those that it includes.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        Config::parse(file, &read(file)?)
    }

    /// As [`Config::load`], for one who writes plugins: backtraces have lines, and code is there soon rather than fast. He says
    /// himself when a file has changed.
    pub fn load_for_author(file: &Path) -> Result<Config, ConfigError> {
        let mut config = Config::load(file)?;
        config.host.backtraces = Backtraces::Lines;
        config.host.is_for_author = true;
        config.host.reload_on_change = false;
        Ok(config)
    }

    /// The same configuration as its files have it now.
    pub(crate) fn read_again(&self) -> Result<Config, ConfigError> {
        let is_for_author = self.host.is_for_author;
        if is_for_author { Config::load_for_author(&self.file) } else { Config::load(&self.file) }
    }

    /// Resolves `text` as if it had been read from `file`: relative paths start at the folder of
    /// `file`, and errors name it. The files that it includes are read.
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

    /// A fault of this key: at the place where it is written, or else at the beginning of the main file.
    pub(crate) fn wrong(&self, key: &str, problem: Problem) -> ConfigError {
        let (file, line) = match self.origins.find_near(key) {
            Some(origin) => (origin.file.clone(), origin.line),
            None => (self.file.clone(), 1),
        };
        ConfigError::Invalid { file, line, key: key.to_owned(), problem }
    }
}

/// One file of a configuration, and its mirror.
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
