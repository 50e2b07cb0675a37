//! The files that the instances of a reactor watch: one descriptor of the system's for all of them.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::base::arena::InstanceId;
use crate::base::token::PollSource;
use crate::mail::watch::{Change, WatchFault};
use crate::plugin::file_calls::FileAnswer;
use crate::quota::host_memory::Admission;

/// What the system tells at once.
const BUFFER_BYTES: usize = 4096;
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
    inotify: Option<OwnedFd>,
    watchers: HashMap<i32, Vec<(InstanceId, u32)>>,
    /// Whether the system may have something to tell.
    may_have_more: bool,
}

impl Watches {
    /// Has the descriptor there from the start, for plugins that see folders; to close it takes the system long, so that it
    /// stays.
    pub(in crate::reactor) fn prepare(&mut self, registry: &Registry) {
        if let Err(fault) = self.inotify(registry) {
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
        let inotify = self.inotify(registry)?;
        let what = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        // What is open is meant, whatever its path leads to by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let descriptor = inotify::add_watch(inotify, path, what).map_err(fault_of)?;
        self.watchers.entry(descriptor).or_default().push(watcher);
        Ok(descriptor)
    }

    fn inotify(&mut self, registry: &Registry) -> Result<&OwnedFd, WatchFault> {
        if self.inotify.is_none() {
            let made = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
            let made = made.map_err(fault_of)?;
            let registered = registry.register(
                &mut SourceFd(&made.as_raw_fd()),
                PollSource::Watches.into(),
                Interest::READABLE,
            );
            registered.map_err(|error| {
                tracing::error!(%error, "changes of files cannot be polled");
                WatchFault::Failed
            })?;
            self.inotify = Some(made);
        }
        self.inotify.as_ref().ok_or(WatchFault::Failed)
    }

    /// One of those who watch something does not any more.
    pub(in crate::reactor) fn remove(&mut self, descriptor: i32, watcher: (InstanceId, u32)) {
        let Some(watchers) = self.watchers.get_mut(&descriptor) else { return };
        watchers.retain(|known| *known != watcher);
        if watchers.is_empty() {
            self.watchers.remove(&descriptor);
            if let Some(inotify) = &self.inotify {
                // What is gone is not watched by the system any more.
                let _ = inotify::remove_watch(inotify, descriptor);
            }
        }
    }

    /// What has changed, and who watches it, up to the bound of a turn.
    pub(in crate::reactor) fn take(&mut self) -> Vec<(InstanceId, u32, Change)> {
        let mut changes = Vec::new();
        let Some(inotify) = &self.inotify else {
            self.may_have_more = false;
            return changes;
        };
        let mut buffer = [const { MaybeUninit::uninit() }; BUFFER_BYTES];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        let mut taken = 0;
        while taken < CHANGES_PER_TURN || !reader.is_buffer_empty() {
            taken += 1;
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                // There is nothing more.
                Err(_) => {
                    self.may_have_more = false;
                    break;
                }
            };
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                let all = self.watchers.values().flatten();
                changes.extend(all.map(|(id, watch)| (*id, *watch, Change::Modified)));
                continue;
            }
            let Some(watchers) = self.watchers.get(&event.wd()) else { continue };
            for change in changes_of(what) {
                changes.extend(watchers.iter().map(|(id, watch)| (*id, *watch, change)));
            }
            if what.contains(ReadFlags::IGNORED) {
                self.watchers.remove(&event.wd());
            }
        }
        changes
    }
}

fn changes_of(what: ReadFlags) -> impl Iterator<Item = Change> {
    let modified = ReadFlags::MODIFY
        | ReadFlags::CREATE
        | ReadFlags::DELETE
        | ReadFlags::MOVED_FROM
        | ReadFlags::MOVED_TO;
    let kinds = [
        (modified, Change::Modified),
        (ReadFlags::MOVE_SELF, Change::Moved),
        (ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT, Change::Deleted),
    ];
    kinds.into_iter().filter(move |(flags, _)| what.intersects(*flags)).map(|(_, change)| change)
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
            assert!(changes.len() <= CHANGES_PER_TURN + BUFFER_BYTES / 16 + names.len());
            for (id, watch, change) in changes {
                assert_eq!((id, change), (instance, Change::Modified));
                told[watch as usize] += 1;
            }
            turns += 1;
        }
        assert!(limit / (CHANGES_PER_TURN + BUFFER_BYTES / 16) <= turns, "{turns} turns");
        assert!(1 < told[0] && 1 < told[1], "{told:?}");
        assert_eq!(told[2], 1);
    }
}
