//! As Linux does it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chmod, chownat, openat2, sendfile,
};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use rustix::net::SendFlags;
use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{Pid, Signal, set_parent_process_death_signal, setpriority_process};

use crate::base::os::file_event::FileEvent;

pub(super) const FOR_ITS_NAME: OFlags = OFlags::PATH;
pub(super) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

pub(super) fn thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

pub(super) fn add_niceness(niceness: i32) -> io::Result<()> {
    // It is the thread's, whatever the standard says of the process.
    rustix::process::nice(niceness)?;
    Ok(())
}

pub(super) fn set_niceness(thread: i32, niceness: i32) -> io::Result<()> {
    // The number of a thread stands for that thread alone.
    setpriority_process(Pid::from_raw(thread), niceness)?;
    Ok(())
}

pub(super) fn end_with_parent() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

pub(super) fn mode_of(stat: &Stat) -> u32 {
    stat.st_mode
}

pub(super) fn set_owner(
    file: &OwnedFd,
    owner: Option<Uid>,
    group: Option<Gid>,
) -> Result<(), Errno> {
    chownat(file, "", owner, group, AtFlags::EMPTY_PATH)
}

pub(super) fn set_mode(file: &OwnedFd, mode: u32) -> Result<(), Errno> {
    chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), Mode::from_raw_mode(mode))
}

pub(super) fn append(file: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    pwritev2(file, &[IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND)
}

pub(super) fn is_listening(socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    socket_acceptconn(socket)
}

pub(super) fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

pub(super) fn open_below(
    folder: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), how)
}

pub(super) fn send_file(
    to: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    length: usize,
) -> Result<usize, Errno> {
    sendfile(to, file, Some(offset), length)
}

pub(super) fn read_at_once(
    file: BorrowedFd<'_>,
    pieces: &mut [IoSliceMut<'_>],
    offset: u64,
) -> Result<usize, Errno> {
    preadv2(file, pieces, offset, ReadWriteFlags::NOWAIT)
}

/// `inotify`.
#[derive(Debug)]
pub(crate) struct Inotify(OwnedFd);

impl Inotify {
    /// Bytes of events that are taken from the system at once.
    pub(crate) const BUFFER_BYTES: usize = 4096;

    /// One that watches nothing yet.
    pub(crate) fn new() -> Result<Inotify, Errno> {
        inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map(Inotify)
    }

    /// Has an open file watched, whatever its path leads to by now; says its number.
    pub(crate) fn add(&self, file: &OwnedFd) -> Result<i32, Errno> {
        let what = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(&self.0, path, what)
    }

    /// What has this number is not watched any more.
    pub(crate) fn remove(&self, number: i32) {
        // What is gone is not watched by the system any more.
        let _ = inotify::remove_watch(&self.0, number);
    }

    /// Hands on what has happened, `most` events and what came with the last of them; whether there may be more.
    pub(crate) fn take(&self, most: usize, mut each: impl FnMut(FileEvent)) -> bool {
        let mut buffer = [const { MaybeUninit::uninit() }; Inotify::BUFFER_BYTES];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut taken = 0;
        while taken < most || !reader.is_buffer_empty() {
            taken += 1;
            match reader.next() {
                Ok(event) => each(told(event.wd(), event.events())),
                Err(Errno::INTR) => {}
                // There is nothing more.
                Err(_) => return false,
            }
        }
        true
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Inotify {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn told(number: i32, what: ReadFlags) -> FileEvent {
    let modified = ReadFlags::MODIFY
        | ReadFlags::CREATE
        | ReadFlags::DELETE
        | ReadFlags::MOVED_FROM
        | ReadFlags::MOVED_TO;
    FileEvent {
        number,
        has_lost: what.contains(ReadFlags::QUEUE_OVERFLOW),
        is_modified: what.intersects(modified),
        is_moved: what.contains(ReadFlags::MOVE_SELF),
        is_deleted: what.intersects(ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT),
        is_last: what.contains(ReadFlags::IGNORED),
    }
}
