//! The PROXY protocol header, version 1 or 2, with which a proxy begins a connection: it names the addresses of the
//! client's connection to the proxy.

use std::io;
use std::net::SocketAddr;

use ppp::{PartialResult, v1, v2};
use rustix::net::{RecvFlags, recv};

use crate::clock::Moment;
use crate::net::connection::stream::{SocketAddress, Stream};
use crate::net::connection::{Connection, Phase};

/// The signature of a version 2 header, and the length of its fixed part.
const SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;
const FIXED_BYTES: usize = 16;
/// The first bytes of a version 1 header, the shortest length, and the longest.
const WORD: &[u8] = b"PROXY ";
const LINE_BYTES_MIN: usize = "PROXY UNKNOWN\r\n".len();
const LINE_BYTES_MAX: usize = 107;

/// The addresses of a connection as the header names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// The client of the proxy.
    pub peer: SocketAddress,
    /// The address that the client has connected to.
    pub local: SocketAddress,
}

/// Why a header is rejected.
#[derive(Debug)]
pub enum HeaderFault {
    /// The peer closed before the header was complete.
    Gone,
    /// The connection does not begin with a header.
    Missing,
    /// It is longer than the configured bound.
    TooLong,
    /// It is malformed, with the parser's message.
    Malformed(String),
}

/// Reads a header from a socket, and no byte behind it.
#[derive(Debug)]
pub(crate) struct HeaderReader {
    bytes: Vec<u8>,
    /// The longest header that is accepted, in bytes.
    most: usize,
}

/// The part of a header that is still missing.
#[derive(Debug, PartialEq, Eq)]
enum Awaited {
    /// At least this number of bytes.
    Bytes(usize),
    /// The rest of the line.
    Line,
    Nothing,
}

impl HeaderReader {
    /// For a header of up to `most` bytes.
    pub(crate) fn new(most: usize) -> HeaderReader {
        HeaderReader { bytes: Vec::new(), most }
    }

    /// Reads available bytes of the header. None while it is incomplete; then the addresses that it names, or none if those of
    /// the socket are meant.
    fn read(&mut self, socket: &Stream) -> Result<Option<Option<Proxied>>, HeaderFault> {
        loop {
            let taken = match self.missing()? {
                Awaited::Nothing => return self.parsed().map(Some),
                Awaited::Bytes(count) => self.take(socket, count),
                Awaited::Line => self.take_line(socket),
            };
            match taken {
                Ok(0) => return Err(HeaderFault::Gone),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "a socket failed");
                    return Err(HeaderFault::Gone);
                }
            }
        }
    }

    /// The part that is missing. A wrong beginning is found at its first wrong byte.
    fn missing(&self) -> Result<Awaited, HeaderFault> {
        let begins = |with: &[u8]| self.bytes.iter().zip(with).all(|(one, other)| one == other);
        let length = self.bytes.len();
        if begins(SIGNATURE) {
            let [.., high, low] = self.bytes.get(..FIXED_BYTES).unwrap_or_default() else {
                return Ok(Awaited::Bytes(LINE_BYTES_MIN.max(length + 1) - length));
            };
            let whole = FIXED_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
            return match whole - length {
                _ if self.most < whole => Err(HeaderFault::TooLong),
                0 => Ok(Awaited::Nothing),
                left => Ok(Awaited::Bytes(left)),
            };
        }
        if !begins(WORD) {
            return Err(HeaderFault::Missing);
        }
        match length {
            _ if self.bytes.contains(&b'\n') => Ok(Awaited::Nothing),
            0..LINE_BYTES_MIN => Ok(Awaited::Bytes(LINE_BYTES_MIN - length)),
            _ if length < LINE_BYTES_MAX => Ok(Awaited::Line),
            _ => Err(HeaderFault::TooLong),
        }
    }

    /// Reads up to `count` bytes.
    fn take(&mut self, socket: &Stream, count: usize) -> io::Result<usize> {
        let before = self.bytes.len();
        self.bytes.resize(before + count, 0);
        let taken = recv(socket, &mut self.bytes[before..], RecvFlags::empty());
        let taken = taken.map(|(taken, _)| taken);
        self.bytes.truncate(before + taken.unwrap_or(0));
        Ok(taken?)
    }

    /// Reads available bytes of the line, and none behind it.
    fn take_line(&mut self, socket: &Stream) -> io::Result<usize> {
        let mut ahead = [0; LINE_BYTES_MAX];
        let room = &mut ahead[self.bytes.len()..];
        let (seen, _) = recv(socket, &mut *room, RecvFlags::PEEK)?;
        let end = room[..seen].iter().position(|byte| *byte == b'\n');
        match end.map_or(seen, |end| end + 1) {
            0 => Ok(0),
            count => self.take(socket, count),
        }
    }

    /// The addresses that a complete header names; none if those of the socket are meant.
    fn parsed(&self) -> Result<Option<Proxied>, HeaderFault> {
        let malformed = |what: &dyn ToString| HeaderFault::Malformed(what.to_string());
        if self.bytes.starts_with(SIGNATURE) {
            let header = v2::Header::try_from(&*self.bytes).map_err(|it| malformed(&it))?;
            return ends_of_v2(&header);
        }
        let header = v1::Header::try_from(&*self.bytes);
        if header.is_incomplete() {
            // The line has ended, so a missing part is an error.
            return Err(malformed(&"the line is not complete"));
        }
        let header = header.map_err(|it| malformed(&it))?;
        if header.header.len() != self.bytes.len() {
            return Err(malformed(&"the line does not end with CR LF"));
        }
        Ok(match &header.addresses {
            v1::Addresses::Unknown => None,
            v1::Addresses::Tcp4(ends) => Some(Proxied::ip(
                (ends.source_address, ends.source_port).into(),
                (ends.destination_address, ends.destination_port).into(),
            )),
            v1::Addresses::Tcp6(ends) => Some(Proxied::ip(
                (ends.source_address, ends.source_port).into(),
                (ends.destination_address, ends.destination_port).into(),
            )),
        })
    }
}

/// The addresses of a version 2 header; none for `LOCAL` and for other transports than streams.
fn ends_of_v2(header: &v2::Header<'_>) -> Result<Option<Proxied>, HeaderFault> {
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    if header.tlvs().any(|it| it.is_err()) {
        return Err(HeaderFault::Malformed("what stands behind the addresses is cut".to_owned()));
    }
    if header.protocol != v2::Protocol::Stream {
        return Ok(None);
    }
    Ok(match &header.addresses {
        v2::Addresses::Unspecified => None,
        v2::Addresses::IPv4(ends) => Some(Proxied::ip(
            (ends.source_address, ends.source_port).into(),
            (ends.destination_address, ends.destination_port).into(),
        )),
        v2::Addresses::IPv6(ends) => Some(Proxied::ip(
            (ends.source_address, ends.source_port).into(),
            (ends.destination_address, ends.destination_port).into(),
        )),
        v2::Addresses::Unix(ends) => {
            Some(Proxied { peer: path(&ends.source), local: path(&ends.destination) })
        }
    })
}

fn path(bytes: &[u8]) -> SocketAddress {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    SocketAddress::Unix(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

impl Proxied {
    fn ip(peer: SocketAddr, local: SocketAddr) -> Proxied {
        Proxied { peer: SocketAddress::Tcp(peer), local: SocketAddress::Tcp(local) }
    }
}

impl std::fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeaderFault::Gone => f.write_str("the peer has gone before it was whole"),
            HeaderFault::Missing => f.write_str("the connection does not begin with one"),
            HeaderFault::TooLong => f.write_str("it is longer than it may be"),
            HeaderFault::Malformed(what) => f.write_str(what),
        }
    }
}

impl Connection {
    /// Has the connection begin with a header of up to `most` bytes. Called before anything is read or sent.
    pub fn expect_header(&mut self, most: usize) {
        self.header = Some(Box::new(HeaderReader::new(most)));
        self.phase = Phase::Handshaking;
    }

    /// Reads available bytes of the header; true when it is complete, and the connection is open or continues with TLS.
    pub fn read_header(&mut self, now: Moment) -> Result<bool, HeaderFault> {
        let (Some(header), Some(stream)) = (&mut self.header, &self.stream) else {
            return Ok(false);
        };
        if self.phase != Phase::Handshaking {
            return Ok(false);
        }
        let Some(proxied) = header.read(stream)? else { return Ok(false) };
        self.header = None;
        self.proxied = proxied.map(Box::new);
        self.last_activity = now;
        if !self.has_tls() {
            self.phase = Phase::Open;
        }
        Ok(true)
    }

    /// The peer's address: the client's if a proxy named it. None while it is not connected.
    pub fn peer(&self) -> Option<SocketAddress> {
        let stream = self.stream.as_ref()?;
        self.proxied.as_ref().map(|it| it.peer.clone()).or_else(|| stream.peer().ok())
    }

    /// The local address: the one the client has connected to if a proxy named it. None while it is not connected.
    pub fn local(&self) -> Option<SocketAddress> {
        let stream = self.stream.as_ref()?;
        self.proxied.as_ref().map(|it| it.local.clone()).or_else(|| stream.local().ok())
    }
}

#[cfg(test)]
mod tests;
