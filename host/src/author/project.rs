//! `sandloop new`: a project from a template.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::author::build::{NotWritten, write};
use crate::author::language::{BuildKeys, COMMON, Language, LanguageError};
use crate::author::sdk::Sdk;
use crate::base::refusal::SystemRefusal;
use crate::config::names::NAME_BYTES_MAX;
use crate::contract;

/// The request for a project.
#[derive(Debug, Clone)]
pub struct NewProject<'a> {
    /// Its folder, whose last part is the name of the project.
    pub folder: &'a Path,
    /// The language.
    pub language: &'a str,
    /// The template.
    pub template: &'a str,
}

/// A new project.
#[derive(Debug)]
pub struct Made {
    /// The language's name, for other commands.
    pub language: String,
    /// The language's name in texts.
    pub title: String,
    /// The number of its files.
    pub files: usize,
}

/// Why a project cannot be made. No file of it remains.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name is invalid.
    #[error(
        "{0:?} is not the name of a project; write a letter of a to z, then letters, digits and -, at most {max}, as \
         in \"hello\"",
        max = NAME_BYTES_MAX
    )]
    Name(String),
    /// The compiler of the language does not accept the name.
    #[error("{1} has a use of its own for {0:?}; take another name")]
    Reserved(String, String),
    /// There is no such language or template.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// The folder is not empty.
    #[error("{} is there already, and not empty; nothing in it is touched: take another name, or another folder", .0.display())]
    Taken(PathBuf),
    /// The path is not a folder, or a dangling link.
    #[error("{} is there already, and no folder; take another name, or another folder", .0.display())]
    NoFolder(PathBuf),
    /// The path cannot be examined.
    #[error(
        "{path}: this cannot be the folder of a project: {}",
        SystemRefusal::new(.1, "choose a place where this user may make a folder"),
        path = .0.display()
    )]
    Place(PathBuf, io::Error),
    /// A file that the language's description names does not exist.
    #[error("sdk/{0}/language.toml: copies: there is no {1}")]
    NoSource(String, String),
    /// A file cannot be written.
    #[error("{}", NotWritten(.0, .1))]
    Write(PathBuf, io::Error),
}

impl NewError {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, NewError::Write(..) | NewError::Place(..)) { 1 } else { 2 }
    }
}

/// Makes a project.
///
/// # Errors
/// When a source of it does not exist, or its folder is not empty.
pub fn make(new: &NewProject<'_>, sdk: &Sdk) -> Result<Made, NewError> {
    let name = new.folder.file_name().unwrap_or_default().to_string_lossy();
    check_name(&name)?;
    let language = Language::find(sdk, new.language)?;
    if language.reserved.iter().any(|reserved| **reserved == name) {
        return Err(NewError::Reserved(name.into_owned(), language.title));
    }
    language.check_template(sdk, new.template)?;
    let files = files(&name, &language, new.template, sdk)?;
    let is_there = check_place(new.folder)?;
    for (path, bytes) in &files {
        let path = new.folder.join(path);
        if let Err(error) = write(&path, bytes) {
            take_back(new.folder, files.keys(), is_there);
            return Err(NewError::Write(path, error));
        }
    }
    Ok(Made { language: language.name, title: language.title, files: files.len() })
}

fn check_name(name: &str) -> Result<(), NewError> {
    let is_name = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_name { Ok(()) } else { Err(NewError::Name(name.to_owned())) }
}

/// Checks that the folder is empty or can be created; returns whether it exists.
fn check_place(folder: &Path) -> Result<bool, NewError> {
    let error = match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => return Ok(true),
            Some(_) => return Err(NewError::Taken(folder.to_owned())),
        },
        Err(error) => error,
    };
    let is_there = std::fs::symlink_metadata(folder).is_ok();
    match error.kind() {
        io::ErrorKind::NotFound if !is_there => Ok(false),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if is_there => {
            Err(NewError::NoFolder(folder.to_owned()))
        }
        _ => Err(NewError::Place(folder.to_owned(), error)),
    }
}

/// Removes the files of a project, so that its folder is as it was: empty, or absent.
fn take_back<'a>(folder: &Path, files: impl Iterator<Item = &'a String>, was_there: bool) {
    let mut folders = BTreeSet::new();
    if !was_there {
        folders.insert(folder.to_owned());
    }
    for file in files {
        let file = folder.join(file);
        let above = file.ancestors().skip(1).take_while(|above| *above != folder);
        folders.extend(above.map(Path::to_owned));
        // The file may not have been written.
        let _ = std::fs::remove_file(&file);
    }
    for folder in folders.iter().rev() {
        // A folder with other files stays.
        let _ = std::fs::remove_dir(folder);
    }
}

/// Every file of the project. Files of the template replace those that all templates have.
fn files(
    name: &str,
    language: &Language,
    template: &str,
    sdk: &Sdk,
) -> Result<BTreeMap<String, Vec<u8>>, NewError> {
    let own = format!("sdk/{}", language.name);
    let words = words(name, language, template)?;
    let mut files = BTreeMap::new();
    for (source, place) in &language.copies {
        let source = folded(&format!("{own}/{source}"));
        let copied = sdk.below(&source);
        if copied.is_empty() {
            return Err(NewError::NoSource(language.name.clone(), source));
        }
        for (path, bytes) in copied {
            let path = if path.is_empty() { place.clone() } else { format!("{place}/{path}") };
            files.insert(path, bytes);
        }
    }
    for folder in [
        format!("sdk/templates/{COMMON}"),
        format!("sdk/templates/{template}"),
        format!("{own}/templates/{COMMON}"),
        format!("{own}/templates/{template}"),
    ] {
        for (path, bytes) in sdk.below(&folder) {
            let bytes = match String::from_utf8(bytes) {
                Ok(text) => filled(&text, &words).into_bytes(),
                Err(no_text) => no_text.into_bytes(),
            };
            files.insert(filled(&path, &words), bytes);
        }
    }
    for (_, expected) in sdk.below(&format!("sdk/samples/{template}.transcript")) {
        files.insert(format!("tests/{template}.transcript"), expected);
    }
    Ok(files)
}

/// The text for each placeholder; `build` and `component` come first, because their texts contain placeholders.
fn words(
    name: &str,
    language: &Language,
    template: &str,
) -> Result<Vec<(&'static str, String)>, NewError> {
    let build = language.build(template)?;
    Ok(vec![
        ("build", section(&build)),
        ("component", build.component),
        ("name", name.to_owned()),
        ("snake", name.replace('-', "_")),
        ("language", language.name.clone()),
        ("title", language.title.clone()),
        ("template", template.to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("contract", contract::VERSION.to_owned()),
    ])
}

/// The section `build` of the project's configuration.
fn section(build: &BuildKeys) -> String {
    let BuildKeys { command, component: _, output, watch, adapter } = build;
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut section = format!("[plugins.{{{{name}}}}.build]\ncommand = {}", text(command));
    // Writing to a String cannot fail.
    for (key, value) in [("output", output), ("adapter", adapter)] {
        if let Some(value) = value {
            let _ = write!(section, "\n{key} = {}", text(value));
        }
    }
    let watch: Vec<String> = watch.iter().map(|pattern| text(pattern)).collect();
    let _ = write!(section, "\nwatch = [{}]", watch.join(", "));
    section
}

fn filled(text: &str, words: &[(&str, String)]) -> String {
    let fill = |text: String, (word, value): &(&str, String)| {
        text.replace(&format!("{{{{{word}}}}}"), value)
    };
    words.iter().fold(text.to_owned(), fill)
}

/// The path without `..`.
fn folded(path: &str) -> String {
    let mut folded = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => _ = folded.pop(),
            part => folded.push(part),
        }
    }
    folded.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
