//! A language for plugins, as its `language.toml` describes it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::author::sdk::Sdk;
use crate::config::keys;

/// The file that describes a language, in its folder.
const FILE: &str = "language.toml";
/// The template that is a program; it may have build keys of its own.
const PROGRAM: &str = "client";
/// The folder of files that every template has.
pub(super) const COMMON: &str = "common";

/// A language.
#[derive(Debug, Clone, Deserialize)]
pub struct Language {
    /// Its name for `--lang`, and its folder.
    pub name: String,
    /// Other names for `--lang`.
    #[serde(default)]
    pub also: Vec<String>,
    /// Its name in texts.
    pub title: String,
    /// The files and folders that are copied into a project, with their destinations.
    #[serde(default)]
    pub copies: BTreeMap<String, String>,
    /// The tools that a build needs, in the order of their installation.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Names that its compiler does not accept for a project.
    #[serde(default)]
    pub reserved: Vec<String>,
    /// The build keys of a project.
    build: toml::Table,
}

/// A tool that a language needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Tool {
    /// Its description.
    pub what: String,
    /// The shell command that checks it.
    #[serde(rename = "try")]
    pub attempt: String,
    /// A text that the output of the command contains.
    #[serde(default)]
    pub expect: String,
    /// The command that installs it.
    pub install: String,
}

/// The build keys of a project, with placeholders.
#[derive(Debug, Clone, Deserialize)]
pub struct BuildKeys {
    pub(super) command: String,
    pub(super) component: String,
    pub(super) output: Option<String>,
    #[serde(default)]
    pub(super) watch: Vec<String>,
    pub(super) adapter: Option<String>,
}

/// Why a language or template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LanguageError {
    /// There is no such language.
    #[error("there is no language {0:?}; {1}")]
    Unknown(String, String),
    /// The description of the language is wrong.
    #[error("sdk/{0}/language.toml: {1}")]
    Description(String, String),
    /// The language has no such template.
    #[error("{language} has no template {template:?}; {remedy}")]
    NoTemplate {
        /// The language.
        language: String,
        /// The name of the template.
        template: String,
        /// The templates that exist.
        remedy: String,
    },
}

impl Language {
    /// All languages, sorted by name.
    ///
    /// # Errors
    /// When the description of one is wrong.
    pub fn all(sdk: &Sdk) -> Result<Vec<Language>, LanguageError> {
        let files = sdk.below("sdk").into_iter();
        let described = files.filter_map(|(path, bytes)| {
            let (folder, file) = path.split_once('/')?;
            (file == FILE).then(|| (folder.to_owned(), bytes))
        });
        let read = |(folder, bytes): (String, Vec<u8>)| {
            let text = String::from_utf8_lossy(&bytes);
            toml::from_str(&text)
                .map_err(|error| LanguageError::Description(folder, error.to_string()))
        };
        described.map(read).collect()
    }

    /// The language of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(sdk: &Sdk, name: &str) -> Result<Language, LanguageError> {
        let all = Language::all(sdk)?;
        let wanted = name.to_lowercase();
        let is_it = |it: &&Language| it.name == wanted || it.also.contains(&wanted);
        if let Some(found) = all.iter().find(is_it) {
            return Ok(found.clone());
        }
        let also = all.iter().flat_map(|it| it.also.iter());
        let known: Vec<&str> =
            all.iter().map(|it| &it.name).chain(also).map(String::as_str).collect();
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        Err(LanguageError::Unknown(name.to_owned(), remedy(&wanted, &known, &names)))
    }

    /// The names of its templates.
    pub fn templates(&self, sdk: &Sdk) -> Vec<String> {
        let files = sdk.below(&format!("sdk/{}/templates", self.name)).into_iter();
        let mut names: Vec<String> =
            files.filter_map(|(path, _)| Some(path.split_once('/')?.0.to_owned())).collect();
        names.dedup();
        names.retain(|name| name != COMMON);
        names
    }

    /// Checks that it has this template.
    pub(super) fn check_template(&self, sdk: &Sdk, template: &str) -> Result<(), LanguageError> {
        let names = self.templates(sdk);
        if names.iter().any(|name| name == template) {
            return Ok(());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Err(LanguageError::NoTemplate {
            language: self.title.clone(),
            template: template.to_owned(),
            remedy: remedy(template, &names, &names),
        })
    }

    /// The build keys of a project with this template.
    pub(super) fn build(&self, template: &str) -> Result<BuildKeys, LanguageError> {
        let mut keys = self.build.clone();
        let of_program = keys.remove("program");
        if let Some(toml::Value::Table(of_program)) = of_program
            && template == PROGRAM
        {
            keys.extend(of_program);
        }
        let wrong = |error: toml::de::Error| {
            LanguageError::Description(self.name.clone(), error.message().to_owned())
        };
        toml::Value::Table(keys).try_into().map_err(wrong)
    }
}

/// The most similar name, and all names.
fn remedy(written: &str, known: &[&str], names: &[&str]) -> String {
    let all = names.join(", ");
    match keys::nearest(written, known) {
        Some(near) => format!("did you mean {near:?}? There are {all}"),
        None => format!("there are {all}"),
    }
}
