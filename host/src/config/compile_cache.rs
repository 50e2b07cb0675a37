//! `host.compile_cache`: where compiled components are kept.

use std::path::Path;

use super::error::Problem;
use super::model::CompileCache;

/// Reads the value of the key; a relative path starts at `folder`.
pub(super) fn read(written: Option<&str>, folder: &Path) -> Result<CompileCache, Problem> {
    match written {
        Some("off") => Ok(CompileCache::Off),
        None | Some("default") => Ok(CompileCache::Default),
        Some(path) if path.starts_with('~') && path.contains('/') => Err(Problem::new(
            format!("{path:?} begins with ~, which only a shell understands"),
            r#"write the whole path, or "default" for the cache folder of the user"#,
        )),
        Some(path) if path.contains('/') && !path.contains('\0') => directory(path, folder),
        Some(other) => Err(Problem::new(
            format!("{other:?} is not a compile cache"),
            r#"write "default", "off" or a folder with a slash in it, as in "./cache""#,
        )),
    }
}

/// The folder, which does not have to be there yet.
fn directory(path: &str, folder: &Path) -> Result<CompileCache, Problem> {
    let wrong = |cause: String| {
        let cause = format!("{path:?} cannot be a folder: {cause}");
        Problem::new(cause, "write the path of a folder that this user may write, or \"off\"")
    };
    let whole = std::path::absolute(folder.join(path)).map_err(|error| wrong(error.to_string()))?;
    let there = whole.ancestors().find_map(|part| Some((part, std::fs::metadata(part).ok()?)));
    match there {
        Some((part, metadata)) if !metadata.is_dir() => {
            Err(wrong(format!("{} is none", part.display())))
        }
        _ => Ok(CompileCache::Dir(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_for_compiled_components() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("file"), "").expect("a new file");
        let within = |name: &str| Ok(CompileCache::Dir(dir.path().join(name)));
        let file = dir.path().join("file").display().to_string();
        let is_none = |path: &str| Err(format!("{path:?} cannot be a folder: {file} is none"));
        for (text, expected) in [
            ("off", Ok(CompileCache::Off)),
            ("default", Ok(CompileCache::Default)),
            ("./cache", within("cache")),
            ("new/cache", within("new/cache")),
            ("./file", is_none("./file")),
            ("file/cache", is_none("file/cache")),
            ("on", Err("\"on\" is not a compile cache".to_owned())),
            (
                "~/cache",
                Err("\"~/cache\" begins with ~, which only a shell understands".to_owned()),
            ),
        ] {
            let found = read(Some(text), dir.path()).map_err(|problem| problem.cause);
            assert_eq!(found, expected, "{text:?}");
        }
    }

    /// The engine takes no other, and the current folder may change.
    #[test]
    fn a_folder_is_told_from_the_root_on() {
        let found = read(Some("./cache"), Path::new("etc"));
        let Ok(CompileCache::Dir(path)) = found else { panic!("{found:?}") };
        assert!(path.is_absolute() && path.ends_with("etc/cache"), "{path:?}");
    }
}
