//! The store of fetched components: files named by their digests, verified each time they are used.

use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::checksum::digest;
use crate::config::component::Digest;
use crate::config::model::{CompileCache, HostConfig};
use crate::engine::cache;
use crate::engine::cache::folder::{Folder, Missing};

/// Below a folder for compiled components.
const FOLDER: &str = "components";
const COMPONENT: &str = ".component";
const SIGNATURE: &str = ".minisig";
/// An object of a registry: a manifest, or a layer.
const BLOB: &str = ".blob";

/// The store of one start; without a folder it stores nothing.
#[derive(Debug)]
pub(super) struct Store {
    path: Option<PathBuf>,
    /// The folder, created when it is first needed: a host that fetches nothing has none.
    folder: OnceCell<Option<Folder>>,
    bytes_max: u64,
    used: RefCell<HashSet<String>>,
}

impl Store {
    /// The store configured in `[host]`. An unusable folder is a warning, when something is to be stored.
    pub(super) fn of(host: &HostConfig) -> Store {
        let path = match (&host.store, &host.compile_cache) {
            (CompileCache::Off, _) => None,
            (CompileCache::Dir(path), _) => Some(path.clone()),
            (CompileCache::Default, CompileCache::Dir(path)) => Some(path.join(FOLDER)),
            (CompileCache::Default, _) => cache::default_folder().map(|path| path.join(FOLDER)),
        };
        Store {
            path,
            folder: OnceCell::new(),
            bytes_max: host.limits.store_size,
            used: RefCell::default(),
        }
    }

    /// Whether it stores anything.
    pub(super) fn has_folder(&self) -> bool {
        self.folder().is_some()
    }

    fn folder(&self) -> Option<&Folder> {
        self.folder.get_or_init(|| self.path.as_deref().and_then(open)).as_ref()
    }

    /// The component with this digest.
    pub(super) fn component(&self, wanted: &Digest) -> Option<Vec<u8>> {
        self.find(wanted, COMPONENT)
    }

    /// A registry's object with this digest.
    pub(super) fn blob(&self, wanted: &Digest) -> Option<Vec<u8>> {
        self.find(wanted, BLOB)
    }

    /// The signature stored with a component. It is not verified yet.
    pub(super) fn signature(&self, component: &Digest) -> Option<Vec<u8>> {
        let name = format!("{component}{SIGNATURE}");
        let (bytes, file) = self.folder()?.read(&name).ok()?;
        self.folder()?.touch(&file);
        self.used.borrow_mut().insert(name);
        Some(bytes)
    }

    /// Stores a component and its signature for the next start.
    pub(super) fn keep(&self, digest: &Digest, bytes: &[u8], signature: Option<&[u8]>) {
        self.write(&format!("{digest}{COMPONENT}"), bytes);
        if let Some(signature) = signature {
            self.write(&format!("{digest}{SIGNATURE}"), signature);
        }
    }

    /// Stores a registry's object with this digest.
    pub(super) fn keep_blob(&self, digest: &Digest, bytes: &[u8]) {
        self.write(&format!("{digest}{BLOB}"), bytes);
    }

    fn find(&self, wanted: &Digest, kind: &str) -> Option<Vec<u8>> {
        let folder = self.folder()?;
        let name = format!("{wanted}{kind}");
        let (bytes, file) = match folder.read(&name) {
            Ok(read) => read,
            Err(Missing::Absent) => return None,
            Err(Missing::Unfit(cause)) => {
                let file = folder.path_of(&name);
                tracing::warn!(file = %file.display(), cause, "store: not believed");
                return None;
            }
        };
        if digest(&bytes) != *wanted {
            let file = folder.path_of(&name);
            let cause = "it has other bytes than its name says";
            tracing::warn!(file = %file.display(), cause, "store: not believed");
            return None;
        }
        folder.touch(&file);
        self.used.borrow_mut().insert(name);
        Some(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let Some(folder) = self.folder() else { return };
        // An existing file has the same contents, since its digest was verified.
        let is_new = self.used.borrow_mut().insert(name.to_owned());
        if !is_new && !name.ends_with(SIGNATURE) {
            return;
        }
        if let Err(error) = folder.write(name, &[bytes]) {
            let file = folder.path_of(name);
            tracing::warn!(file = %file.display(), %error, "what was fetched is not kept");
            return;
        }
        if let Err(error) = folder.sweep(&self.used.borrow(), self.bytes_max, is_own) {
            tracing::debug!(%error, "store: not swept");
        }
    }
}

/// Whether a file may belong to a store.
fn is_own(name: &str) -> bool {
    let stem = [COMPONENT, SIGNATURE, BLOB].iter().find_map(|kind| name.strip_suffix(kind));
    stem.is_some_and(|digits| Digest::parse(digits).is_some())
}

fn open(path: &Path) -> Option<Folder> {
    match Folder::open(path) {
        Ok(folder) => Some(folder),
        Err(cause) => {
            tracing::warn!(folder = %path.display(), %cause, "the store of components is not used");
            None
        }
    }
}
