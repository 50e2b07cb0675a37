//! What cargo knows about the workspace.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::step::{cargo, read};

/// A member of the workspace.
pub struct Package {
    /// Cargo's own name for it, as build messages give it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub directory: PathBuf,
    /// Its programs.
    pub binaries: Vec<String>,
}

/// Every member of the workspace.
pub fn packages() -> Result<Vec<Package>> {
    let json = read(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let json: Value = serde_json::from_slice(&json)?;
    let packages = json["packages"].as_array().context("cargo metadata has no packages")?;
    Ok(packages.iter().map(package).collect())
}

fn package(json: &Value) -> Package {
    let targets = json["targets"].as_array().into_iter().flatten();
    let binaries = targets.filter(|target| holds(&target["kind"], "bin"));
    Package {
        id: text(&json["id"]),
        name: text(&json["name"]),
        directory: PathBuf::from(text(&json["manifest_path"])).parent().unwrap().to_owned(),
        binaries: binaries.map(|target| text(&target["name"])).collect(),
    }
}

/// Whether a list of strings has this one.
pub fn holds(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|item| item == wanted))
}

/// A string, or nothing.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
