//! The source of SDKs and templates: the binary, or a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::author::bundle;

/// Files that tools create beside sources.
const LEFT_BEHIND: &[&str] = &["__pycache__", "node_modules", "target", ".venv"];

/// The source.
#[derive(Debug, Clone)]
pub enum Sdk {
    /// The files inside the binary.
    Inside,
    /// The repository with this root.
    Repository(PathBuf),
}

impl Sdk {
    /// The repository whose folder `sdk/` this is; without a folder, the files inside the binary.
    pub fn of(folder: Option<&Path>) -> Sdk {
        folder.map_or(Sdk::Inside, |folder| Sdk::Repository(folder.join("..")))
    }

    /// The files below a folder, sorted by their paths relative to it; for a file, the file itself with an empty path.
    pub(super) fn below(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        match self {
            Sdk::Inside => bundle::below(folder)
                .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))
                .collect(),
            Sdk::Repository(root) => {
                let root = root.join(folder);
                let mut files = Vec::new();
                find(&root, &root, &mut files);
                files.sort();
                files
            }
        }
    }
}

/// Files that cannot be read are left out, which is an error for callers that need them.
fn find(root: &Path, path: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    if let Ok(entries) = fs::read_dir(path) {
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let is_own = |path: &PathBuf| !LEFT_BEHIND.iter().any(|name| path.ends_with(name));
        paths.filter(is_own).for_each(|path| find(root, &path, files));
    } else if let Ok(bytes) = fs::read(path)
        && let Ok(name) = path.strip_prefix(root)
    {
        files.push((name.to_string_lossy().into_owned(), bytes));
    }
}
