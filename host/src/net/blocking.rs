//! Blocking sockets with one deadline for all steps: the peer may hang, a backlog may be full, and signals interrupt calls.

use std::io;
use std::io::{Read, Write};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::base::retry::retry;
use crate::clock::{Clock, Moment};

/// A deadline for several steps.
#[derive(Debug)]
pub(crate) struct Patience {
    clock: Clock,
    begun: Moment,
    longest: Duration,
}

impl Patience {
    /// The deadline `longest` from now.
    pub(crate) fn of(longest: Duration) -> Patience {
        let clock = Clock::system();
        Patience { begun: clock.now(), clock, longest }
    }

    /// Connects a socket of this kind to an address.
    ///
    /// # Errors
    /// Those of the system; `TimedOut` if the connection is not accepted.
    pub(crate) fn connect(&self, kind: Type, at: &SockAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::from(i32::from(at.family())), kind, None)?;
        if !at.is_unix() {
            self.told(socket.connect_timeout(at, self.left()?))?;
            return Ok(socket);
        }
        // The time-out of writing also bounds the wait for room in the backlog.
        self.step(|left| {
            socket.set_write_timeout(Some(left))?;
            socket.connect(at)
        })?;
        Ok(socket)
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// Those of the system; `TimedOut` if the peer does not read.
    pub(crate) fn write_all(&self, mut socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let length = self.step(|left| {
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

    /// Reads as soon as there are bytes.
    ///
    /// # Errors
    /// Those of the system; `TimedOut` if no bytes come.
    pub(crate) fn read(&self, mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        self.step(|left| {
            socket.set_read_timeout(Some(left))?;
            socket.read(buffer)
        })
    }

    /// A step that may take the time that is left; repeated if a signal interrupts it.
    fn step<T>(&self, mut step: impl FnMut(Duration) -> io::Result<T>) -> io::Result<T> {
        retry(|| self.told(step(self.left()?)))
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.longest.saturating_sub(self.clock.now().since(self.begun));
        if left.is_zero() { Err(self.used_up()) } else { Ok(left) }
    }

    fn used_up(&self) -> io::Error {
        let cause = format!("there is no answer after {:?}", self.longest);
        io::Error::new(io::ErrorKind::TimedOut, cause)
    }

    /// The result of a step, with one error for the several by which the system reports a time-out.
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
        // The peer neither accepts nor writes nor reads.
        let socket = Patience::of(SHORT).connect(Type::STREAM, &at).expect("there is room");
        is_late(Patience::of(SHORT).read(&socket, &mut [0]));
        is_late(Patience::of(SHORT).write_all(&socket, &vec![0; 16 << 20]));
        // Until the backlog is full.
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
                // Until the reader has closed.
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
