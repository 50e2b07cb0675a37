//! Sockets that a thread waits for, and never for longer than it means to: whoever has the other end may hang, a backlog may be
//! full, and signals come at any moment.

use std::io;
use std::io::{Read, Write};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::clock::{Clock, Moment};

/// How long somebody waits in all.
#[derive(Debug)]
pub(crate) struct Patience {
    clock: Clock,
    begun: Moment,
    longest: Duration,
}

impl Patience {
    /// From now on.
    pub(crate) fn of(longest: Duration) -> Patience {
        let clock = Clock::system();
        Patience { begun: clock.now(), clock, longest }
    }

    /// A socket of this kind, connected to whoever waits at an address.
    ///
    /// # Errors
    /// What the system says; `TimedOut` where nobody accepts.
    pub(crate) fn connect(&self, kind: Type, at: &SockAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::from(i32::from(at.family())), kind, None)?;
        if !at.is_unix() {
            self.told(socket.connect_timeout(at, self.left()?))?;
            return Ok(socket);
        }
        // The system waits for a place in the backlog as it waits for room to write.
        self.undisturbed(|left| {
            socket.set_write_timeout(Some(left))?;
            socket.connect(at)
        })?;
        Ok(socket)
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What the system says; `TimedOut` where the other end does not read.
    pub(crate) fn write_all(&self, mut socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let length = self.undisturbed(|left| {
                socket.set_write_timeout(Some(left))?;
                socket.write(bytes)
            })?;
            if length == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[length..];
        }
        Ok(())
    }

    /// Reads what is there, as soon as something is.
    ///
    /// # Errors
    /// What the system says; `TimedOut` where nothing comes.
    pub(crate) fn read(&self, mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        self.undisturbed(|left| {
            socket.set_read_timeout(Some(left))?;
            socket.read(buffer)
        })
    }

    /// A step that may take as long as is left; begun again where a signal has interrupted it.
    fn undisturbed<T>(&self, mut step: impl FnMut(Duration) -> io::Result<T>) -> io::Result<T> {
        loop {
            match self.told(step(self.left()?)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.longest.saturating_sub(self.clock.now().since(self.begun));
        if left.is_zero() { Err(self.used_up()) } else { Ok(left) }
    }

    fn used_up(&self) -> io::Error {
        let cause = format!("there is no answer after {:?}", self.longest);
        io::Error::new(io::ErrorKind::TimedOut, cause)
    }

    /// The result of a step. What the system says of a time that is over does not sound like one.
    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::AGAIN | Errno::INPROGRESS) => self.used_up(),
            _ if error.kind() == io::ErrorKind::TimedOut => self.used_up(),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread::scope;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    fn is_late<T: std::fmt::Debug>(result: io::Result<T>) {
        let error = result.expect_err("nobody answers");
        assert_eq!(error.to_string(), "there is no answer after 50ms");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn nobody_is_waited_for_longer_than_is_meant() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a new path");
        let at = SockAddr::unix(&path).expect("a short path");
        // Nobody accepts, writes or reads.
        let socket = Patience::of(SHORT).connect(Type::STREAM, &at).expect("there is room");
        is_late(Patience::of(SHORT).read(&socket, &mut [0]));
        is_late(Patience::of(SHORT).write_all(&socket, &vec![0; 16 << 20]));
        // Until no more of them have room.
        let mut all = Vec::new();
        loop {
            match Patience::of(SHORT).connect(Type::STREAM, &at) {
                Ok(socket) => all.push(socket),
                late => break is_late(late),
            }
        }
        drop(listener);
    }

    #[test]
    fn what_comes_byte_by_byte_does_not_take_longer() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a new path");
        let at = SockAddr::unix(&path).expect("a short path");
        scope(|scope| {
            scope.spawn(|| {
                let (mut peer, _) = listener.accept().expect("one comes");
                // Until whoever reads has gone.
                while peer.write_all(b"x").is_ok() {
                    std::thread::yield_now();
                }
            });
            let patience = Patience::of(SHORT);
            let socket = patience.connect(Type::STREAM, &at).expect("there is room");
            loop {
                match patience.read(&socket, &mut [0]) {
                    Ok(length) => assert_eq!(length, 1),
                    late => break is_late(late),
                }
            }
        });
    }
}
