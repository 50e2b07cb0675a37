//! One connection of a transcript: what its peer has sent and got.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::author::transcript::step::PeerState;
use crate::net::network::ScriptEnd;

/// Bytes that may come between two steps that do something.
pub(crate) const RECEIVED_MAX: usize = 64 << 20;

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The script's end; none once it has closed it.
    end: Option<ScriptEnd>,
    /// Whether it was dialled and nobody has answered yet.
    pub is_ringing: bool,
    /// What was sent and has not gone out yet.
    unsent: Vec<u8>,
    /// Whether its side ends behind that.
    ends: bool,
    /// What has come since something was done last.
    received: Vec<u8>,
    /// How much of that was expected.
    expected: usize,
    /// Where each datagram of it ends, and how many of them were expected.
    datagrams: Vec<usize>,
    expected_datagrams: usize,
    /// The plugin's side.
    pub state: PeerState,
    /// Whether that was expected.
    pub state_is_known: bool,
    /// Whether more has come than may.
    pub is_flooded: bool,
}

impl Peer {
    /// A connection of which this is the script's end.
    pub(crate) fn new(end: ScriptEnd, is_dialled: bool) -> Peer {
        Peer {
            is_ringing: is_dialled && matches!(end, ScriptEnd::Stream(_)),
            end: Some(end),
            unsent: Vec::new(),
            ends: false,
            received: Vec::new(),
            expected: 0,
            datagrams: Vec::new(),
            expected_datagrams: 0,
            state: PeerState::Open,
            state_is_known: true,
            is_flooded: false,
        }
    }

    /// What a poll can watch; datagrams have nothing of the kind.
    pub(crate) fn socket(&self) -> Option<RawFd> {
        match &self.end {
            Some(ScriptEnd::Stream(end)) => Some(end.as_fd().as_raw_fd()),
            _ => None,
        }
    }

    /// Whether the script may still do something with it.
    pub(crate) fn is_usable(&self) -> bool {
        self.end.is_some()
            && !self.ends
            && self.state != PeerState::Closed
            && self.state != PeerState::Reset
    }

    /// Whether the script has not closed it, and neither has the plugin.
    pub(crate) fn is_there(&self) -> bool {
        self.end.is_some() && !matches!(self.state, PeerState::Closed | PeerState::Reset)
    }

    /// Whether each line is a datagram.
    pub(crate) fn has_datagrams(&self) -> bool {
        matches!(self.end, Some(ScriptEnd::Datagrams(_)))
    }

    /// What has come since something was done last: lines, or datagrams.
    pub(crate) fn received(&self) -> Vec<&[u8]> {
        if !self.has_datagrams() {
            return self.received.split_inclusive(|byte| *byte == b'\n').collect();
        }
        let begins = std::iter::once(&0).chain(&self.datagrams);
        begins.zip(&self.datagrams).map(|(begin, end)| &self.received[*begin..*end]).collect()
    }

    /// What of that nobody has expected.
    pub(crate) fn left(&self) -> &[u8] {
        &self.received[self.expected..]
    }

    /// Whether there is something that nobody has expected.
    pub(crate) fn has_left(&self) -> bool {
        !self.left().is_empty() || self.expected_datagrams < self.datagrams.len()
    }

    /// The next bytes that have come are these, of datagrams the next one is; false if they are not.
    pub(crate) fn takes(&mut self, bytes: &[u8]) -> bool {
        let end = self.expected + bytes.len();
        let next = self.datagrams.get(self.expected_datagrams);
        let is_whole = !self.has_datagrams() || next == Some(&end);
        let fits = is_whole && self.left().starts_with(bytes);
        if fits {
            self.expected = end;
            self.expected_datagrams += usize::from(self.has_datagrams());
        }
        fits
    }

    /// Something is done next: what has come so far is the past.
    pub(crate) fn forget(&mut self) {
        self.received.clear();
        self.datagrams.clear();
        self.expected = 0;
        self.expected_datagrams = 0;
    }

    /// Sends.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match &self.end {
            Some(ScriptEnd::Datagrams(end)) => end.send(bytes.to_vec()),
            _ => self.unsent.extend_from_slice(bytes),
        }
    }

    /// Ends its side behind what was sent; false of datagrams, which have no end.
    pub(crate) fn end(&mut self) -> bool {
        self.ends = !self.has_datagrams();
        self.ends
    }

    /// Closes it.
    pub(crate) fn close(&mut self, resets: bool) {
        if let Some(ScriptEnd::Stream(end)) = self.end.take() {
            end.close(resets);
        }
        self.unsent.clear();
    }

    /// Answers that it is there, or not. False if the plugin has given up.
    pub(crate) fn answer(&mut self, accepts: bool) -> bool {
        self.is_ringing = false;
        let Some(ScriptEnd::Stream(end)) = &self.end else { return false };
        if accepts {
            return end.accept().is_ok();
        }
        let refused = end.refuse().is_ok();
        self.end = None;
        refused
    }

    /// Moves what can be moved, each way; whether anything has.
    pub(crate) fn pump(&mut self) -> bool {
        if self.is_ringing {
            let is_given_up = matches!(&self.end, Some(ScriptEnd::Stream(end)) if end.is_closed());
            return is_given_up && self.becomes(PeerState::Closed);
        }
        let has_written = self.write();
        let has_read = self.read();
        has_written || has_read
    }

    fn write(&mut self) -> bool {
        let Some(ScriptEnd::Stream(end)) = &self.end else { return false };
        if self.unsent.is_empty() {
            if !self.ends {
                return false;
            }
            // It may be closed already, which is read.
            let _ = end.end();
            self.ends = false;
            return true;
        }
        match end.write(&self.unsent) {
            Ok(written) => {
                self.unsent.drain(..written);
                0 < written
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(_) => {
                self.unsent.clear();
                false
            }
        }
    }

    fn read(&mut self) -> bool {
        let end = match &self.end {
            None => return false,
            Some(ScriptEnd::Stream(end)) => end,
            Some(ScriptEnd::Datagrams(end)) => {
                let Some(bytes) = end.receive() else { return false };
                self.received.extend_from_slice(&bytes);
                self.datagrams.push(self.received.len());
                self.is_flooded |= RECEIVED_MAX < self.received.len();
                return true;
            }
        };
        if matches!(self.state, PeerState::Closed | PeerState::Reset) {
            return false;
        }
        let mut buffer = [0; 1 << 16];
        match end.read(&mut buffer) {
            Ok(0) if end.is_closed() => self.becomes(PeerState::Closed),
            Ok(0) => self.becomes(PeerState::Ended),
            Ok(read) => {
                self.received.extend_from_slice(&buffer[..read]);
                self.is_flooded |= RECEIVED_MAX < self.received.len();
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.becomes(PeerState::Reset)
            }
            Err(_) => false,
        }
    }

    fn becomes(&mut self, state: PeerState) -> bool {
        let is_new = self.state != state;
        if is_new {
            self.state = state;
            self.state_is_known = false;
        }
        is_new
    }
}
