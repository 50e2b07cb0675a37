//! Where SDKs and templates come from: inside the binary, or a folder of those who write them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::author::bundle;

/// What tools leave behind beside sources.
const LEFT_BEHIND: &[&str] = &["__pycache__", "node_modules", "target", ".venv"];

/// Where they come from.
#[derive(Debug, Clone)]
pub enum Sdk {
    /// Those inside the binary.
    Inside,
    /// A repository's, by its root.
    Repository(PathBuf),
}

impl Sdk {
    /// Those of this folder, which has the form of the repository's `sdk/` and stands where that does; else those inside.
    pub fn of(folder: Option<&Path>) -> Sdk {
        folder.map_or(Sdk::Inside, |folder| Sdk::Repository(folder.join("..")))
    }

    /// The files below a folder, each with its path from there, in the order of those; a file for itself, under an empty path.
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

/// What cannot be read is not there: whoever names it is told so.
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
