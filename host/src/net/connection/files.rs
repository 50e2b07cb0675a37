//! Files on their way out. Each stands at its place in the outbox and is read as the socket takes it, so that no more than
//! one piece of it is ever in memory.
//!
//! What the system has in memory already goes out by `sendfile`, or where the socket has TLS by one read that does not wait.
//! What it has not is read by a thread for files, a piece at a time: a disk that is slow holds up this connection alone.

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

/// Bytes that are read or sent at once.
pub(super) const PIECE: usize = 64 * 1024;

/// Why a file was not sent, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// Its connection has ended.
    Closed,
    /// It leads out of its folder.
    Denied,
    /// Nothing is there.
    NotFound,
    /// It is something else.
    NotAFile,
    /// It is shorter than it should be.
    Changed,
    /// Its file system fails.
    Failed,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEnd {
    /// The guest's number for it.
    pub file: u32,
    /// Bytes that were sent.
    pub outcome: Result<u64, FileFault>,
}

/// A file that is open, and the part of it that is to be sent.
#[derive(Debug)]
pub struct OpenedFile {
    /// It.
    pub file: Arc<File>,
    /// Where the part begins.
    pub offset: u64,
    /// Its bytes.
    pub left: u64,
}

/// A piece that a thread is to read.
#[derive(Debug)]
pub struct FileJob {
    /// For which of the connection's files.
    pub file: u32,
    /// From what.
    pub from: Arc<File>,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes, at most.
    pub length: usize,
}

/// What one file counts for its tenant while it is on its way.
#[derive(Debug)]
pub struct FileAdmission {
    _descriptor: Permit,
    _kept: Reservation,
}

impl FileAdmission {
    /// One more of a tenant's.
    pub fn new(descriptor: Permit, kept: Reservation) -> FileAdmission {
        FileAdmission { _descriptor: descriptor, _kept: kept }
    }
}

/// The answer of a thread that is waited for; what it works on is given up when this is dropped.
pub type AnswerOfThread = Box<dyn Any + Send>;

/// The files of one outbox, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct OutFiles {
    pub(super) queue: VecDeque<OutFile>,
    /// Those that are complete, and that nobody was told of.
    pub(super) complete: VecDeque<FileEnd>,
    pub(super) last: u32,
}

#[derive(Debug)]
pub(super) struct OutFile {
    pub(super) number: u32,
    /// Bytes that were ever queued in the outbox before it.
    pub(super) place: u64,
    pub(super) sent: u64,
    pub(super) state: FileState,
    pub(super) awaited: Option<AnswerOfThread>,
    pub(super) _admission: FileAdmission,
}

#[derive(Debug)]
pub(super) enum FileState {
    /// A thread opens it.
    Opening,
    Open(Reading),
    /// It cannot be sent; what stands behind it waits until its guest was told.
    Failed {
        fault: FileFault,
        is_told: bool,
    },
}

/// How far an open file is.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) file: Arc<File>,
    /// What is read next.
    pub(super) offset: u64,
    /// Bytes to be read.
    pub(super) left: u64,
    /// What was read and not written, from `written` on.
    pub(super) piece: Vec<u8>,
    pub(super) written: usize,
    pub(super) needs: Needs,
}

/// Who reads what is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// The loop, if the system has it in memory.
    Nobody,
    /// A thread, which was not asked yet.
    Thread,
    /// A thread that was asked.
    Answer,
}

/// What came of one write.
enum FileStep {
    Wrote(usize),
    SocketIsFull,
    /// A thread has to do its part.
    Waits,
    Complete,
    Failed(FileFault),
}

impl OutFiles {
    /// Bytes of the outbox that go out before the first file; none where there is no file.
    pub(super) fn bytes_before(&self, outbox: &Outbox) -> Option<usize> {
        let place = self.queue.front()?.place;
        let written = outbox.total() - outbox.len() as u64;
        usize::try_from(place.saturating_sub(written)).ok()
    }

    /// Writes up to `most` bytes of the first file. Says how many, and whether it is complete.
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

    /// Bytes in memory.
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

    /// From the file to the socket, if the system has it in memory; `AGAIN` where it has not.
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
            // A file system that cannot do it: a thread reads instead.
            Err(Errno::INVAL | Errno::NOSYS) => Err(Errno::AGAIN),
            Err(errno @ (Errno::PIPE | Errno::CONNRESET)) => Ok(Err(errno.into())),
            Err(errno) => Err(errno),
        }
    }

    /// Into memory, if the system has it there; `AGAIN` where it has not.
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

    /// Whether the byte there can be had without waiting; false where there is none.
    fn is_cached(&self, offset: u64) -> Result<bool, Errno> {
        Ok(self.read_cached(&mut [0], offset)? == 1)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        loop {
            match os::read_at_once(&self.file, buffer, offset) {
                Err(Errno::INTR) => {}
                // A file system that knows no such reads may wait in any.
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
