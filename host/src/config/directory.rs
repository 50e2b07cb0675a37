//! `allow.read` and `allow.write`: folders of the host that a plugin may use.

use std::path::{Component, Path, PathBuf};

use super::error::{ConfigError, Problem};
use super::raw::RawAllow;
use super::source::{KeyPlace, each};

/// A folder of the host, with everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its path on the host; a relative path is relative to the folder of the configuration file.
    pub host: PathBuf,
    /// Its path for the plugin.
    pub guest: String,
    /// The kind of access.
    pub access: Access,
}

/// The kind of access to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `allow.read`: list and read.
    Read,
    /// `allow.write`: also create, change and remove.
    Write,
}

/// Separates the path on the host from the one for the plugin.
const AS: &str = "::";

/// Resolves both lists of the section `allow` at `place`; relative paths are relative to `folder`.
pub(crate) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawAllow,
) -> Result<Vec<Directory>, ConfigError> {
    let mut all: Vec<Directory> = Vec::new();
    for (key, texts, access) in
        [("read", &raw.read, Access::Read), ("write", &raw.write, Access::Write)]
    {
        each(&place.key(key), texts, |text| {
            let directory = Directory::parse(text, folder, access)?;
            if let Some(taken) = all.iter().find(|known| known.guest == directory.guest) {
                return Err(twice(text, taken, &directory));
            }
            open(&directory.host)?;
            all.push(directory);
            Ok(())
        })?;
    }
    Ok(all)
}

fn twice(text: &str, taken: &Directory, directory: &Directory) -> Problem {
    let cause = format!("{text:?} is the second folder that the plugin calls {:?}", taken.guest);
    Problem::new(
        cause,
        if taken.host == directory.host {
            "write it once; write includes read".to_owned()
        } else {
            format!("write another name behind two colons, as in \"{}{AS}/other\"", host_of(text))
        },
    )
}

fn host_of(text: &str) -> &str {
    text.split_once(AS).map_or(text, |(host, _)| host)
}

/// Checks that it is an existing folder that may be entered.
fn open(path: &Path) -> Result<(), Problem> {
    let shown = path.display().to_string();
    match std::fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::new(
            format!("the folder {shown:?} cannot be opened: {error}"),
            "make it, or write the path of one that this user may read",
        )),
    }
}

impl Directory {
    /// Parses `HOST` or `HOST::GUEST`. By default the plugin sees the path as it is written, without `./`.
    fn parse(text: &str, folder: &Path, access: Access) -> Result<Directory, Problem> {
        let (host, guest) = match text.split_once(AS) {
            Some((host, guest)) => (host, guest),
            None => (text, plain(text)),
        };
        let has_zero = text.contains('\0');
        if host.is_empty() || guest.is_empty() || has_zero {
            return Err(Problem::new(
                format!("{text:?} is not a folder"),
                r#"write its path, as in "./public", or also the plugin's name for it, as in "./public::/www""#,
            ));
        }
        let goes_up = Path::new(guest).components().any(|part| part == Component::ParentDir);
        if goes_up {
            return Err(Problem::new(
                format!("the plugin cannot call a folder {guest:?}: it has .. in it"),
                format!("write a name of its own behind two colons, as in \"{host}{AS}/data\""),
            ));
        }
        let guest = guest.to_owned();
        Ok(Directory { host: folder.join(plain(host)), guest, access })
    }
}

/// The path without a leading `./` and trailing slashes.
fn plain(path: &str) -> &str {
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        path => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        let parsed = Directory::parse(text, Path::new("etc"), Access::Read);
        let shown = parsed.map_err(|problem| problem.to_string());
        let shown = shown.as_ref().map(|it| (it.host.to_str().expect("text"), it.guest.as_str()));
        assert_eq!(shown.map_err(String::as_str), expected, "{text:?}");
    }

    #[test]
    fn paths_and_names() {
        check("./public", Ok(("etc/public", "public")));
        check("public/", Ok(("etc/public", "public")));
        check(".//./public", Ok(("etc/public", "public")));
        check("a/b", Ok(("etc/a/b", "a/b")));
        check("/srv/www", Ok(("/srv/www", "/srv/www")));
        check("./public::/www", Ok(("etc/public", "/www")));
        check("../site::/www", Ok(("etc/../site", "/www")));
        check(".", Ok(("etc/.", ".")));
        check("./", Ok(("etc/.", ".")));
        check("/", Ok(("/", "/")));
    }

    #[test]
    fn refused() {
        for text in ["", "::/www", "public::", "a\0b"] {
            let remedy = r#"write its path, as in "./public", or also the plugin's name for it, as in "./public::/www""#;
            check(text, Err(&format!("{text:?} is not a folder; {remedy}")));
        }
        check(
            "../site",
            Err(
                r#"the plugin cannot call a folder "../site": it has .. in it; write a name of its own behind two colons, as in "../site::/data""#,
            ),
        );
    }
}
