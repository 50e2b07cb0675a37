//! The compile cache: compiled components on disk, used only if their integrity is verified.
//!
//! The name and the header of an entry have the hash of its component and the engine's version and settings; a digest of
//! the entry is at its end. An entry is read once and verified in memory, and the verified bytes are loaded. A damaged
//! entry counts as missing and is written again. The digest protects against accidents; the folder's permissions protect
//! against other users: a folder in which anybody but this user and root could create an entry is not used.

pub(in crate::engine) mod entry;
pub(in crate::engine) mod folder;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use self::entry::EntryKey;
use self::folder::{Folder, Missing};
use crate::config::model::CompileCache;

/// The number of components of this process found in the cache, and the number not found.
static HITS: AtomicU64 = AtomicU64::new(0);
static MISSES: AtomicU64 = AtomicU64::new(0);

/// The number of components found in the cache since the process started, and the number not found.
pub(crate) fn counts() -> (u64, u64) {
    (HITS.load(Ordering::Relaxed), MISSES.load(Ordering::Relaxed))
}

/// The compile cache of one start.
#[derive(Debug)]
pub struct Cache {
    folder: Result<Folder, NoFolder>,
    bytes_max: u64,
    /// Entries that were read or written, which are not evicted.
    used: RefCell<HashSet<String>>,
}

/// Why the cache is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFolder {
    /// The configuration says `"off"`.
    Off,
    /// The user's cache folder is unknown: neither `XDG_CACHE_HOME` nor `HOME` is an absolute path.
    Unknown,
    /// The folder cannot be used: the cause and the remedy.
    Unusable(PathBuf, String),
}

/// Whether compiled code was written to the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It was written.
    Yes,
    /// It was not written, for this reason.
    No(String),
}

impl Cache {
    /// Opens a cache of at most `bytes_max`, not counting the entries that this start uses. An unusable folder is only a
    /// warning: without a cache every start compiles.
    pub fn open(wanted: &CompileCache, bytes_max: u64) -> Cache {
        let folder = match wanted {
            CompileCache::Off => Err(NoFolder::Off),
            CompileCache::Dir(path) => open(path),
            CompileCache::Default => {
                default_folder().ok_or(NoFolder::Unknown).and_then(|it| open(&it))
            }
        };
        match &folder {
            Err(NoFolder::Unusable(path, cause)) => {
                tracing::warn!(folder = %path.display(), cause, "the compile cache is not used");
            }
            Err(NoFolder::Unknown) => tracing::debug!("no compile cache: HOME is not set"),
            Ok(_) | Err(NoFolder::Off) => {}
        }
        Cache { folder, bytes_max, used: RefCell::default() }
    }

    /// Why the cache is not used; none if it is.
    pub fn unusable(&self) -> Option<&NoFolder> {
        self.folder.as_ref().err()
    }

    /// Loads the artefact of this key with `load`; none if there is no intact one, or if `load` refuses it.
    pub(super) fn find<T, E: std::fmt::Display>(
        &self,
        key: &EntryKey,
        load: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Option<T> {
        let found = self.look_up(key, load);
        let counter = if found.is_some() { &HITS } else { &MISSES };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn look_up<T, E: std::fmt::Display>(
        &self,
        key: &EntryKey,
        load: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Option<T> {
        let folder = self.folder.as_ref().ok()?;
        let name = key.file_name();
        let wrong = |cause: &str| {
            let file = folder.path_of(&name);
            tracing::debug!(file = %file.display(), cause, "compile cache: not believed");
        };
        let (bytes, file) = match folder.read(&name) {
            Ok(read) => read,
            Err(Missing::Absent) => {
                tracing::debug!(file = %folder.path_of(&name).display(), "compile cache: miss");
                return None;
            }
            Err(Missing::Unfit(cause)) => {
                wrong(&cause);
                return None;
            }
        };
        let loaded = entry::artefact(key, &bytes)
            .map_err(str::to_owned)
            .and_then(|artefact| load(artefact).map_err(|error| error.to_string()));
        match loaded {
            Ok(loaded) => {
                tracing::debug!(file = %folder.path_of(&name).display(), "compile cache: hit");
                folder.touch(&file);
                self.used.borrow_mut().insert(name);
                Some(loaded)
            }
            Err(cause) => {
                wrong(&cause);
                None
            }
        }
    }

    /// Writes an artefact for the next start. A failure is a warning with the file and the cause.
    pub(super) fn keep(&self, key: &EntryKey, artefact: &[u8]) -> Kept {
        let folder = match &self.folder {
            Ok(folder) => folder,
            Err(NoFolder::Off) => return Kept::No("compile_cache is \"off\"".to_owned()),
            Err(NoFolder::Unknown) => return Kept::No("HOME is not set".to_owned()),
            Err(NoFolder::Unusable(path, cause)) => {
                return Kept::No(format!("{}: {cause}", path.display()));
            }
        };
        let name = key.file_name();
        let (head, digest) = entry::frame(key, artefact);
        match folder.write(&name, &[&head, artefact, &digest]) {
            Ok(()) => {
                self.used.borrow_mut().insert(name);
                self.sweep(folder);
                Kept::Yes
            }
            Err(error) => {
                let (file, cause) = (folder.path_of(&name), cause_of(&error));
                tracing::warn!(file = %file.display(), cause, "the compile cache was not written");
                Kept::No(format!("{}: {cause}", file.display()))
            }
        }
    }

    fn sweep(&self, folder: &Folder) {
        if let Err(error) = folder.sweep(&self.used.borrow(), self.bytes_max, entry::is_file_name) {
            tracing::debug!(%error, "compile cache: not swept");
        }
    }
}

/// The system's error, with the limit if the error does not name it.
fn cause_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            format!(
                "{error}: the limit of this process for files (ulimit -f), or the file system's"
            )
        }
        _ => error.to_string(),
    }
}

fn open(path: &Path) -> Result<Folder, NoFolder> {
    Folder::open(path).map_err(|cause| NoFolder::Unusable(path.to_owned(), cause.to_string()))
}

/// The user's cache folder according to the XDG base directory specification.
pub(in crate::engine) fn default_folder() -> Option<PathBuf> {
    let from = |name, tail: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .map(|path| path.join(tail))
    };
    from("XDG_CACHE_HOME", "sandloop").or_else(|| from("HOME", ".cache/sandloop"))
}
