//! The watched files of a reactor, by one inotify descriptor.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::io::Errno;

use crate::base::arena::InstanceId;
use crate::base::os::FileWatcher;
use crate::base::os::file_event::FileEvent;
use crate::base::token::PollSource;
use crate::mail::watch::{Change, WatchFault};
use crate::plugin::file_calls::FileAnswer;
use crate::quota::host_memory::Admission;

/// The number of changes after which a turn reads no more from the system.
const CHANGES_PER_TURN: usize = 256;

/// A watch of an instance.
#[derive(Debug)]
pub struct Watch {
    /// The inotify watch descriptor; none while a file thread opens the file.
    pub descriptor: Option<i32>,
    /// The kinds of change that are in the instance's queue.
    pub untold: Untold,
    /// The pending answer of the file thread.
    pub awaited: Option<FileAnswer<()>>,
    /// The resources that it holds.
    pub _admission: Admission,
}

/// A set of kinds of change that are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Untold(u8);

impl Untold {
    /// Adds a kind; false if it is there already.
    pub fn insert(&mut self, change: Change) -> bool {
        let before = self.0;
        self.0 |= 1 << change as u8;
        before != self.0
    }

    pub fn remove(&mut self, change: Change) {
        self.0 &= !(1 << change as u8);
    }
}

/// All watches of a reactor.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Watches {
    watcher: Option<FileWatcher>,
    watchers: HashMap<i32, Vec<(InstanceId, u32)>>,
    /// Whether the system may have more changes.
    may_have_more: bool,
}

impl Watches {
    /// Opens the inotify descriptor at the start, for plugins with granted folders. It is never closed, since closing it may take
    /// the system long.
    pub(in crate::reactor) fn prepare(&mut self, registry: &Registry) {
        if let Err(fault) = self.watcher(registry) {
            // The first watch tries again, and reports the failure to its guest.
            tracing::debug!(?fault, "changes of files cannot be watched yet");
        }
    }

    /// The poll reports changes.
    pub(in crate::reactor) fn found(&mut self) {
        self.may_have_more = true;
    }

    /// Whether changes may be left.
    pub(in crate::reactor) fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Watches an open file; returns its watch descriptor.
    pub(in crate::reactor) fn add(
        &mut self,
        registry: &Registry,
        file: &OwnedFd,
        watcher: (InstanceId, u32),
    ) -> Result<i32, WatchFault> {
        let descriptor = self.watcher(registry)?.add(file).map_err(fault_of)?;
        self.watchers.entry(descriptor).or_default().push(watcher);
        Ok(descriptor)
    }

    fn watcher(&mut self, registry: &Registry) -> Result<&FileWatcher, WatchFault> {
        if self.watcher.is_none() {
            let made = FileWatcher::new().map_err(fault_of)?;
            let registered = registry.register(
                &mut SourceFd(&made.as_raw_fd()),
                PollSource::Watches.into(),
                Interest::READABLE,
            );
            registered.map_err(|error| {
                tracing::error!(%error, "changes of files cannot be polled");
                WatchFault::Failed
            })?;
            self.watcher = Some(made);
        }
        self.watcher.as_ref().ok_or(WatchFault::Failed)
    }

    /// Removes one watcher of a file.
    pub(in crate::reactor) fn remove(&mut self, descriptor: i32, watcher: (InstanceId, u32)) {
        let Some(watchers) = self.watchers.get_mut(&descriptor) else { return };
        watchers.retain(|known| *known != watcher);
        if watchers.is_empty() {
            self.watchers.remove(&descriptor);
            if let Some(watcher) = &self.watcher {
                watcher.remove(descriptor);
            }
        }
    }

    /// Takes changes with their watchers, up to the bound of a turn.
    pub(in crate::reactor) fn take(&mut self) -> Vec<(InstanceId, u32, Change)> {
        let mut changes = Vec::new();
        let (watcher, watchers) = (&self.watcher, &mut self.watchers);
        self.may_have_more = watcher.as_ref().is_some_and(|watcher| {
            watcher.take(CHANGES_PER_TURN, |event| {
                if event.has_lost {
                    let all = watchers.values().flatten();
                    changes.extend(all.map(|(id, watch)| (*id, *watch, Change::Modified)));
                    return;
                }
                let Some(of_file) = watchers.get(&event.number) else { return };
                for change in changes_of(event) {
                    changes.extend(of_file.iter().map(|(id, watch)| (*id, *watch, change)));
                }
                if event.is_last {
                    watchers.remove(&event.number);
                }
            })
        });
        changes
    }
}

fn changes_of(event: FileEvent) -> impl Iterator<Item = Change> {
    let kinds = [
        (event.is_modified, Change::Modified),
        (event.is_moved, Change::Moved),
        (event.is_deleted, Change::Deleted),
    ];
    kinds.into_iter().filter(|(is_so, _)| *is_so).map(|(_, change)| change)
}

fn fault_of(errno: Errno) -> WatchFault {
    match errno {
        Errno::NOSPC | Errno::MFILE | Errno::NFILE | Errno::NOMEM => WatchFault::Limit,
        Errno::NOENT => WatchFault::NotFound,
        Errno::ACCESS | Errno::PERM => WatchFault::Denied,
        _ => WatchFault::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::io::Write as _;

    use mio::Poll;

    use super::*;
    use crate::base::arena::Arena;

    /// If the system's queue has overflowed, every watcher is told of a change, even if its file has not changed.
    #[test]
    fn what_the_system_has_forgotten_may_have_been_anything() {
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (poll, mut watches) = (Poll::new().unwrap(), Watches::default());
        let mut instances = Arena::new();
        let instance = instances.insert(());
        let names = ["one", "other", "untouched"];
        let mut files = names.map(|name| {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            OpenOptions::new().append(true).open(path).unwrap()
        });
        for (number, file) in (0..).zip(&files) {
            let file: OwnedFd = File::try_clone(file).unwrap().into();
            watches.add(poll.registry(), &file, (instance, number)).unwrap();
        }
        // inotify merges two equal changes in a row.
        for _ in 0..=limit / 2 {
            files[0].write_all(b"x").unwrap();
            files[1].write_all(b"x").unwrap();
        }
        watches.found();
        let (mut turns, mut told) = (0, [0; 3]);
        while watches.may_have_more() {
            let changes = watches.take();
            // With the rest of the last read, and one change for every watcher because of the overflow.
            assert!(
                changes.len() <= CHANGES_PER_TURN + FileWatcher::BUFFER_BYTES / 16 + names.len()
            );
            for (id, watch, change) in changes {
                assert_eq!((id, change), (instance, Change::Modified));
                told[watch as usize] += 1;
            }
            turns += 1;
        }
        assert!(
            limit / (CHANGES_PER_TURN + FileWatcher::BUFFER_BYTES / 16) <= turns,
            "{turns} turns"
        );
        assert!(1 < told[0] && 1 < told[1], "{told:?}");
        assert_eq!(told[2], 1);
    }
}
