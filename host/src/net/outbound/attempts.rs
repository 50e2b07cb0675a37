//! The attempts of one outgoing connection: one address after the other, and in parallel if one is slow (Happy Eyeballs,
//! RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, reason_of};
use crate::net::network::Network;
use crate::net::outbound::Attempt;

/// How long to wait for one attempt before the next begins in parallel: RFC 8305, section 5, "Connection Attempt Delay".
pub(crate) const NEXT_AFTER: Duration = Duration::from_millis(250);

/// The most parallel attempts. If all of them are slow, the oldest is given up for the next.
const UNDER_WAY_MAX: usize = 8;

/// The addresses that are left to try, the attempts in progress, and why the last one failed.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    left: VecDeque<Attempt>,
    under_way: VecDeque<Stream>,
    last_failure: Option<CloseReason>,
    /// The local address, if the plugin has chosen one.
    local: Option<SocketAddr>,
}

/// The progress of the attempts.
#[derive(Debug)]
pub(crate) enum Progress {
    /// One has succeeded; the others are given up.
    Connected(Stream),
    /// At least one has failed, so that the next can begin.
    Failed,
    /// Nothing yet.
    Waiting,
}

impl Attempts {
    /// For these addresses. The two families alternate (RFC 8305, section 4), each in its own order.
    pub(crate) fn new(addresses: VecDeque<Attempt>) -> Attempts {
        let is_v6 = |attempt: &Attempt| matches!(attempt, Attempt::Tcp(SocketAddr::V6(_)));
        let first = addresses.front().is_some_and(is_v6);
        let (mut same, mut other): (VecDeque<_>, VecDeque<_>) =
            addresses.into_iter().partition(|attempt| is_v6(attempt) == first);
        let mut left = VecDeque::with_capacity(same.len() + other.len());
        while !same.is_empty() || !other.is_empty() {
            left.extend(same.pop_front());
            left.extend(other.pop_front());
        }
        Attempts { left, ..Attempts::default() }
    }

    /// Sets the local address.
    pub(crate) fn begin_at(&mut self, local: Option<SocketAddr>) {
        self.local = local;
    }

    /// The local address, if the plugin has chosen one.
    pub(crate) fn begins_at(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Whether an address is left to try.
    pub(crate) fn has_more(&self) -> bool {
        !self.left.is_empty()
    }

    /// Begins the next attempt that does not fail at once, with a socket of `network` that `register` adds to the poll.
    ///
    /// # Errors
    /// The last failure, when no attempt is in progress and no address is left.
    pub(crate) fn begin_next(
        &mut self,
        network: &Network,
        register: impl Fn(&mut Stream) -> io::Result<()>,
    ) -> Result<(), CloseReason> {
        while let Some(attempt) = self.left.pop_front() {
            let begun = network.begin(&attempt, self.local).and_then(|mut stream| {
                register(&mut stream)?;
                Ok(stream)
            });
            match begun {
                Ok(stream) => {
                    if UNDER_WAY_MAX <= self.under_way.len() {
                        self.last_failure = Some(CloseReason::ConnectTimeout);
                        self.under_way.pop_front();
                    }
                    self.under_way.push_back(stream);
                    return Ok(());
                }
                Err(error) => self.last_failure = Some(reason_of(&error)),
            }
        }
        if self.under_way.is_empty() {
            return Err(self.last_failure.unwrap_or(CloseReason::NameNotFound));
        }
        Ok(())
    }

    /// Checks the attempts in progress. Closing a socket also removes it from the poll.
    pub(crate) fn progress(&mut self) -> Progress {
        let before = self.under_way.len();
        let mut left = VecDeque::with_capacity(before);
        while let Some(stream) = self.under_way.pop_front() {
            match stream.take_error() {
                Ok(None) if stream.peer().is_err() => left.push_back(stream),
                Ok(None) => {
                    *self = Attempts::default();
                    return Progress::Connected(stream);
                }
                Ok(Some(error)) | Err(error) => self.last_failure = Some(reason_of(&error)),
            }
        }
        self.under_way = left;
        if self.under_way.len() < before { Progress::Failed } else { Progress::Waiting }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn at(address: &str) -> Attempt {
        Attempt::Tcp(address.parse().unwrap())
    }

    #[test]
    fn families_take_turns() {
        let check = |addresses: &[&str], expected: &[&str]| {
            let attempts = Attempts::new(addresses.iter().map(|it| at(it)).collect());
            assert_eq!(attempts.left, expected.iter().map(|it| at(it)).collect::<VecDeque<_>>());
        };
        check(&["[::1]:1", "[::1]:2", "1.1.1.1:3"], &["[::1]:1", "1.1.1.1:3", "[::1]:2"]);
        check(&["1.1.1.1:1", "1.1.1.1:2", "[::1]:3"], &["1.1.1.1:1", "[::1]:3", "1.1.1.1:2"]);
        check(&["1.1.1.1:1", "1.1.1.1:2"], &["1.1.1.1:1", "1.1.1.1:2"]);
        check(&[], &[]);
    }

    #[test]
    fn the_last_failure_is_the_reason() {
        let missing = Attempt::Unix("/nowhere/at/all".into());
        let none = |attempts: &mut Attempts| {
            attempts.begin_next(&Network::System, |_| Ok(())).unwrap_err()
        };
        assert_eq!(none(&mut Attempts::new([missing].into())), CloseReason::Refused);
        assert_eq!(none(&mut Attempts::default()), CloseReason::NameNotFound);
    }

    #[test]
    fn the_first_that_connects_has_it_however_many_are_deaf() {
        // A listener with a full backlog neither accepts nor refuses.
        let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&deaf, 0).unwrap();
        let address = deaf.local_addr().unwrap();
        let mut crowd = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            crowd.push(stream);
        }
        let lively = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut addresses = VecDeque::from(vec![Attempt::Tcp(address); UNDER_WAY_MAX + 3]);
        addresses.push_back(Attempt::Tcp(lively.local_addr().unwrap()));
        let mut attempts = Attempts::new(addresses);
        while attempts.has_more() {
            attempts.begin_next(&Network::System, |_| Ok(())).unwrap();
            assert!(attempts.under_way.len() <= UNDER_WAY_MAX);
        }
        let connected =
            std::iter::repeat_with(|| attempts.progress()).find_map(|progress| match progress {
                Progress::Connected(stream) => Some(stream),
                Progress::Failed => panic!("nobody refuses"),
                Progress::Waiting => None,
            });
        assert!(connected.is_some() && lively.accept().is_ok());
        assert!(attempts.under_way.is_empty(), "the others are given up");
    }
}
