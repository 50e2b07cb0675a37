//! Watches the files of the configuration and of builds.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glob::Pattern;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::Mode;

use crate::author::sources::{absolute, found};
use crate::base::os::{FOR_ITS_NAME, FileWatcher};
use crate::config::model::Config;
use crate::config::tls::stamp::Stamp;

/// The interval of checks besides notifications, which some file systems do not have.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A build begins once no file has changed for this long.
const SETTLED: Duration = Duration::from_millis(40);

/// The files of a project.
#[derive(Debug)]
pub(super) struct ProjectFiles {
    configuration: Vec<PathBuf>,
    /// The patterns of each plugin's section `build`, relative to the current folder.
    patterns: Vec<(String, Vec<String>)>,
    seen: Snapshot,
}

/// The files that exist, each with its state.
type Snapshot = BTreeMap<PathBuf, Option<Stamp>>;

impl ProjectFiles {
    /// The files of a configuration, in their present state.
    pub(super) fn of(config: &Config) -> ProjectFiles {
        let configuration = std::iter::once(config.file.clone()).chain(config.included.clone());
        let builds =
            config.plugins.iter().filter_map(|plugin| Some((plugin, plugin.build.as_ref()?)));
        let patterns = builds.map(|(plugin, build)| {
            let patterns = build.watch.iter().flat_map(|pattern| absolute(&build.folder, pattern));
            (plugin.name.clone(), patterns.collect())
        });
        ProjectFiles::new(configuration.collect(), patterns.collect())
    }

    /// The file of a configuration that cannot be parsed.
    pub(super) fn of_file(file: &Path) -> ProjectFiles {
        ProjectFiles::new(vec![file.to_owned()], Vec::new())
    }

    fn new(configuration: Vec<PathBuf>, patterns: Vec<(String, Vec<String>)>) -> ProjectFiles {
        let mut watched = ProjectFiles { configuration, patterns, seen: Snapshot::new() };
        watched.take();
        watched
    }

    /// The names of the plugins with a section `build`.
    pub(super) fn names(&self) -> Vec<String> {
        self.patterns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Takes the present state as seen.
    pub(super) fn take(&mut self) {
        self.seen = self.now();
    }

    /// Takes the state that `other` has seen of the same files.
    pub(super) fn go_on_from(&mut self, other: &ProjectFiles) {
        for (path, stamp) in &mut self.seen {
            if let Some(before) = other.seen.get(path) {
                *stamp = *before;
            }
        }
    }

    /// The files that have changed, been created or been removed.
    pub(super) fn changed(&self) -> Vec<String> {
        let changed = self.changes();
        changed.iter().map(|path| path.display().to_string()).collect()
    }

    /// Whether a file of the configuration has changed.
    pub(super) fn is_configured_anew(&self) -> bool {
        let changed = self.changes();
        self.configuration.iter().any(|file| changed.contains(file))
    }

    /// The plugins of which a file has changed.
    pub(super) fn changed_plugins(&self) -> Vec<String> {
        let changed = self.changes();
        let is_of = |patterns: &[String]| {
            let mut patterns = patterns.iter().filter_map(|text| Pattern::new(text).ok());
            patterns.any(|pattern| changed.iter().any(|path| pattern.matches_path(path)))
        };
        let changed = self.patterns.iter().filter(|(_, patterns)| is_of(patterns));
        changed.map(|(name, _)| name.clone()).collect()
    }

    /// Waits for a change and until files are stable; returns false if there was a change already.
    pub(super) fn wait(&mut self) -> bool {
        let mut has_waited = false;
        while self.changes().is_empty() {
            self.wait_for_news(LOOK_EVERY);
            has_waited = true;
        }
        let mut last = self.now();
        loop {
            std::thread::sleep(SETTLED);
            let now = self.now();
            if now == last {
                return has_waited;
            }
            last = now;
        }
    }

    fn changes(&self) -> BTreeSet<PathBuf> {
        let now = self.now();
        let paths = self.seen.keys().chain(now.keys());
        paths.filter(|path| self.seen.get(*path) != now.get(*path)).cloned().collect()
    }

    fn now(&self) -> Snapshot {
        let patterns = self.patterns.iter().flat_map(|(_, patterns)| patterns);
        let found = patterns.flat_map(|pattern| found(pattern)).filter(|path| path.is_file());
        let paths: Vec<PathBuf> = self.configuration.iter().cloned().chain(found).collect();
        let stamps = Stamp::of_all(paths.iter().map(PathBuf::as_path));
        paths.into_iter().zip(stamps).collect()
    }

    /// Waits for a notification of one of the folders, for `longest` at most.
    fn wait_for_news(&self, longest: Duration) {
        let Ok(watcher) = FileWatcher::new() else {
            return std::thread::sleep(longest);
        };
        let mut folders = BTreeSet::new();
        for (_, patterns) in &self.patterns {
            for pattern in patterns {
                folders.insert(base(pattern));
                folders.extend(found(pattern).into_iter().filter(|path| path.is_dir()));
            }
        }
        let parent = |path: &Path| path.parent().map(Path::to_owned);
        folders.extend(self.seen.keys().filter_map(|path| parent(path)));
        // Kept open until the wait is over.
        let open: Vec<OwnedFd> = folders.iter().filter_map(|folder| open(folder)).collect();
        for folder in &open {
            // A folder that cannot be watched is checked at the next interval.
            let _ = watcher.add(folder);
        }
        // Changes before the folders were watched.
        if !self.changes().is_empty() {
            return;
        }
        let timeout = Timespec::try_from(longest).unwrap_or_default();
        // An interrupted wait is only shorter.
        let _ = rustix::event::poll(&mut [PollFd::new(&watcher, PollFlags::IN)], Some(&timeout));
    }
}

fn open(folder: &Path) -> Option<OwnedFd> {
    let here = Path::new(".");
    let folder = if folder.as_os_str().is_empty() { here } else { folder };
    rustix::fs::open(folder, FOR_ITS_NAME, Mode::empty()).ok()
}

/// The innermost folder that contains every match of a pattern.
fn base(pattern: &str) -> PathBuf {
    let plain = pattern.split('/').take_while(|part| !part.contains(['*', '?', '[']));
    let plain: Vec<&str> = plain.collect();
    let base = PathBuf::from(plain.join("/"));
    if plain.len() == pattern.split('/').count() {
        return base.parent().map(Path::to_owned).unwrap_or_default();
    }
    base
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn watched(folder: &Path, patterns: &[&str]) -> ProjectFiles {
        let of = |pattern: &&str| absolute(folder, pattern);
        let patterns = patterns.iter().flat_map(of).collect();
        ProjectFiles::new(vec![folder.join("plugins.toml")], vec![("echo".to_owned(), patterns)])
    }

    #[test]
    fn what_changes_comes_and_goes_is_seen() {
        let home = tempfile::tempdir().expect("a folder");
        let path = |name: &str| home.path().join(name);
        fs::create_dir_all(path("src/deep")).expect("a folder");
        fs::write(path("src/a.rs"), "a").expect("a file");
        let mut watched = watched(home.path(), &["src/**", "Cargo.toml"]);
        assert!(watched.changed().is_empty());
        for name in ["src/a.rs", "src/deep/b.rs", "Cargo.toml"] {
            fs::write(path(name), "another").expect("a file");
            assert_eq!(watched.changed(), [path(name).display().to_string()]);
            assert_eq!(watched.changed_plugins(), ["echo"]);
            watched.take();
        }
        fs::remove_file(path("src/deep/b.rs")).expect("it is there");
        assert_eq!(watched.changed_plugins(), ["echo"]);
        watched.take();
        fs::write(path("plugins.toml"), "").expect("a file");
        fs::write(path("README.md"), "").expect("a file");
        assert_eq!(watched.changed(), [path("plugins.toml").display().to_string()]);
        assert!(watched.changed_plugins().is_empty(), "the configuration is no plugin's");
        assert!(!watched.wait(), "it has changed already");
    }

    #[test]
    fn a_wait_ends_with_a_change() {
        let home = tempfile::tempdir().expect("a folder");
        fs::create_dir(home.path().join("src")).expect("a folder");
        let mut watched = watched(home.path(), &["src/**"]);
        let new = home.path().join("src/new/file.rs");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                fs::create_dir(home.path().join("src/new")).expect("a folder");
                fs::write(&new, "new").expect("a file");
            });
            watched.wait();
        });
        assert_eq!(watched.changed(), [new.display().to_string()]);
    }

    #[test]
    fn a_pattern_begins_in_a_folder() {
        for (pattern, folder) in [
            ("src/**/*", "src"),
            ("/a/b/*.c", "/a/b"),
            ("Cargo.toml", ""),
            ("a/Cargo.toml", "a"),
            ("*.c", ""),
        ] {
            assert_eq!(base(pattern), Path::new(folder), "{pattern}");
        }
    }
}
