//! The watched files of a reactor, by one inotify descriptor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
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
pub(crate) struct Watch {
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
pub(crate) struct Untold(u8);

impl Untold {
    /// Adds a kind; false if it is there already.
    pub(crate) fn insert(&mut self, change: Change) -> bool {
        let before = self.0;
        self.0 |= 1 << change as u8;
        before != self.0
    }

    pub(crate) fn remove(&mut self, change: Change) {
        self.0 &= !(1 << change as u8);
    }

    /// All of them.
    fn each(self) -> impl Iterator<Item = Change> {
        let all = [Change::Modified, Change::Moved, Change::Deleted];
        all.into_iter().filter(move |change| self.0 & 1 << *change as u8 != 0)
    }
}

/// All watches of a reactor.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Watches {
    watcher: Option<FileWatcher>,
    /// By watch descriptor, in the order in which files are reported when the system's queue has overflowed.
    files: BTreeMap<i32, WatchedFile>,
    /// Files with changes to report, the next one in front.
    changed: VecDeque<i32>,
    /// The first file that is still to be reported after an overflow.
    forgotten_from: Option<i32>,
    /// Whether the system may have more changes.
    may_have_more: bool,
}

/// A watched file and its watchers.
#[derive(Debug, Default)]
struct WatchedFile {
    watchers: BTreeSet<Watcher>,
    /// Changes that are not being reported yet.
    news: Untold,
    /// The changes that are being reported, and the watcher that got them last.
    telling: Option<(Untold, Option<Watcher>)>,
    /// Whether it is among the files with changes to report.
    is_queued: bool,
    /// Whether it has had its last event.
    is_last: bool,
}

/// An instance, and its id of the watch.
type Watcher = (InstanceId, u32);

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
        self.may_have_more || !self.changed.is_empty() || self.forgotten_from.is_some()
    }

    /// Watches an open file; returns its watch descriptor.
    pub(in crate::reactor) fn add(
        &mut self,
        registry: &Registry,
        file: &OwnedFd,
        watcher: Watcher,
    ) -> Result<i32, WatchFault> {
        let descriptor = self.watcher(registry)?.add(file).map_err(fault_of)?;
        self.files.entry(descriptor).or_default().watchers.insert(watcher);
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
    pub(in crate::reactor) fn remove(&mut self, descriptor: i32, watcher: Watcher) {
        let Some(file) = self.files.get_mut(&descriptor) else { return };
        file.watchers.remove(&watcher);
        if file.watchers.is_empty() {
            self.files.remove(&descriptor);
            if let Some(watcher) = &self.watcher {
                watcher.remove(descriptor);
            }
        }
    }

    /// Takes changes with their watchers, up to the bound of a turn, however many watch one file.
    pub(in crate::reactor) fn take(&mut self) -> Vec<(InstanceId, u32, Change)> {
        self.hear();
        let mut changes = Vec::new();
        while changes.len() < CHANGES_PER_TURN {
            self.remember_a_forgotten_one();
            let Some(number) = self.changed.pop_front() else { break };
            let Some(file) = self.files.get_mut(&number) else { continue };
            if file.tell(&mut changes) {
                self.changed.push_front(number);
                break;
            }
            file.is_queued = false;
            if file.news != Untold::default() {
                file.queue_up(number, &mut self.changed);
            } else if file.is_last {
                self.files.remove(&number);
            }
        }
        changes
    }

    /// Takes events from the system, up to the bound of a turn.
    fn hear(&mut self) {
        let Some(watcher) = self.watcher.as_ref().filter(|_| self.may_have_more) else { return };
        let (files, changed, forgotten) =
            (&mut self.files, &mut self.changed, &mut self.forgotten_from);
        self.may_have_more = watcher.take(CHANGES_PER_TURN, |event| {
            if event.has_lost {
                *forgotten = files.keys().next().copied();
                return;
            }
            let Some(file) = files.get_mut(&event.number) else { return };
            file.is_last |= event.is_last;
            let kinds = changes_of(event).filter(|change| file.news.insert(*change)).count();
            if 0 < kinds || event.is_last {
                file.queue_up(event.number, changed);
            }
        });
    }

    /// After an overflow each file may have changed: reports the next one as modified.
    fn remember_a_forgotten_one(&mut self) {
        let Some(from) = self.forgotten_from.filter(|_| self.changed.is_empty()) else { return };
        let mut rest = self.files.range_mut(from..);
        if let Some((number, file)) = rest.next()
            && file.news.insert(Change::Modified)
        {
            file.queue_up(*number, &mut self.changed);
        }
        self.forgotten_from = rest.next().map(|(number, _)| *number);
    }
}

impl WatchedFile {
    /// Puts it among the files with changes to report.
    fn queue_up(&mut self, number: i32, changed: &mut VecDeque<i32>) {
        if !std::mem::replace(&mut self.is_queued, true) {
            changed.push_back(number);
        }
    }

    /// Adds its changes for each watcher, up to the bound of a turn; returns whether some are left.
    fn tell(&mut self, changes: &mut Vec<(InstanceId, u32, Change)>) -> bool {
        let (news, told) =
            self.telling.take().unwrap_or_else(|| (std::mem::take(&mut self.news), None));
        let from = told.map_or(Bound::Unbounded, Bound::Excluded);
        for watcher in self.watchers.range((from, Bound::Unbounded)) {
            let (id, watch) = *watcher;
            changes.extend(news.each().map(|change| (id, watch, change)));
            if CHANGES_PER_TURN <= changes.len() {
                self.telling = Some((news, Some(*watcher)));
                return true;
            }
        }
        false
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
            assert!(changes.len() <= CHANGES_PER_TURN, "{}", changes.len());
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

    /// However many watchers a file has, a turn reports to a bounded number of them, and all changes to each.
    #[test]
    fn those_who_watch_one_file_are_told_in_turns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let file: OwnedFd = File::open(&path).unwrap().into();
        let (poll, mut watches) = (Poll::new().unwrap(), Watches::default());
        let mut instances = Arena::new();
        let watchers: Vec<Watcher> = (0..3000).map(|_| (instances.insert(()), 7)).collect();
        for watcher in &watchers {
            watches.add(poll.registry(), &file, *watcher).unwrap();
        }
        fs::write(&path, "x").unwrap();
        fs::remove_file(&path).unwrap();
        drop(file);
        watches.found();
        let (mut told, mut turns) = (Vec::new(), 0);
        while watches.may_have_more() {
            let changes = watches.take();
            assert!(changes.len() <= CHANGES_PER_TURN + 2, "{}", changes.len());
            told.extend(changes);
            turns += 1;
        }
        assert!(watchers.len() / CHANGES_PER_TURN <= turns, "{turns} turns");
        for change in [Change::Modified, Change::Deleted] {
            let those = told.iter().filter(|it| it.2 == change).map(|it| (it.0, it.1));
            assert!(those.eq(watchers.iter().copied()), "{change:?}");
        }
        assert!(watches.files.is_empty(), "nothing is kept of what is gone");
    }
}
