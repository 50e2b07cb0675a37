//! The peer of a connection in a transcript.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::author::transcript::step::PeerState;
use crate::net::network::ScriptEnd;

/// The most bytes that may be received between two actions.
pub(crate) const RECEIVED_MAX: usize = 64 << 20;

/// The peer of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The script's end of the connection; none once the script has closed it.
    end: Option<ScriptEnd>,
    /// Whether a plugin has dialled and the script has not answered yet.
    pub is_ringing: bool,
    /// Bytes that are not sent yet.
    unsent: Vec<u8>,
    /// Whether its side ends after `unsent`.
    ends: bool,
    /// The bytes received since the last action.
    received: Vec<u8>,
    /// The number of these bytes that were expected.
    expected: usize,
    /// The end of each datagram in `received`, and the number of datagrams that were expected.
    datagrams: Vec<usize>,
    expected_datagrams: usize,
    /// The state of the plugin's side.
    pub state: PeerState,
    /// Whether that state was expected.
    pub state_is_known: bool,
    /// Whether more than [`RECEIVED_MAX`] was received.
    pub is_flooded: bool,
}

impl Peer {
    /// The peer with this end of a connection.
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

    /// Whether the script may act on it.
    pub(crate) fn is_usable(&self) -> bool {
        self.end.is_some()
            && !self.ends
            && self.state != PeerState::Closed
            && self.state != PeerState::Reset
    }

    /// Whether neither the script nor the plugin has closed it.
    pub(crate) fn is_there(&self) -> bool {
        self.end.is_some() && !matches!(self.state, PeerState::Closed | PeerState::Reset)
    }

    /// Whether it exchanges datagrams, one in each line.
    pub(crate) fn has_datagrams(&self) -> bool {
        matches!(self.end, Some(ScriptEnd::Datagrams(_)))
    }

    /// The received lines, or datagrams, since the last action.
    pub(crate) fn received(&self) -> Vec<&[u8]> {
        if !self.has_datagrams() {
            return self.received.split_inclusive(|byte| *byte == b'\n').collect();
        }
        let begins = std::iter::once(&0).chain(&self.datagrams);
        begins.zip(&self.datagrams).map(|(begin, end)| &self.received[*begin..*end]).collect()
    }

    /// The received bytes that no step has expected.
    pub(crate) fn left(&self) -> &[u8] {
        &self.received[self.expected..]
    }

    /// Whether there are received bytes that no step has expected.
    pub(crate) fn has_left(&self) -> bool {
        !self.left().is_empty() || self.expected_datagrams < self.datagrams.len()
    }

    /// Takes the next received bytes, or the next datagram; false if they differ.
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

    /// Forgets what was received before the next action.
    pub(crate) fn forget(&mut self) {
        self.received.clear();
        self.datagrams.clear();
        self.expected = 0;
        self.expected_datagrams = 0;
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match &self.end {
            Some(ScriptEnd::Datagrams(end)) => end.send(bytes.to_vec()),
            _ => self.unsent.extend_from_slice(bytes),
        }
    }

    /// Ends its side after the unsent bytes; false for datagrams, which have no end.
    pub(crate) fn end(&mut self) -> bool {
        self.ends = !self.has_datagrams();
        self.ends
    }

    /// Closes it, by a reset if `resets`.
    pub(crate) fn close(&mut self, resets: bool) {
        if let Some(ScriptEnd::Stream(end)) = self.end.take() {
            end.close(resets);
        }
        self.unsent.clear();
    }

    /// Answers a dial; false if the plugin no longer waits.
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

    /// Sends and receives what is possible; returns whether anything was moved.
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
            // If it is closed already, the next read says so.
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
