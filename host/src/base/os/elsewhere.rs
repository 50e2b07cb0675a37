//! As no other system does it: each says so, and whoever asks does without.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;

use rustix::fs::{Gid, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::base::os::file_event::FileEvent;

pub(super) const FOR_ITS_NAME: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);
pub(super) const NO_SIGNAL: SendFlags = SendFlags::empty();

pub(super) fn thread() -> i32 {
    0
}

pub(super) fn add_niceness(_niceness: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn set_niceness(_thread: i32, _niceness: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn end_with_parent() -> io::Result<()> {
    Ok(())
}

pub(super) fn mode_of(stat: &Stat) -> u32 {
    stat.st_mode.into()
}

pub(super) fn set_owner(
    _file: &OwnedFd,
    _owner: Option<Uid>,
    _group: Option<Gid>,
) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

pub(super) fn set_mode(_file: &OwnedFd, _mode: u32) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

pub(super) fn append(_file: BorrowedFd<'_>, _bytes: &[u8]) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

pub(super) fn is_listening(_socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    // Whoever hands one over that does not listen is told when it is accepted from.
    Ok(true)
}

pub(super) fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn open_below(
    _folder: BorrowedFd<'_>,
    _path: &str,
    _flags: OFlags,
) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

pub(super) fn send_file(
    _to: BorrowedFd<'_>,
    _file: BorrowedFd<'_>,
    _offset: &mut u64,
    _length: usize,
) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

pub(super) fn read_at_once(
    _file: BorrowedFd<'_>,
    _pieces: &mut [IoSliceMut<'_>],
    _offset: u64,
) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

/// There is none.
#[derive(Debug)]
pub(crate) enum NoFileWatcher {}

impl NoFileWatcher {
    /// As on Linux.
    #[cfg(test)]
    pub(crate) const BUFFER_BYTES: usize = 0;

    /// Never one.
    pub(crate) fn new() -> Result<NoFileWatcher, Errno> {
        Err(Errno::NOSYS)
    }

    /// As on Linux.
    pub(crate) fn add(&self, _file: &OwnedFd) -> Result<i32, Errno> {
        match *self {}
    }

    /// As on Linux.
    pub(crate) fn remove(&self, _number: i32) {
        match *self {}
    }

    /// As on Linux.
    pub(crate) fn take(&self, _most: usize, _each: impl FnMut(FileEvent)) -> bool {
        match *self {}
    }
}

impl AsFd for NoFileWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}

impl AsRawFd for NoFileWatcher {
    fn as_raw_fd(&self) -> RawFd {
        match *self {}
    }
}
