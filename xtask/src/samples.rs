//! `target/samples/LANGUAGE-TEMPLATE`: every template of every language as an author has it, by `sandloop new` and `sandloop build`.
//!
//! The folders of `sdk/` say what there is: a language needs nothing here, except to be begun early if it takes long.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::root::{root, target};
use crate::step::{in_parallel, run};

/// The folder of files that every template has.
const COMMON: &str = "common";
/// What the samples are made of besides their language's folder.
const INPUTS: &[&str] =
    &["Cargo.lock", "codecs", "host/src/author", "sdk/samples", "sdk/templates", "wit"];

/// The languages whose samples take the longest: each brings an interpreter, or compiles libraries.
const LONGEST: &[&str] = &["python", "rust"];

/// As much of a `language.toml` as is needed here.
#[derive(Deserialize)]
struct Description {
    build: Build,
}

#[derive(Deserialize)]
struct Build {
    /// Folders of a project that all samples of the language share: dependencies that were fetched or compiled.
    #[serde(default)]
    caches: Vec<String>,
}

/// Makes and builds the samples of these languages, or of all, with this host; those whose inputs have not changed stay.
pub fn build(sandloop: &Path, languages: &[String]) -> Result<()> {
    let all = languages_of_sdk()?;
    if let Some(unknown) = languages.iter().find(|name| !all.contains(name)) {
        bail!("there is no language `{unknown}` below sdk/; there are {}", all.join(", "));
    }
    let is_wanted = |name: &&String| languages.is_empty() || languages.contains(name);
    let wanted: Vec<&String> = all.iter().filter(is_wanted).collect();
    in_parallel(&wanted, |language| build_language(sandloop, language)).map(drop)
}

/// Makes those of one language, one after the other: they share its caches.
fn build_language(sandloop: &Path, language: &str) -> Result<()> {
    let stale = stale(language)?;
    if stale.is_empty() {
        eprintln!("    {language}: as before");
        return Ok(());
    }
    check_tools(sandloop, language)?;
    for sample in stale {
        sample.build(sandloop).with_context(|| format!("the sample {}", sample.name()))?;
    }
    Ok(())
}

/// The folders of `sdk/` that describe a language, those that take the longest first, so that none is left for the end.
fn languages_of_sdk() -> Result<Vec<String>> {
    let mut names = folders(&root().join("sdk"))?;
    names.retain(|name| root().join("sdk").join(name).join("language.toml").exists());
    names.sort_by_key(|name| LONGEST.iter().position(|it| it == name).unwrap_or(LONGEST.len()));
    Ok(names)
}

fn folders(path: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a language can be built here. What is missing is told by the product's own command.
fn check_tools(sandloop: &Path, language: &str) -> Result<()> {
    let mut doctor = Command::new(sandloop);
    run(doctor.args(["doctor", language, "--sdk"]).arg(root().join("sdk")))
}

/// One template in one language.
struct Sample {
    language: String,
    template: String,
    /// A digest of everything that it is made of.
    inputs: u64,
    caches: Vec<String>,
}

/// The samples of a language that are not there, or were made of something else.
fn stale(language: &str) -> Result<Vec<Sample>> {
    let folder = root().join("sdk").join(language);
    let text = fs::read_to_string(folder.join("language.toml"))?;
    let description: Description = toml::from_str(&text)
        .with_context(|| format!("sdk/{language}/language.toml is not as it should be"))?;
    let inputs: Vec<PathBuf> =
        INPUTS.iter().map(|input| root().join(input)).chain([folder.clone()]).collect();
    let inputs = digest_of(&inputs.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let templates = folders(&folder.join("templates"))?;
    let samples = templates.into_iter().filter(|template| template != COMMON).map(|template| {
        let caches = description.build.caches.clone();
        Sample { language: language.to_owned(), template, inputs, caches }
    });
    Ok(samples.filter(|sample| !sample.is_there()).collect())
}

/// A digest of these files and folders.
pub fn digest_of(inputs: &[&Path]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    inputs.iter().try_for_each(|input| digest(input, &mut hasher))?;
    Ok(hasher.finish())
}

/// The compiler that the samples in Python have, if they are made.
pub fn python_compiler() -> Option<PathBuf> {
    let compiler = samples().join("caches/python/.venv/bin/componentize-py");
    compiler.exists().then_some(compiler)
}

/// Takes in a file, or all files of a folder, by path and content.
fn digest(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    if path.is_dir() {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.sort();
        let is_own = |path: &&PathBuf| !path.ends_with("node_modules") && !path.ends_with("target");
        return paths.iter().filter(is_own).try_for_each(|path| digest(path, hasher));
    }
    path.hash(hasher);
    // What is not there yet is an input as well.
    fs::read(path).ok().hash(hasher);
    Ok(())
}

impl Sample {
    fn name(&self) -> String {
        format!("{}-{}", self.language, self.template)
    }

    fn folder(&self) -> PathBuf {
        samples().join(self.name())
    }

    /// Where it stands what the sample was made of.
    fn stamp(&self) -> PathBuf {
        samples().join(format!("{}.inputs", self.name()))
    }

    fn is_there(&self) -> bool {
        fs::read_to_string(self.stamp()).is_ok_and(|inputs| inputs == self.inputs.to_string())
    }

    fn build(&self, sandloop: &Path) -> Result<()> {
        let folder = self.folder();
        if folder.exists() {
            // Its links to caches are removed, and what they lead to is not.
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(samples())?;
        let mut new = Command::new(sandloop);
        new.arg("new").arg(&folder).args(["--lang", &self.language, "--template", &self.template]);
        run(new.arg("--sdk").arg(root().join("sdk")))?;
        let shared = samples().join("caches").join(&self.language);
        fs::create_dir_all(&shared)?;
        let (there, missing): (Vec<_>, Vec<_>) =
            self.caches.iter().partition(|cache| shared.join(cache).exists());
        for cache in there {
            symlink(shared.join(cache), folder.join(cache))?;
        }
        run(Command::new(sandloop).arg("build").current_dir(&folder))?;
        // An interpreter takes its time; whoever waits for a host does not have to wait for that as well.
        run(Command::new(sandloop).arg("compile").current_dir(&folder))?;
        // What the first one has fetched or compiled is there for the others.
        for cache in missing {
            fs::rename(folder.join(cache), shared.join(cache))?;
            symlink(shared.join(cache), folder.join(cache))?;
        }
        fs::write(self.stamp(), self.inputs.to_string())?;
        Ok(())
    }
}

/// Where they are.
fn samples() -> PathBuf {
    target().join("samples")
}
