//! The workspace that `sandloop new` puts around the crate `sandloop`: it says what the repository's says.

use crate::tidy::documents::read;

const OURS: &str = "Cargo.toml";
const PROJECTS: &str = "sdk/rust/templates/common/sandloop/Cargo.toml";
/// The crates that a project has.
const CRATES: &[&str] = &["codecs/amqp", "codecs/frames", "codecs/http", "sdk/rust"];

/// The lines of a table.
fn table<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (_, table) = text.split_once(&format!("[{name}]\n")).unwrap_or_default();
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    lines.filter(|line| line.contains(" = ") && !line.starts_with('#')).collect()
}

#[test]
fn a_project_in_rust_has_the_versions_of_the_repository() {
    let (ours, projects) = (read(OURS), read(PROJECTS));
    for name in ["workspace.package", "workspace.dependencies"] {
        let (ours, projects) = (table(&ours, name), table(&projects, name));
        assert!(!projects.is_empty(), "{PROJECTS} has no [{name}]");
        let other: Vec<_> = projects.iter().filter(|line| !ours.contains(line)).collect();
        assert!(other.is_empty(), "{PROJECTS}: [{name}]: not as in {OURS}: {other:?}");
    }
    let known = table(&projects, "workspace.dependencies");
    for package in CRATES {
        let manifest = read(&format!("{package}/Cargo.toml"));
        for line in manifest.lines() {
            let named = line.split_once(".workspace = true").map(|(name, _)| name);
            let named = named.or_else(|| Some(line.split_once(" = { workspace = true")?.0));
            let Some(name) = named.filter(|name| !is_of_package(name)) else { continue };
            let is_known = known.iter().any(|line| line.starts_with(&format!("{name} = ")));
            assert!(is_known, "{PROJECTS}: [workspace.dependencies]: {package} needs {name}");
        }
    }
}

/// Whether a key that comes from the workspace says something of the package itself.
fn is_of_package(key: &str) -> bool {
    matches!(key, "version" | "edition" | "rust-version" | "license" | "publish")
}
