//! Files that are checked for changes while the host runs: paths of sockets, certificates, and the files of a reload.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::model::Config;
use crate::config::tls::stamp::Stamp;
use crate::net::listener::PathWatch;
use crate::net::listener::tls::TlsWatch;
use crate::plugin::tls::ProfileWatch;

/// All files that are checked.
#[derive(Debug, Default)]
pub(crate) struct FileWatches {
    /// The paths of the Unix sockets that are served.
    pub(super) paths: Vec<PathWatch>,
    /// The files of the listeners' certificates.
    pub(super) certificates: Vec<TlsWatch>,
    /// The files of the plugins' TLS profiles.
    pub(super) profiles: Vec<ProfileWatch>,
    /// The files of a reload, if a change triggers one.
    pub(super) sources: Option<SourceWatch>,
}

/// Checks the configuration and the components for changes.
#[derive(Debug)]
pub(crate) struct SourceWatch {
    files: Vec<PathBuf>,
    /// The files' stamps at the last check.
    seen: Vec<Option<Stamp>>,
    /// Whether they had changed then: files that are still being written are not read.
    has_changed: bool,
}

impl SourceWatch {
    /// For a configuration that asks for it.
    pub(super) fn of(config: &Config) -> Option<SourceWatch> {
        if !config.host.reload_on_change {
            return None;
        }
        let components = config.plugins.iter();
        let components = components.filter_map(|it| Some(it.component.file()?.to_owned()));
        let files = std::iter::once(config.file.clone()).chain(config.included.clone());
        let files: Vec<_> = files.chain(components).collect();
        let seen = Stamp::of_all(files.iter().map(PathBuf::as_path));
        Some(SourceWatch { files, seen, has_changed: false })
    }

    /// Whether something has changed and then stayed the same for one check.
    fn look(&mut self) -> bool {
        let now = Stamp::of_all(self.files.iter().map(PathBuf::as_path));
        if now != self.seen {
            self.seen = now;
            self.has_changed = true;
            return false;
        }
        std::mem::take(&mut self.has_changed)
    }
}

/// A reload that was applied, for the main thread.
#[derive(Debug)]
pub(crate) struct Reloaded {
    /// Further files to check.
    pub(super) watches: FileWatches,
    /// How long a stop may take from now on.
    pub(super) stop_deadline: Duration,
}

impl FileWatches {
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
            && self.certificates.is_empty()
            && self.profiles.is_empty()
            && self.sources.is_none()
    }

    /// Checks all files, and removes those that are no longer served. True if a reload is due.
    pub(super) fn look(&mut self) -> bool {
        self.paths.retain(PathWatch::is_served);
        self.certificates.retain(TlsWatch::is_served);
        self.profiles.retain(ProfileWatch::is_served);
        self.paths.iter_mut().for_each(PathWatch::look);
        self.certificates.iter_mut().for_each(TlsWatch::look);
        self.profiles.iter_mut().for_each(ProfileWatch::look);
        self.sources.as_mut().is_some_and(SourceWatch::look)
    }

    pub(super) fn extend(&mut self, more: FileWatches) {
        self.paths.extend(more.paths);
        self.certificates.extend(more.certificates);
        self.profiles.extend(more.profiles);
        self.sources = more.sources;
    }
}
