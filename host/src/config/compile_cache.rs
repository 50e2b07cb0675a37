//! `compile_cache`: the folder of compiled components.

use std::io;
use std::path::Path;

use super::error::Problem;
use super::model::CompileCache;

/// The remedy of every error.
const REMEDY: &str = r#"write "default", "off" or a folder with a slash in it, as in "./cache" or "/var/cache/sandloop""#;

/// Resolves the key; a relative path is relative to `folder`. It is an error if the path is not a folder; a folder that does not
/// exist is created later.
pub(super) fn resolve(written: Option<&str>, folder: &Path) -> Result<CompileCache, Problem> {
    let path = match written {
        Some("off") => return Ok(CompileCache::Off),
        None | Some("default") => return Ok(CompileCache::Default),
        Some(path) => path,
    };
    let wrong = |cause: &str| Err(Problem::new(format!("{path:?} {cause}"), REMEDY));
    if path.contains("://") {
        return wrong("is an address, and a folder is wanted");
    }
    if path.starts_with('~') || path.starts_with('$') {
        // A shell would expand it; here it would be the name of a folder.
        return wrong("is taken as it is written: nothing stands for the home folder here");
    }
    if !path.contains('/') || path.contains('\0') {
        return wrong("is not the path of a folder");
    }
    let whole = folder.join(path);
    match std::fs::metadata(&whole) {
        Ok(found) if !found.is_dir() => wrong("is not a folder"),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            wrong("is below something that is not a folder")
        }
        Ok(_) | Err(_) => Ok(CompileCache::Dir(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: Option<&str>, expected: Result<CompileCache, &str>) {
        let resolved = resolve(written, Path::new("etc"));
        assert_eq!(resolved.map_err(|problem| problem.cause), expected.map_err(str::to_owned));
    }

    #[test]
    fn folders() {
        check(None, Ok(CompileCache::Default));
        check(Some("default"), Ok(CompileCache::Default));
        check(Some("off"), Ok(CompileCache::Off));
        for (written, path) in [
            ("./cache", "etc/./cache"),
            ("cache/", "etc/cache/"),
            ("../cache", "etc/../cache"),
            ("/nowhere/cache", "/nowhere/cache"),
            ("a~/$b", "etc/a~/$b"),
        ] {
            check(Some(written), Ok(CompileCache::Dir(path.into())));
        }
    }

    #[test]
    fn refused() {
        let cases = [
            ("on", "is not the path of a folder"),
            ("", "is not the path of a folder"),
            ("/a\0b", "is not the path of a folder"),
            ("/proc/self/exe", "is not a folder"),
            ("/dev/null", "is not a folder"),
            ("/dev/null/cache", "is below something that is not a folder"),
            ("file:///var/cache", "is an address, and a folder is wanted"),
        ];
        for (written, cause) in cases {
            check(Some(written), Err(&format!("{written:?} {cause}")));
        }
        for written in ["~", "~/cache", "~somebody/cache", "$HOME/cache", "${XDG_CACHE_HOME}/cache"]
        {
            let cause = "is taken as it is written: nothing stands for the home folder here";
            check(Some(written), Err(&format!("{written:?} {cause}")));
        }
    }
}
