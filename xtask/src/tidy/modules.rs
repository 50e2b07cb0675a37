//! The files of a crate as modules, and which file a path leads to.

use std::collections::BTreeMap;

use super::File;
use super::imports::{Import, imports};

/// A crate's source files, without those that hold unit tests only.
pub struct Modules<'a> {
    files: BTreeMap<Vec<String>, &'a File>,
}

impl<'a> Modules<'a> {
    /// The files below `folder`, such as `host/src/`.
    pub fn of(folder: &str, files: &'a [File]) -> Modules<'a> {
        let modules = files.iter().filter_map(|file| {
            let path = file.path.strip_prefix(folder)?.strip_suffix(".rs")?;
            let module: Vec<String> = path.split('/').map(str::to_owned).collect();
            let is_test = module.iter().any(|part| part == "tests");
            (!is_test).then_some((module, file))
        });
        Modules { files: modules.collect() }
    }

    /// Each file with its module.
    pub fn each(&self) -> impl Iterator<Item = (&[String], &'a File)> {
        self.files.iter().map(|(module, file)| (&**module, *file))
    }

    /// What a file imports. The root of the crate is no module, and neither is that of its binary.
    pub fn imports(&self, module: &[String], file: &File) -> Vec<Import> {
        let is_root = module == ["lib"] || module == ["main"];
        imports(if is_root { &[] } else { module }, &file.text)
    }

    /// The module of the file that owns what a path leads to; none where that is the root of the crate.
    pub fn owner(&self, path: &[String]) -> Option<&[String]> {
        (1..=path.len()).rev().find_map(|length| {
            self.files.get_key_value(&path[..length]).map(|(module, _)| &**module)
        })
    }
}
