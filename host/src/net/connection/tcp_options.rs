//! Options of TCP sockets: keepalive and `TCP_NODELAY`.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::net::connection::stream::Stream;

/// Keepalive settings. 0 leaves a value at the system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keepalive {
    /// Seconds of silence before the first probe.
    pub idle: u32,
    /// Seconds between probes.
    pub interval: u32,
    /// Unanswered probes after which the connection is closed.
    pub count: u32,
}

/// The largest value that Linux accepts for each.
const SECONDS_MAX: u32 = 32_767;
const COUNT_MAX: u32 = 127;

/// Options that were requested; none for those that were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SocketOptions {
    pub(super) keepalive: Option<Option<Keepalive>>,
    pub(super) nodelay: Option<bool>,
}

/// Why an option is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionError {
    /// The connection is over.
    Closed,
    /// The kind of socket has no such option.
    Unsupported,
    /// The value is out of range.
    OutOfRange,
}

impl Keepalive {
    /// The settings of a socket; none if it does not probe.
    pub fn of(stream: &Stream) -> Option<Keepalive> {
        let socket = tcp(stream)?;
        let seconds = |time: io::Result<Duration>| {
            time.map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
        };
        socket.keepalive().ok().filter(|is_on| *is_on)?;
        Some(Keepalive {
            idle: seconds(socket.tcp_keepalive_time()),
            interval: seconds(socket.tcp_keepalive_interval()),
            count: socket.tcp_keepalive_retries().unwrap_or(0),
        })
    }

    /// Whether the system accepts the values.
    pub fn is_in_range(&self) -> bool {
        self.idle <= SECONDS_MAX && self.interval <= SECONDS_MAX && self.count <= COUNT_MAX
    }
}

impl SocketOptions {
    /// Applies the requested options to a connected socket.
    pub(crate) fn set_on(&self, stream: &Stream) {
        let Some(socket) = tcp(stream) else { return };
        let keepalive =
            self.keepalive.map_or(Ok(()), |keepalive| set_keepalive(&socket, keepalive));
        let nodelay = self.nodelay.map_or(Ok(()), |nodelay| socket.set_tcp_nodelay(nodelay));
        if let Err(error) = keepalive.and(nodelay) {
            tracing::debug!(%error, "an option of a socket was not set");
        }
    }
}

/// The TCP socket below a stream; none if it is of another kind.
pub(super) fn tcp(stream: &Stream) -> Option<SockRef<'_>> {
    let below = match stream {
        Stream::Tls(stream) => stream.socket(),
        other => other,
    };
    // A stand-in for TCP accepts the options of TCP and ignores them.
    let is_tcp = match below {
        Stream::Tcp(_) => true,
        Stream::StandIn(stand_in) => stand_in.is_tcp(),
        _ => false,
    };
    is_tcp.then(|| SockRef::from(below))
}

fn set_keepalive(socket: &SockRef<'_>, keepalive: Option<Keepalive>) -> io::Result<()> {
    let Some(Keepalive { idle, interval, count }) = keepalive else {
        return socket.set_keepalive(false);
    };
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let mut wanted = TcpKeepalive::new();
    if idle != 0 {
        wanted = wanted.with_time(seconds(idle));
    }
    if interval != 0 {
        wanted = wanted.with_interval(seconds(interval));
    }
    if count != 0 {
        wanted = wanted.with_retries(count);
    }
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(&wanted)
}
