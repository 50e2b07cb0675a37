//! Files in an outbox. Each has a position in the queue and is read as the socket accepts its bytes, so that at most
//! one piece of it is in memory.
//!
//! Cached parts of a file are sent by `sendfile`, or with TLS by a read that does not block. Other parts are read by a file
//! thread, a piece at a time, so that a slow disk delays only this connection.

use std::any::Any;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::base::os;
use crate::net::connection::outbox::Outbox;
use crate::net::connection::stream::Stream;
use crate::quota::budget::Reservation;
use crate::quota::semaphore::Permit;

/// Bytes of one read or write.
pub(super) const PIECE: usize = 64 * 1024;

/// Why a file was not sent, or not completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// Its connection has ended.
    Closed,
    /// The path leads out of its folder.
    Denied,
    /// The path does not exist.
    NotFound,
    /// The path leads to something that is no regular file.
    NotAFile,
    /// The file has changed: it is another version, or shorter than the requested part.
    Changed,
    /// The file system reported an error.
    Failed,
}

/// The result of sending one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEnd {
    /// The guest's number for it.
    pub file: u32,
    /// The number of bytes that were sent.
    pub outcome: Result<u64, FileFault>,
}

/// An open file, and the part of it that is to be sent.
#[derive(Debug)]
pub struct OpenedFile {
    pub file: Arc<File>,
    /// The part's first byte.
    pub offset: u64,
    /// The part's length in bytes.
    pub left: u64,
}

/// A piece that a file thread has to read.
#[derive(Debug)]
pub struct FileJob {
    /// The connection's number for the file.
    pub file: u32,
    pub from: Arc<File>,
    /// The piece's first byte.
    pub offset: u64,
    /// The most bytes to read.
    pub length: usize,
}

/// The resources that one queued file holds of its tenant's.
#[derive(Debug)]
pub struct FileAdmission {
    _descriptor: Permit,
    _kept: Reservation,
}

impl FileAdmission {
    pub fn new(descriptor: Permit, kept: Reservation) -> FileAdmission {
        FileAdmission { _descriptor: descriptor, _kept: kept }
    }
}

/// The pending answer of a file thread; dropping it cancels the call.
pub(crate) type AnswerOfThread = Box<dyn Any + Send>;

/// The files of one outbox, in the order of their calls.
#[derive(Debug, Default)]
pub(super) struct OutFiles {
    pub(super) queue: VecDeque<OutFile>,
    /// Complete files that the guest was not told of yet.
    pub(super) complete: VecDeque<FileEnd>,
    pub(super) last: u32,
}

/// Files that a connection has not sent when it ends. Dropping it closes them.
#[derive(Debug)]
pub struct LeftFiles(pub(super) VecDeque<OutFile>);

impl LeftFiles {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[derive(Debug)]
pub(super) struct OutFile {
    pub(super) number: u32,
    /// Its position: the total of bytes that had been queued in the outbox before it.
    pub(super) place: u64,
    pub(super) sent: u64,
    pub(super) state: FileState,
    pub(super) awaited: Option<AnswerOfThread>,
    pub(super) _admission: FileAdmission,
}

#[derive(Debug)]
pub(super) enum FileState {
    /// A file thread opens it.
    Opening,
    Open(Reading),
    /// It cannot be sent; the bytes behind it wait until its guest was told.
    Failed {
        fault: FileFault,
        is_told: bool,
    },
}

/// The progress of an open file.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) file: Arc<File>,
    /// The next byte to read.
    pub(super) offset: u64,
    /// The number of bytes to read.
    pub(super) left: u64,
    /// Bytes that were read; those from `written` on are not written yet.
    pub(super) piece: Vec<u8>,
    pub(super) written: usize,
    pub(super) needs: Needs,
}

/// Where the next piece is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// On the loop, if the page cache has it.
    Nobody,
    /// On a file thread, which was not asked yet.
    Thread,
    /// On a file thread, which was asked.
    Answer,
}

/// The result of one write.
enum FileStep {
    Wrote(usize),
    SocketIsFull,
    /// A file thread has to read first.
    Waits,
    Complete,
    Failed(FileFault),
}

impl OutFiles {
    /// The number of outbox bytes before the first file; none if there is no file.
    pub(super) fn bytes_before(&self, outbox: &Outbox) -> Option<usize> {
        let place = self.queue.front()?.place;
        let written = outbox.total() - outbox.len() as u64;
        usize::try_from(place.saturating_sub(written)).ok()
    }

    /// Writes up to `most` bytes of the first file. Returns their number, and whether the file is complete.
    pub(super) fn write(&mut self, stream: &mut Stream, most: usize) -> (usize, io::Result<bool>) {
        let mut written = 0;
        let Some(file) = self.queue.front_mut() else { return (0, Ok(false)) };
        loop {
            match file.write(stream, most - written) {
                Ok(FileStep::Wrote(bytes)) => {
                    written += bytes;
                    file.sent += bytes as u64;
                    if written == most && !file.is_complete() {
                        return (written, Ok(false));
                    }
                }
                Ok(FileStep::SocketIsFull | FileStep::Waits) => return (written, Ok(false)),
                Ok(FileStep::Failed(fault)) => {
                    file.state = FileState::Failed { fault, is_told: false };
                    return (written, Ok(false));
                }
                Ok(FileStep::Complete) => {
                    let end = FileEnd { file: file.number, outcome: Ok(file.sent) };
                    self.complete.push_back(end);
                    self.queue.pop_front();
                    return (written, Ok(true));
                }
                Err(error) => return (written, Err(error)),
            }
        }
    }

    /// The number of bytes in memory.
    pub(super) fn held(&self) -> usize {
        match self.queue.front().map(|file| &file.state) {
            Some(FileState::Open(reading)) => reading.piece.len(),
            _ => 0,
        }
    }

    pub(super) fn is_front_writable(&self) -> bool {
        match self.queue.front().map(|file| &file.state) {
            Some(FileState::Open(reading)) => reading.needs == Needs::Nobody,
            _ => false,
        }
    }

    pub(super) fn find(&mut self, number: u32) -> Option<&mut OutFile> {
        self.queue.iter_mut().find(|file| file.number == number)
    }
}

impl OutFile {
    fn is_complete(&self) -> bool {
        matches!(&self.state, FileState::Open(reading) if reading.left == 0 && reading.piece.is_empty())
    }

    fn write(&mut self, stream: &mut Stream, most: usize) -> io::Result<FileStep> {
        let FileState::Open(reading) = &mut self.state else { return Ok(FileStep::Waits) };
        if reading.needs != Needs::Nobody {
            return Ok(FileStep::Waits);
        }
        if reading.piece.is_empty() && reading.left == 0 {
            return Ok(FileStep::Complete);
        }
        if most == 0 {
            return Ok(FileStep::SocketIsFull);
        }
        if !reading.piece.is_empty() {
            return reading.write_piece(stream, most);
        }
        let length = reading.next_length(most);
        let step =
            if stream.takes_files() { reading.send(stream, length) } else { reading.read(length) };
        match step {
            Err(Errno::AGAIN) => {
                reading.needs = Needs::Thread;
                Ok(FileStep::Waits)
            }
            Err(errno) => {
                tracing::debug!(error = %io::Error::from(errno), "a file cannot be read");
                Ok(FileStep::Failed(FileFault::Failed))
            }
            Ok(step) => step,
        }
    }
}

impl Reading {
    pub(super) fn next_length(&self, most: usize) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE).min(most)
    }

    fn write_piece(&mut self, stream: &mut Stream, most: usize) -> io::Result<FileStep> {
        let rest = &self.piece[self.written..];
        match stream.write(&rest[..rest.len().min(most)]) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                self.written += bytes;
                if self.written == self.piece.len() {
                    (self.piece, self.written) = (Vec::new(), 0);
                }
                Ok(FileStep::Wrote(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(FileStep::SocketIsFull),
            Err(error) => Err(error),
        }
    }

    /// Sends from the file to the socket; `AGAIN` if that would wait for the disk.
    fn send(&mut self, stream: &mut Stream, length: usize) -> Result<io::Result<FileStep>, Errno> {
        let last = self.offset + length as u64 - 1;
        if !(self.is_cached(self.offset)? && self.is_cached(last)?) {
            return Ok(Ok(FileStep::Failed(FileFault::Changed)));
        }
        match os::send_file(&*stream, &self.file, &mut self.offset, length) {
            Ok(0) => Ok(Ok(FileStep::Failed(FileFault::Changed))),
            Ok(bytes) => {
                self.left = self.left.saturating_sub(bytes as u64);
                Ok(Ok(FileStep::Wrote(bytes)))
            }
            Err(Errno::AGAIN) => Ok(Ok(FileStep::SocketIsFull)),
            Err(Errno::INTR) => Ok(Ok(FileStep::Wrote(0))),
            // The file system does not support `sendfile`: a file thread reads instead.
            Err(Errno::INVAL | Errno::NOSYS) => Err(Errno::AGAIN),
            Err(errno @ (Errno::PIPE | Errno::CONNRESET)) => Ok(Err(errno.into())),
            Err(errno) => Err(errno),
        }
    }

    /// Reads the next piece into memory; `AGAIN` if that would wait for the disk.
    fn read(&mut self, length: usize) -> Result<io::Result<FileStep>, Errno> {
        let mut piece = vec![0; length];
        let read = self.read_cached(&mut piece, self.offset)?;
        if read == 0 {
            return Ok(Ok(FileStep::Failed(FileFault::Changed)));
        }
        piece.truncate(read);
        self.take(piece);
        Ok(Ok(FileStep::Wrote(0)))
    }

    pub(super) fn take(&mut self, piece: Vec<u8>) {
        let bytes = piece.len() as u64;
        self.offset += bytes;
        self.left = self.left.saturating_sub(bytes);
        (self.piece, self.written) = (piece, 0);
    }

    /// Whether the byte at `offset` can be read without waiting for the disk; false behind the end of the file.
    fn is_cached(&self, offset: u64) -> Result<bool, Errno> {
        Ok(self.read_cached(&mut [0], offset)? == 1)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        loop {
            match os::read_at_once(&self.file, buffer, offset) {
                Err(Errno::INTR) => {}
                // A file system without non-blocking reads may block in every read.
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => return Err(Errno::AGAIN),
                result => return result,
            }
        }
    }
}

impl OutFile {
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, FileState::Failed { .. })
    }

    pub(super) fn end_at_close(&self) -> Option<FileEnd> {
        let fault = match self.state {
            FileState::Failed { is_told: true, .. } => return None,
            FileState::Failed { fault, .. } => fault,
            _ => FileFault::Closed,
        };
        Some(FileEnd { file: self.number, outcome: Err(fault) })
    }
}
