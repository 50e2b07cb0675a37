//! The Unix socket of packets (SOCK_SEQPACKET) by which one process hands its listening sockets to the next. The operator
//! configures its path.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{SockAddr, Socket, Type};

use crate::base::retry::retry;
use crate::config::socket_access::SocketAccess;
use crate::net::blocking::Patience;
use crate::net::listener::error::BindFault;
use crate::net::listener::unix::{self, OwnedPath};

/// The most descriptors in one packet; the system allows 253.
pub(crate) const DESCRIPTORS_OF_A_PACKET: usize = 128;
/// The most bytes of the text of one packet.
const WORDS_BYTES_MAX: usize = 4096;
/// The mode of the path.
const OWNER_ONLY: u32 = 0o600;

/// The socket at which a process waits for the next one.
#[derive(Debug)]
pub(crate) struct PassingListener {
    socket: Arc<Socket>,
    _path: OwnedPath,
}

/// The part of it that waits, for a thread of its own.
#[derive(Debug)]
pub(crate) struct Waiter(Arc<Socket>);

/// The connection to the other process.
#[derive(Debug)]
pub(crate) struct PassingPeer(Socket);

impl PassingListener {
    /// Binds `path`, which only this user may use. A process that waits there already is an error, unless it has handed over:
    /// then the path is replaced atomically.
    pub(crate) fn bind(path: &Path, has_taken_over: bool) -> Result<PassingListener, BindFault> {
        let access = SocketAccess { mode: Some(OWNER_ONLY), ..SocketAccess::default() };
        let (socket, owned) = if has_taken_over {
            let beside = path.with_extension(format!("next-{}", std::process::id()));
            let (socket, beside) = unix::bind_as(Type::SEQPACKET, &beside, &access)?;
            (socket, beside.move_to(path)?)
        } else {
            unix::bind_as(Type::SEQPACKET, path, &access)?
        };
        socket.listen(1)?;
        socket.set_nonblocking(false)?;
        Ok(PassingListener { socket: Arc::new(socket), _path: owned })
    }

    /// The part for the thread that waits.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter(self.socket.clone())
    }
}

impl Waiter {
    /// Waits for the next process.
    ///
    /// # Errors
    /// Those of the system; `PermissionDenied` if the process is another user's.
    pub(crate) fn accept(&self) -> io::Result<PassingPeer> {
        let (socket, _) = in_time(|| self.0.accept())?;
        PassingPeer::of_this_user(socket)
    }
}

impl PassingPeer {
    /// Connects to the process that waits at `path`, which has `longest` to accept; none if no process does.
    ///
    /// # Errors
    /// Those of the system; `PermissionDenied` if the process is another user's.
    pub(crate) fn find(path: &Path, longest: Duration) -> io::Result<Option<PassingPeer>> {
        match Patience::of(longest).connect(Type::SEQPACKET, &SockAddr::unix(path)?) {
            Ok(socket) => PassingPeer::of_this_user(socket).map(Some),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::CONNREFUSED | Errno::NOENT) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The process at the other end.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn process(&self) -> io::Result<i32> {
        Ok(socket_peercred(&self.0)?.pid.as_raw_nonzero().get())
    }

    fn of_this_user(socket: Socket) -> io::Result<PassingPeer> {
        let there = socket_peercred(&socket)?.uid;
        if there != rustix::process::geteuid() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(PassingPeer(socket))
    }

    /// Sets the time-out of sending and receiving.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn wait_for(&self, longest: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(longest))?;
        self.0.set_write_timeout(Some(longest))
    }

    /// Sends one packet with a text and descriptors.
    ///
    /// # Errors
    /// When the other process has closed, or does not receive in time.
    pub(crate) fn send(&self, words: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_OF_A_PACKET))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fits =
            descriptors.is_empty() || ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        if !fits || WORDS_BYTES_MAX < words.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let words = [IoSlice::new(words.as_bytes())];
        in_time(|| Ok(sendmsg(&self.0, &words, &mut ancillary, SendFlags::NOSIGNAL)?))?;
        Ok(())
    }

    /// Receives one packet: a text and descriptors. An empty text means that the other process has closed.
    ///
    /// # Errors
    /// When no packet comes in time, or its text is no UTF-8.
    pub(crate) fn receive(&self) -> io::Result<(String, Vec<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_OF_A_PACKET))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut words = [0; WORDS_BYTES_MAX];
        let mut into = [IoSliceMut::new(&mut words)];
        let heard =
            in_time(|| Ok(recvmsg(&self.0, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?))?;
        let rights = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors = rights.flatten().collect();
        let words = words.get(..heard.bytes).unwrap_or_default().to_vec();
        let words = String::from_utf8(words).map_err(io::Error::other)?;
        Ok((words, descriptors))
    }
}

/// Repeats a step that a signal has interrupted, and returns `TimedOut` for a time-out, which the system reports as
/// `WouldBlock`.
fn in_time<T>(step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    retry(step).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            let cause = "the process at the other end has not answered in time";
            io::Error::new(io::ErrorKind::TimedOut, cause)
        }
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn words_and_descriptors_come_together() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("next");
        assert!(PassingPeer::find(&path, LONG).expect("nobody is there").is_none());
        let listener = PassingListener::bind(&path, false).expect("a new path");
        assert!(matches!(PassingListener::bind(&path, false), Err(BindFault::LiveServer)));
        let next = PassingPeer::find(&path, LONG).expect("it waits").expect("it is there");
        let this = listener.waiter().accept().expect("it is the same user");
        let mut files: Vec<File> =
            (0..DESCRIPTORS_OF_A_PACKET).map(|_| tempfile::tempfile().expect("a file")).collect();
        for (number, file) in files.iter_mut().enumerate() {
            file.write_all(&[u8::try_from(number).expect("few")]).expect("room");
        }
        let handed: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        this.send("all of them", &handed).expect("it is there");
        this.send("none", &[]).expect("it is there");
        let (words, descriptors) = next.receive().expect("it was said");
        assert_eq!((&*words, descriptors.len()), ("all of them", DESCRIPTORS_OF_A_PACKET));
        for (number, descriptor) in descriptors.into_iter().enumerate() {
            let mut file = File::from(descriptor);
            let mut byte = [0];
            file.rewind().expect("a file");
            file.read_exact(&mut byte).expect("it has one");
            assert_eq!(usize::from(byte[0]), number);
        }
        assert_eq!(next.receive().expect("it was said").0, "none");
        assert!(this.send(&"x".repeat(WORDS_BYTES_MAX + 1), &[]).is_err());
        drop(this);
        assert_eq!(next.receive().expect("its end").0, "");
        // The second takes the path, and the first no longer removes it.
        let second = PassingListener::bind(&path, true).expect("it was handed over");
        drop(listener);
        assert!(PassingPeer::find(&path, LONG).expect("it waits").is_some());
        drop(second);
        assert!(!path.exists());
    }
}
