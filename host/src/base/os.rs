//! Functions of Linux under portable names. On other systems each returns that it is unsupported, and its caller does without it.
//!
//! The host is written for Linux. It compiles elsewhere for authors who write plugins there; docs/deploy.md lists what is
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

/// Opens a file as a path only (`O_PATH`), so that nothing blocks and no device is triggered; elsewhere for reading.
pub(crate) const FOR_ITS_NAME: OFlags = system::FOR_ITS_NAME;

/// Writing to a closed connection is an error and raises no signal. Elsewhere the signal is ignored.
pub(crate) const NO_SIGNAL: SendFlags = system::NO_SIGNAL;

/// A watcher of files: one descriptor for any number of them.
pub(crate) type FileWatcher = SystemWatcher;

/// The id of the calling thread, for `set_niceness`.
pub(crate) fn thread() -> i32 {
    system::thread()
}

/// Adds to the niceness of the calling thread.
///
/// # Errors
/// When the operating system refuses, or does not support priorities of threads.
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

/// Ends this process when its parent ends. Elsewhere only its own limits end it.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn end_with_parent() -> io::Result<()> {
    system::end_with_parent()
}

/// The permissions of a file, with its type.
pub(crate) fn mode_of(stat: &Stat) -> u32 {
    system::mode_of(stat)
}

/// Changes the owner of an open file, also of one that was opened as a path only.
///
/// # Errors
/// When the operating system refuses, or changes owners by path only.
pub(crate) fn set_owner(
    file: &OwnedFd,
    owner: Option<Uid>,
    group: Option<Gid>,
) -> Result<(), Errno> {
    system::set_owner(file, owner, group)
}

/// Sets the permissions of an open file, also of one that was opened as a path only.
///
/// # Errors
/// As of `set_owner`.
pub(crate) fn set_mode(file: &OwnedFd, mode: u32) -> Result<(), Errno> {
    system::set_mode(file, mode)
}

/// Writes at the current end of a file.
///
/// # Errors
/// `NOSYS` if the system does not support it.
pub(crate) fn append(file: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    system::append(file.as_fd(), bytes)
}

/// Whether a socket listens.
///
/// # Errors
/// When it is not a socket.
pub(crate) fn is_listening(socket: impl AsFd) -> Result<bool, Errno> {
    system::is_listening(socket.as_fd())
}

/// The address of a Unix socket in the abstract namespace.
///
/// # Errors
/// When the name is too long, or the system has no such namespace.
pub(crate) fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    system::abstract_address(name)
}

/// Opens a file below a folder; neither the path nor a link may lead out of it.
///
/// # Errors
/// `XDEV` if it leads out of the folder, `NOSYS` if the system cannot check that.
pub(crate) fn open_below(folder: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    system::open_below(folder.as_fd(), path, flags)
}

/// Copies from a file to a socket within the kernel.
///
/// # Errors
/// `NOSYS` if the system does not support it.
pub(crate) fn send_file(
    to: impl AsFd,
    file: impl AsFd,
    offset: &mut u64,
    length: usize,
) -> Result<usize, Errno> {
    system::send_file(to.as_fd(), file.as_fd(), offset, length)
}

/// Reads the part that is cached in memory, without waiting for a disk.
///
/// # Errors
/// `AGAIN` if it is not cached, `NOSYS` if the system cannot tell.
pub(crate) fn read_at_once(
    file: impl AsFd,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, Errno> {
    system::read_at_once(file.as_fd(), &mut [IoSliceMut::new(buffer)], offset)
}
