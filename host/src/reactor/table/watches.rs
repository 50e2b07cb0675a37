//! The files that the instances of a reactor watch: one descriptor of the system's for all of them.

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

/// Changes that are taken in one turn, besides those that came with the last of them.
const CHANGES_PER_TURN: usize = 256;

/// One that an instance has asked for.
#[derive(Debug)]
pub struct Watch {
    /// The system's number for what is watched; none while a thread opens it.
    pub descriptor: Option<i32>,
    /// What waits in the instance's queue to be told.
    pub untold: Untold,
    /// While a thread opens it.
    pub awaited: Option<FileAnswer<()>>,
    /// Counts it.
    pub _admission: Admission,
}

/// Kinds of change that wait to be told, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Untold(u8);

impl Untold {
    /// One more; false if one of its kind waits already.
    pub fn insert(&mut self, change: Change) -> bool {
        let before = self.0;
        self.0 |= 1 << change as u8;
        before != self.0
    }

    /// One is told.
    pub fn remove(&mut self, change: Change) {
        self.0 &= !(1 << change as u8);
    }
}

/// Who watches what.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Watches {
    watcher: Option<FileWatcher>,
    watchers: HashMap<i32, Vec<(InstanceId, u32)>>,
    /// Whether the system may have something to tell.
    may_have_more: bool,
}

impl Watches {
    /// Has the descriptor there from the start, for plugins that see folders; to close it takes the system long, so that it
    /// stays.
    pub(in crate::reactor) fn prepare(&mut self, registry: &Registry) {
        if let Err(fault) = self.watcher(registry) {
            // The first watch tries again, and its guest is told.
            tracing::debug!(?fault, "changes of files cannot be watched yet");
        }
    }

    /// The poll has news.
    pub(in crate::reactor) fn found(&mut self) {
        self.may_have_more = true;
    }

    /// Whether there may be changes that were not taken.
    pub(in crate::reactor) fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Has an open file watched; says its number.
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

    /// One of those who watch something does not any more.
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

    /// What has changed, and who watches it, up to the bound of a turn.
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

    /// Where the system has forgotten changes, everybody is told of one: also whose file has not changed.
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
        // Two that are the same in a row are one to the system.
        for _ in 0..=limit / 2 {
            files[0].write_all(b"x").unwrap();
            files[1].write_all(b"x").unwrap();
        }
        watches.found();
        let (mut turns, mut told) = (0, [0; 3]);
        while watches.may_have_more() {
            let changes = watches.take();
            // With the rest of what came with the last one, and everybody for what was forgotten.
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
