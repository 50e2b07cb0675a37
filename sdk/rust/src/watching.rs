//! Changes of files and folders: EventMachine's `watch_file`.
//!
//! A path is one below a folder that `allow.read` names, as the plugin calls the folder.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::bindings::sandloop::plugin::watching as host;
pub use crate::bindings::sandloop::plugin::watching::WatchError;

/// The events of a watched file, as EventMachine names them. `path` is the one that was given.
///
/// Changes of a kind that is queued already are merged with it.
pub trait FileWatch: 'static {
    /// It was written to, or something in a folder was made, removed or renamed.
    fn file_modified(&mut self, path: &str) {
        let _ = path;
    }

    /// It has another name or place, and is watched on.
    fn file_moved(&mut self, path: &str) {
        let _ = path;
    }

    /// It is gone.
    fn file_deleted(&mut self, path: &str) {
        let _ = path;
    }

    /// The watch has ended: after `file_deleted`, by [`Watch::stop_watching`], or because there was nothing to watch, and why.
    fn unbind(&mut self, error: Option<WatchError>) {
        let _ = error;
    }
}

/// A file that is watched. Dropping it does not end that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    id: u32,
    path: Rc<str>,
}

/// Watches the file or folder that exists at a path now, also after it is renamed.
///
/// # Errors
/// `denied` (below no folder that is granted), `limit`. That there is nothing is told by [`FileWatch::unbind`].
pub fn watch_file(path: &str, handler: impl FileWatch) -> Result<Watch, WatchError> {
    let id = host::watch_file(path)?;
    let path: Rc<str> = path.into();
    let watched = Watched { path: path.clone(), handler: Rc::new(RefCell::new(handler)) };
    WATCHES.with_borrow_mut(|watches| watches.insert(id, watched));
    Ok(Watch { id, path })
}

impl Watch {
    /// As it was given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Ends the watch; its `unbind` is called at once. Does nothing if it has ended.
    ///
    /// Not called inside a callback of the same watch, which gets `unbind` after it has returned.
    pub fn stop_watching(&self) {
        let is_it = |watched: &Watched| Rc::ptr_eq(&watched.path, &self.path);
        if WATCHES.with_borrow(|watches| watches.get(&self.id).is_some_and(is_it)) {
            host::unwatch(self.id);
            end(self.id, None);
        }
    }
}

struct Watched {
    path: Rc<str>,
    handler: Rc<RefCell<dyn FileWatch>>,
}

thread_local! {
    static WATCHES: RefCell<BTreeMap<u32, Watched>> = const { RefCell::new(BTreeMap::new()) };
}

/// Calls a handler while nothing is borrowed but itself.
fn tell(watch: u32, call: impl FnOnce(&mut (dyn FileWatch + 'static), &str)) {
    let known = WATCHES.with_borrow(|watches| {
        watches.get(&watch).map(|watched| (watched.handler.clone(), watched.path.clone()))
    });
    if let Some((handler, path)) = known {
        call(&mut *handler.borrow_mut(), &path);
        // The callback may have ended its own watch.
        let has_ended = WATCHES.with_borrow(|watches| !watches.contains_key(&watch));
        if has_ended {
            handler.borrow_mut().unbind(None);
        }
    }
}

fn end(watch: u32, error: Option<WatchError>) {
    let known = WATCHES.with_borrow_mut(|watches| watches.remove(&watch));
    if let Some(watched) = known
        && let Ok(mut handler) = watched.handler.try_borrow_mut()
    {
        handler.unbind(error);
    }
}

pub(crate) fn modified(watch: u32) {
    tell(watch, FileWatch::file_modified);
}

pub(crate) fn moved(watch: u32) {
    tell(watch, FileWatch::file_moved);
}

pub(crate) fn deleted(watch: u32) {
    tell(watch, FileWatch::file_deleted);
    end(watch, None);
}

pub(crate) fn ended(watch: u32, error: WatchError) {
    end(watch, Some(error));
}
