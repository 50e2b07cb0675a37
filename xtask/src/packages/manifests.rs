//! The unit files, read by systemd's own programs, and the Kubernetes manifests, read by the schemas of Kubernetes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::folder;
use crate::root::root;
use crate::step::run;

/// What knows the schemas of Kubernetes, from PyPI.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

/// The manifests of one host and its copies, and those of hosts that are a cluster.
const FOLDERS: [&str; 2] = ["packaging/kubernetes", "packaging/kubernetes-cluster"];

/// The oldest Kubernetes that the manifests are for: the first with `sleep` in `preStop` by default.
const OLDEST: &str = "1.30";

/// Most of what systemd calls exposure, of 100. What is left is the network, which is the host's business, and code that is made
/// executable.
const EXPOSURE_MAX: &str = "20";

/// Has systemd read the units, and say what they leave open.
pub fn units() -> Result<()> {
    let folder = folder().join("units");
    std::fs::create_dir_all(&folder)?;
    let mut copies = Vec::new();
    for name in ["sandloop.service", "sandloop.socket"] {
        let text = std::fs::read_to_string(root().join("packaging/systemd").join(name))?;
        // The program is not installed on this machine, and its absence would be an error.
        let text = text.replace("/usr/bin/sandloop run", "/bin/true run");
        let copy = folder.join(name);
        std::fs::write(&copy, text)?;
        copies.push(copy);
    }
    run(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&copies))?;
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--no-pager", "--offline=true", "--threshold", EXPOSURE_MAX]);
    run(security.arg(&copies[0]).stdout(std::process::Stdio::null()))
        .with_context(|| format!("sandloop.service leaves more open than {EXPOSURE_MAX} of 100"))
}

/// Compares every manifest with the schemas, for the oldest Kubernetes and for the newest that is known.
pub fn kubernetes() -> Result<()> {
    let validator = validator()?;
    let folders = FOLDERS.iter().map(|folder| resources(&root().join(folder)));
    let all: Vec<PathBuf> = folders.collect::<Result<Vec<_>>>()?.concat();
    for version in [Some(OLDEST), None] {
        let mut validate = Command::new(&validator);
        validate.args(["--strict", "--quiet"]);
        validate.args(version.into_iter().flat_map(|version| ["--kubernetes-version", version]));
        run(validate.args(&all))?;
    }
    Ok(())
}

/// The manifests of a folder, of which its list names each. Patches are parts of manifests, and for no schema.
fn resources(folder: &Path) -> Result<Vec<PathBuf>> {
    let kustomization = std::fs::read_to_string(folder.join("kustomization.yaml"))?;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The list itself is kubectl's own, and no resource of a cluster.
        if name == "kustomization.yaml" {
            continue;
        }
        let is_patch = name.starts_with("patch-");
        let listed = if is_patch { format!("- path: {name}\n") } else { format!("- {name}\n") };
        ensure!(kustomization.contains(&listed), "{}: it lacks {name}", folder.display());
        if !is_patch {
            all.push(path);
        }
    }
    Ok(all)
}

fn validator() -> Result<PathBuf> {
    let python = folder().join("tools/python");
    let validator = python.join("bin/kubernetes-validate");
    if !validator.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
        let mut pip = Command::new(python.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", VALIDATOR]))?;
    }
    Ok(validator)
}
