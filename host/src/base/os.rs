//! What only Linux can, under names that other systems have too. Elsewhere each says that it cannot, and its caller does without.
//!
//! The host is written for Linux. That it compiles elsewhere is for those who write plugins there; docs/deploy.md says what is
//! missing then.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::SocketAddr;

use rustix::fs::{Gid, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::net::SendFlags;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
pub(crate) mod file_event;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
use self::elsewhere::{self as system, NoFileWatcher as SystemWatcher};
#[cfg(target_os = "linux")]
use self::linux::{self as system, Inotify as SystemWatcher};

/// For opening what is there for its name alone, so that nothing waits and nothing is set off; elsewhere for reading.
pub(crate) const FOR_ITS_NAME: OFlags = system::FOR_ITS_NAME;

/// A peer that is gone is an error of the write and no signal. Elsewhere that is so because the signal is ignored.
pub(crate) const NO_SIGNAL: SendFlags = system::NO_SIGNAL;

/// What watches files: one descriptor for any number of them.
pub(crate) type FileWatcher = SystemWatcher;

/// The calling thread's number, by which `set_niceness` knows it.
pub(crate) fn thread() -> i32 {
    system::thread()
}

/// Adds to the niceness of the calling thread.
///
/// # Errors
/// When the operating system refuses, or has no priorities of threads.
pub(crate) fn add_niceness(niceness: i32) -> io::Result<()> {
    system::add_niceness(niceness)
}

/// Sets the niceness of one thread of this process.
///
/// # Errors
/// When the operating system refuses, or has no priorities of threads.
pub(crate) fn set_niceness(thread: i32, niceness: i32) -> io::Result<()> {
    system::set_niceness(thread, niceness)
}

/// Has this process end with the one that has started it. Elsewhere its own bounds have to do.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn end_with_parent() -> io::Result<()> {
    system::end_with_parent()
}

/// The permissions of a file, with its kind.
pub(crate) fn mode_of(stat: &Stat) -> u32 {
    system::mode_of(stat)
}

/// Gives an open file away, also one that was opened for its name alone.
///
/// # Errors
/// When the operating system refuses, or gives away by paths alone.
pub(crate) fn set_owner(
    file: &OwnedFd,
    owner: Option<Uid>,
    group: Option<Gid>,
) -> Result<(), Errno> {
    system::set_owner(file, owner, group)
}

/// Sets the permissions of an open file, also of one that was opened for its name alone.
///
/// # Errors
/// As of `set_owner`.
pub(crate) fn set_mode(file: &OwnedFd, mode: u32) -> Result<(), Errno> {
    system::set_mode(file, mode)
}

/// Writes behind the end of a file, wherever that is by now.
///
/// # Errors
/// `NOSYS` where nothing can.
pub(crate) fn append(file: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    system::append(file.as_fd(), bytes)
}

/// Whether a socket listens.
///
/// # Errors
/// When it is no socket.
pub(crate) fn is_listening(socket: impl AsFd) -> Result<bool, Errno> {
    system::is_listening(socket.as_fd())
}

/// The address of a Unix socket that has a name and no path.
///
/// # Errors
/// When it is too long, or no such names are known.
pub(crate) fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    system::abstract_address(name)
}

/// Opens what is below a folder; no path and no link leads out of it.
///
/// # Errors
/// `XDEV` where one would, `NOSYS` where nothing can tell.
pub(crate) fn open_below(folder: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    system::open_below(folder.as_fd(), path, flags)
}

/// From a file to a socket, without a copy.
///
/// # Errors
/// `NOSYS` where nothing can.
pub(crate) fn send_file(
    to: impl AsFd,
    file: impl AsFd,
    offset: &mut u64,
    length: usize,
) -> Result<usize, Errno> {
    system::send_file(to.as_fd(), file.as_fd(), offset, length)
}

/// Reads what can be had without waiting for a disk.
///
/// # Errors
/// `AGAIN` where it is not in memory, `NOSYS` where nothing can tell.
pub(crate) fn read_at_once(
    file: impl AsFd,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, Errno> {
    system::read_at_once(file.as_fd(), &mut [IoSliceMut::new(buffer)], offset)
}
