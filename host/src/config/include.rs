//! `include`: further files of a configuration, by patterns in the main one.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::error::{ConfigError, Problem};
use super::source::{KeyPlace, SourceText, each};

/// The most files of a configuration. A folder with more of them is most likely a mistake.
const FILES_MAX: usize = 1000;

/// As in a shell, patterns do not match hidden files.
const LIKE_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The files that match the patterns at `place`, each once: in the order of the patterns, those of one pattern sorted.
pub(super) fn files(
    place: &KeyPlace<'_>,
    patterns: &[String],
) -> Result<Vec<PathBuf>, ConfigError> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let own = real(place.file());
    each(place, patterns, |pattern| {
        for file in matching(pattern, place.folder())? {
            let real = real(&file);
            if real == own {
                return Err(Problem::new(
                    format!("{pattern:?} takes in this file itself"),
                    r#"put the others into a folder of their own, as in "conf.d/*.toml""#,
                ));
            }
            if known.insert(real) {
                found.push(file);
            }
        }
        if FILES_MAX < found.len() {
            return Err(Problem::new(
                format!("with {pattern:?} it is more than {FILES_MAX} files"),
                "write a narrower pattern",
            ));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The canonical path: two paths to one file are equal.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The files that match one pattern, sorted.
fn matching(pattern: &str, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let (inner, name) = pattern
        .rsplit_once('/')
        .map_or(("", pattern), |(inner, name)| (if inner.is_empty() { "/" } else { inner }, name));
    let is_wild = |text: &str| text.contains(['*', '?', '[']);
    if name.is_empty() || pattern.contains('\0') || is_wild(inner) {
        return Err(Problem::new(
            format!("{pattern:?} is not a file or a pattern for files of one folder"),
            r#"write it as in "conf.d/*.toml", with * in the name alone"#,
        ));
    }
    let folder = folder.join(inner);
    if !is_wild(name) {
        return Ok(vec![folder.join(name)]);
    }
    let name = Pattern::new(name).map_err(|error| {
        let remedy = r#"write it as in "conf.d/*.toml""#;
        Problem::new(format!("{pattern:?} is not a pattern: {error}"), remedy)
    })?;
    listed(&folder, &name).map_err(|error| {
        Problem::new(
            format!("the folder {:?} cannot be read: {error}", folder.display().to_string()),
            "make it, or correct the path, which starts at the folder of this file",
        )
    })
}

fn listed(folder: &Path, name: &Pattern) -> io::Result<Vec<PathBuf>> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(here)? {
        let entry = entry?.file_name();
        // Matched too if the name is not UTF-8, since the file would be missing silently.
        if name.matches_with(&entry.to_string_lossy(), LIKE_A_SHELL) {
            files.push(folder.join(entry));
        }
    }
    files.sort();
    Ok(files)
}

/// Refuses keys that only the main file may have.
pub(super) fn check_included(source: &SourceText<'_>, main: &Path) -> Result<(), ConfigError> {
    let top = source.top();
    let in_main = |cause: &str| {
        let main = main.display();
        Problem::new(cause, format!("write it in {main}, which includes this file"))
    };
    for (key, cause) in [
        ("host", "what concerns the host as a whole is said in the main file alone"),
        ("admin", "there is one admin listener, and it is in the main file"),
        ("cluster", "a host is in one cluster, and the main file says in which"),
        ("include", "only the main file includes others"),
    ] {
        let place = top.key(key);
        if place.is_written() {
            return Err(place.wrong(in_main(cause)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::model::Config;
    use super::*;

    const ECHO: &str = "[plugins.echo]\ncomponent = \"echo.wasm\"\nisolation = \"plugin\"\n";

    /// The result for a folder with these files, of which the first is the main one; without the path of the folder.
    fn outcome(files: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
            fs::write(file, text).expect("a new file");
        }
        let root = format!("{}/", dir.path().display());
        Config::load(&dir.path().join(files[0].0))
            .map_err(|error| error.to_string().replace(&root, ""))
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &str) {
        let message = outcome(files).map_or_else(|message| message, |it| format!("{it:?}"));
        assert_eq!(message, expected, "{files:?}");
    }

    fn main(pattern: &str) -> (&'static str, String) {
        ("plugins.toml", format!("include = [{pattern:?}]\n"))
    }

    #[test]
    fn what_is_included_stands_beside_the_main_file() {
        let (name, text) = main("conf.d/*.toml");
        let config = outcome(&[
            (name, &format!("{text}{ECHO}[host]\nworkers = 3\n")),
            ("conf.d/20.toml", "[plugins.b]\ncomponent = \"b.wasm\"\nisolation = \"plugin\"\n"),
            (
                "conf.d/10.toml",
                "[plugins.a]\ncomponent = \"../a.wasm\"\ntenant = \"t\"\n[tenants.t.limits]\nmemory = \"2GiB\"\n\
                 [[listen]]\naddress = \"unix://a.sock\"\nplugin = \"a\"\noptions = { motto = { file = \"motto\" } }\n",
            ),
            ("conf.d/motto", "one event at a time\n"),
            ("conf.d/.hidden.toml", "not TOML"),
            ("conf.d/10.toml~", "not TOML"),
        ])
        .expect("a configuration");
        let name_of =
            |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let plugins: Vec<_> =
            config.plugins.iter().map(|it| (&*it.name, name_of(&it.file), it.line)).collect();
        assert_eq!(
            plugins,
            [
                ("echo", "plugins.toml".to_owned(), 2),
                ("a", "10.toml".to_owned(), 1),
                ("b", "20.toml".to_owned(), 1)
            ]
        );
        let ends = |path: &Path, end: &str| assert!(path.ends_with(end), "{}", path.display());
        ends(config.plugins[1].component.file().expect("a file"), "conf.d/../a.wasm");
        ends(config.plugins[2].component.file().expect("a file"), "conf.d/b.wasm");
        assert!(config.listeners[0].address.to_string().ends_with("conf.d/a.sock"));
        assert_eq!(
            config.listeners[0].options,
            [("motto".to_owned(), "one event at a time".to_owned())]
        );
        assert_eq!(config.tenants[1].limits.memory, 2 << 30);
        let files: Vec<_> = config.included.iter().map(|it| name_of(it)).collect();
        assert_eq!(files, ["10.toml", "20.toml"]);
        let origin = config.origins.find("tenants.t.limits.memory").expect("it is written");
        assert_eq!((name_of(&origin.file), origin.line), ("10.toml".to_owned(), 5));
        assert!(origin.seen_from(&config.file).ends_with("conf.d/10.toml:5"));
    }

    #[test]
    fn errors_name_the_file_that_has_the_fault() {
        let (name, text) = main("conf.d/*.toml");
        let text = format!("{text}{ECHO}");
        let check_with = |included: &str, expected: &str| {
            check(&[(name, &text), ("conf.d/a.toml", included)], expected);
        };
        check_with(
            "\n\nwat",
            "conf.d/a.toml:3: this is not TOML: key with no value, expected `=`; write `key = value` with text in quotes, `[section]` or `[[listen]]`",
        );
        check_with(
            "[plugins.a]\ncomponent = \"a\"\nisolation = \"b\"\n",
            "conf.d/a.toml:3: plugins.a.isolation: \"b\" is not an isolation; write \"connection\" or \"plugin\"",
        );
        check_with(
            "\n[plugins.echo]\ncomponent = \"a\"\n",
            "conf.d/a.toml:2: plugins.echo: [plugins.echo] is there already, at plugins.toml:2; keep one of the two, or give one another name",
        );
        check_with(
            "[host]\nworkers = 1\n",
            "conf.d/a.toml:1: host: what concerns the host as a whole is said in the main file alone; write it in plugins.toml, which includes this file",
        );
        check_with(
            "include = [\"*.toml\"]\n",
            "conf.d/a.toml:1: include: only the main file includes others; write it in plugins.toml, which includes this file",
        );
        check_with(
            "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"none\"\n",
            "conf.d/a.toml:3: listen[0].plugin: no plugin \"none\" is declared; write one of echo, or add a section [plugins.<name>]",
        );
        check_with(
            "[plugins.a]\ncomponent = \"a\"\n",
            "conf.d/a.toml:1: plugins.a: it would never run: it lives for accepted connections, and no [[listen]] names it; add a [[listen]] with plugin = \"a\", or write isolation = \"plugin\"",
        );
    }

    #[test]
    fn what_two_files_say_twice_names_both() {
        let (name, text) = main("conf.d/*.toml");
        let text = format!("{text}{ECHO}");
        let listener = "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"echo\"\n";
        check(
            &[(name, &text), ("conf.d/a.toml", listener), ("conf.d/b.toml", listener)],
            "conf.d/b.toml:2: listen[0].address: tcp://127.0.0.1:1 is already the address of the listener at conf.d/a.toml:2; give each listener its own address",
        );
        let tenant = "[tenants.echo.limits]\nmemory = \"2GiB\"\n";
        check(
            &[(name, &text), ("conf.d/a.toml", tenant), ("conf.d/b.toml", tenant)],
            "conf.d/b.toml:1: tenants.echo: [tenants.echo] is there already, at conf.d/a.toml:1; keep one of the two, or give one another name",
        );
    }

    #[test]
    fn patterns() {
        let form = "is not a file or a pattern for files of one folder; write it as in \"conf.d/*.toml\", with * in the name alone";
        for (pattern, expected) in
            [("", form), ("conf.d/", form), ("*/a.toml", form), ("**/a.toml", form)]
        {
            let (name, text) = main(pattern);
            check(&[(name, &text)], &format!("plugins.toml:1: include[0]: {pattern:?} {expected}"));
        }
        let (name, text) = main("*.toml");
        check(
            &[(name, &text)],
            "plugins.toml:1: include[0]: \"*.toml\" takes in this file itself; put the others into a folder of their own, as in \"conf.d/*.toml\"",
        );
        let (name, text) = main("conf.d/*.toml");
        check(
            &[(name, &text)],
            "plugins.toml:1: include[0]: the folder \"conf.d\" cannot be read: No such file or directory (os error 2); make it, or correct the path, which starts at the folder of this file",
        );
        let (name, text) = main("other.toml");
        check(
            &[(name, &text)],
            "other.toml: cannot be read: No such file or directory (os error 2); name a file that exists and is readable",
        );
        // An empty folder is no error, and a file is read once.
        let (name, text) = main("conf.d/*.toml");
        let text = format!(
            "{}{ECHO}",
            text.replace("]", ", \"conf.d/a.toml\", \"./conf.d/../conf.d/a.toml\"]")
        );
        let config = outcome(&[(name, &text), ("conf.d/a.toml", "")]).expect("a configuration");
        assert_eq!(config.included.len(), 1);
        let (name, text) = main("conf.d/*.toml");
        let text = format!("{text}{ECHO}");
        assert!(outcome(&[(name, &text), ("conf.d/none", "")]).is_ok());
    }

    #[test]
    fn a_file_whose_name_is_no_text_is_taken_in_too() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let dir = tempfile::tempdir().expect("a folder");
        // In Latin-1, as in some old file systems.
        let name = dir.path().join(OsStr::from_bytes(b"caf\xe9.toml"));
        fs::write(&name, ECHO).expect("a new file");
        let text = format!("include = [\"{}/*.toml\"]\n", dir.path().display());
        let config = Config::parse(Path::new("plugins.toml"), &text).expect("a configuration");
        assert_eq!(config.included, [name]);
    }

    #[test]
    fn more_files_than_anybody_means_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        for number in 0..=FILES_MAX {
            fs::write(dir.path().join(format!("{number}.x")), "").expect("a new file");
        }
        let text = format!("include = [\"{}/*.x\"]\n{ECHO}", dir.path().display());
        let error =
            Config::parse(Path::new("plugins.toml"), &text).expect_err("too many").to_string();
        assert!(error.contains("it is more than 1000 files; write a narrower pattern"), "{error}");
    }
}
