//! Unix sockets of listeners, and their paths.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{FileType, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::base::os;
use crate::config::socket_access::SocketAccess;
use crate::net::listener::error::BindFault;

/// The pause between attempts to lock a folder.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The path of a Unix socket that this process has made.
#[derive(Debug)]
pub(super) struct OwnedPath {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Whether another process has taken it over.
    is_handed_over: AtomicBool,
}

/// A folder to lock while a path in it is bound.
#[derive(Debug)]
pub(super) struct FolderLock {
    folder: File,
    device: u64,
    inode: u64,
}

/// Binds a stream socket to `path`.
pub(super) fn bind(path: &Path, access: &SocketAccess) -> Result<(Socket, OwnedPath), BindFault> {
    bind_as(Type::STREAM, path, access)
}

/// Binds a socket of this type to `path`.
pub(super) fn bind_as(
    kind: Type,
    path: &Path,
    access: &SocketAccess,
) -> Result<(Socket, OwnedPath), BindFault> {
    check_folder(path)?;
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let owned = OwnedPath::new(path)?;
    give_away(path, access)?;
    Ok((socket, owned))
}

/// Listens, and copies the socket for each further reactor: the one that is free accepts.
pub(super) fn listen(
    first: Socket,
    reactors: usize,
    backlog: i32,
) -> Result<Vec<Socket>, BindFault> {
    first.listen(backlog)?;
    share(first, reactors)
}

/// A listening socket, and a copy of it for each further reactor.
pub(super) fn share(first: Socket, reactors: usize) -> Result<Vec<Socket>, BindFault> {
    let mut sockets = vec![first];
    for _ in 1..reactors {
        let shared = sockets[0].try_clone()?;
        sockets.push(shared);
    }
    Ok(sockets)
}

fn stream() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn check_folder(path: &Path) -> Result<(), BindFault> {
    let folder = folder_of(path);
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(BindFault::NoFolder(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(BindFault::Forbidden),
        Err(_) => Err(BindFault::NoFolder(folder.to_owned())),
    }
}

/// Removes a stale socket whose server has ended; anything else at the path stays.
fn remove_stale(path: &Path) -> Result<(), BindFault> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(BindFault::NotASocket);
    }
    // Non-blocking: a live server that hangs with a full backlog must not block the start.
    let answer = stream()?.connect(&SockAddr::unix(path)?);
    let error = answer.err().and_then(|error| Errno::from_io_error(&error));
    match error {
        Some(Errno::CONNREFUSED) => Ok(std::fs::remove_file(path)?),
        Some(Errno::NOENT) => Ok(()),
        Some(Errno::ACCESS | Errno::PERM) => Err(BindFault::Forbidden),
        // Connected, a full backlog, or an open socket of another kind.
        _ => Err(BindFault::LiveServer),
    }
}

/// Sets the configured mode, owner and group. The socket does not listen yet, so no connection is possible before.
fn give_away(path: &Path, access: &SocketAccess) -> Result<(), BindFault> {
    if *access == SocketAccess::default() {
        return Ok(());
    }
    // By descriptor and not by path: another user who may write in the folder could have replaced it meanwhile.
    let flags = os::FOR_ITS_NAME | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let socket = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    let stat = rustix::fs::fstat(&socket).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(BindFault::NotASocket);
    }
    let (owner, group) = (access.owner.map(Uid::from_raw), access.group.map(Gid::from_raw));
    if owner.is_some() || group.is_some() {
        os::set_owner(&socket, owner, group).map_err(|error| BindFault::Owner(error.into()))?;
    }
    if let Some(mode) = access.mode {
        os::set_mode(&socket, mode).map_err(|error| BindFault::Mode(error.into()))?;
    }
    Ok(())
}

impl OwnedPath {
    fn new(path: &Path) -> io::Result<OwnedPath> {
        let metadata = std::fs::symlink_metadata(path)?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Ok(OwnedPath { path: path.to_owned(), device, inode, is_handed_over: false.into() })
    }

    /// The path of a socket that another process hands over. It is not removed before [`OwnedPath::claim`].
    pub(super) fn take_over(path: &Path) -> io::Result<OwnedPath> {
        let owned = OwnedPath::new(path)?;
        owned.hand_over();
        Ok(owned)
    }

    /// Marks it as this process's, which removes it at the end.
    pub(super) fn claim(&self) {
        self.is_handed_over.store(false, Ordering::Relaxed);
    }

    /// Renames the socket to another path, replacing what is there.
    pub(super) fn move_to(self, path: &Path) -> io::Result<OwnedPath> {
        std::fs::rename(&self.path, path)?;
        OwnedPath::new(path)
    }

    /// Marks it as another process's, which removes it.
    pub(super) fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Relaxed);
    }

    /// Sets the mode, owner and group of a reloaded configuration.
    pub(super) fn give_away(&self, access: &SocketAccess) -> Result<(), BindFault> {
        if self.is_ours() { give_away(&self.path, access) } else { Ok(()) }
    }

    /// Whether the path still leads to this socket and was not replaced.
    pub(super) fn is_ours(&self) -> bool {
        let is =
            |there: &std::fs::Metadata| (there.dev(), there.ino()) == (self.device, self.inode);
        std::fs::symlink_metadata(&self.path).is_ok_and(|there| is(&there))
    }
}

impl Drop for OwnedPath {
    fn drop(&mut self) {
        if !self.is_handed_over.load(Ordering::Relaxed)
            && self.is_ours()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "socket path not removed");
        }
    }
}

impl FolderLock {
    /// Opens the folder of a path; none if that fails, for which the bind has the better error.
    pub(super) fn find(path: &Path) -> Option<FolderLock> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = File::from(rustix::fs::open(folder_of(path), flags, Mode::empty()).ok()?);
        let metadata = folder.metadata().ok()?;
        Some(FolderLock { folder, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Its identity, however its path is written.
    pub(super) fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Locks it; waits for `longest` at most. Dropping the value unlocks it.
    pub(super) fn take(&self, longest: Duration) -> Result<(), BindFault> {
        let mut waited = Duration::ZERO;
        loop {
            match rustix::fs::flock(&self.folder, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if waited < longest => {
                    std::thread::sleep(LOCK_PAUSE);
                    waited += LOCK_PAUSE;
                }
                Err(Errno::WOULDBLOCK) => return Err(BindFault::FolderBusy),
                // The file system does not support locks.
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    fn outcome(path: &Path) -> String {
        match bind(path, &SocketAccess::default()) {
            Ok(_) => "bound".to_owned(),
            Err(fault) => format!("{fault:?}"),
        }
    }

    /// A start replaces stale sockets only, and never blocks on anything at the path.
    #[test]
    fn a_path_is_taken_over_only_from_the_dead() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        let live = UnixListener::bind(at("live")).expect("a new path");
        // Nothing is accepted, so the backlog fills up.
        let hung = stream().expect("a socket");
        hung.bind(&SockAddr::unix(at("hung")).expect("a path")).expect("a new path");
        hung.listen(0).expect("it listens");
        let knock = |_| {
            let knock = stream().expect("a socket");
            knock.connect(&SockAddr::unix(at("hung")).expect("a path")).ok().map(|()| knock)
        };
        let knocks: Vec<_> = (0..8).map_while(knock).collect();
        assert!(knocks.len() < 8, "the backlog is never full");
        let datagrams = UnixDatagram::bind(at("datagrams")).expect("a new path");
        drop(UnixListener::bind(at("stale")).expect("a new path"));
        drop(UnixDatagram::bind(at("stale datagrams")).expect("a new path"));
        std::fs::write(at("file"), "").expect("a new path");
        std::os::unix::fs::symlink(at("live"), at("link")).expect("a new path");
        for (name, expected) in [
            ("new", "bound"),
            ("stale", "bound"),
            ("stale datagrams", "bound"),
            ("live", "LiveServer"),
            ("hung", "LiveServer"),
            ("datagrams", "LiveServer"),
            ("file", "NotASocket"),
            ("link", "NotASocket"),
        ] {
            assert_eq!(outcome(&at(name)), expected, "{name}");
        }
        assert!(outcome(&at("no such folder/a")).starts_with("NoFolder"));
        assert!(outcome(&at("file/a")).starts_with("NoFolder"));
        drop((live, datagrams, knocks));
    }

    #[test]
    fn a_socket_has_the_mode_that_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        for mode in [0o600, 0o660, 0o666, 0o777] {
            let path = dir.path().join(format!("{mode:o}"));
            let access = SocketAccess { mode: Some(mode), ..SocketAccess::default() };
            let _bound = bind(&path, &access).expect("a new path");
            let there = std::fs::symlink_metadata(&path).expect("it is there");
            assert_eq!(there.mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_path_that_another_took_is_noticed_and_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("socket");
        let (_sockets, owned) = bind(&path, &SocketAccess::default()).expect("a new path");
        assert!(owned.is_ours());
        std::fs::remove_file(&path).expect("it is there");
        assert!(!owned.is_ours());
        let _other = UnixListener::bind(&path).expect("a new path");
        assert!(!owned.is_ours());
        drop(owned);
        assert!(path.exists(), "it is somebody else's");
    }

    #[test]
    fn a_folder_is_held_by_one_start() {
        let dir = tempfile::tempdir().expect("a folder");
        let find = || FolderLock::find(&dir.path().join("socket")).expect("a folder");
        let (first, second) = (find(), find());
        assert_eq!(first.identity(), second.identity());
        first.take(Duration::ZERO).expect("nobody has it");
        assert!(matches!(second.take(LOCK_PAUSE), Err(BindFault::FolderBusy)));
        drop(first);
        second.take(Duration::ZERO).expect("nobody has it any more");
    }
}
