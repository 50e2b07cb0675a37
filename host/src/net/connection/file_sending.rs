//! Sending files on a connection.

use std::io;

use crate::net::connection::files::{
    AnswerOfThread, FileAdmission, FileEnd, FileFault, FileJob, FileState, LeftFiles, Needs,
    OpenedFile, OutFile, PIECE, Reading,
};
use crate::net::connection::{Connection, Phase, SendError};

impl Connection {
    /// Whether a file can be sent on it.
    ///
    /// # Errors
    /// Those of sending bytes; `TooLong` if it carries datagrams.
    pub fn takes_file(&self) -> Result<(), SendError> {
        if self.has_datagrams() {
            return Err(SendError::TooLong);
        }
        self.check_sendable()
    }

    /// Queues a file behind the bytes that were sent before; a file thread opens it. Returns the file's number.
    pub fn queue_file(&mut self, admission: FileAdmission) -> u32 {
        self.files.last = self.files.last.wrapping_add(1);
        let number = self.files.last;
        self.files.queue.push_back(OutFile {
            number,
            place: self.outbox.total(),
            sent: 0,
            state: FileState::Opening,
            awaited: None,
            _admission: admission,
        });
        number
    }

    /// Keeps the pending answer of a file thread for this file.
    pub fn await_file(&mut self, number: u32, awaited: AnswerOfThread) {
        if let Some(file) = self.files.find(number) {
            file.awaited = Some(awaited);
        }
    }

    /// A file thread has opened a file, or failed.
    pub fn file_opened(&mut self, number: u32, opened: Result<OpenedFile, FileFault>) {
        let Some(out) = self.files.find(number) else { return };
        out.awaited = None;
        out.state = match opened {
            Ok(OpenedFile { file, offset, left }) => FileState::Open(Reading {
                file,
                offset,
                left,
                piece: Vec::new(),
                written: 0,
                needs: Needs::Nobody,
            }),
            Err(fault) => FileState::Failed { fault, is_told: false },
        };
    }

    /// A file thread has read the next piece of a file, or failed.
    pub fn file_read(&mut self, number: u32, read: Result<Vec<u8>, FileFault>) {
        let Some(out) = self.files.find(number) else { return };
        out.awaited = None;
        let FileState::Open(reading) = &mut out.state else { return };
        reading.needs = Needs::Nobody;
        match read {
            Ok(piece) if piece.is_empty() => {
                out.state = FileState::Failed { fault: FileFault::Changed, is_told: false };
            }
            Ok(piece) => reading.take(piece),
            Err(fault) => out.state = FileState::Failed { fault, is_told: false },
        }
        self.outbox.hold_beside(self.files.held());
    }

    /// The read that the connection waits for, if it was not requested yet.
    pub fn next_file_job(&mut self) -> Option<FileJob> {
        let file = self.files.queue.front_mut()?;
        let FileState::Open(reading) = &mut file.state else { return None };
        if reading.needs != Needs::Thread || matches!(self.phase, Phase::Ended(_)) {
            return None;
        }
        reading.needs = Needs::Answer;
        let (from, offset) = (reading.file.clone(), reading.offset);
        Some(FileJob { file: file.number, from, offset, length: reading.next_length(PIECE) })
    }

    /// The next file that is complete or has failed, for `FileSent`.
    pub fn take_file_end(&mut self) -> Option<FileEnd> {
        if let Some(end) = self.files.complete.pop_front() {
            return Some(end);
        }
        // Files are reported in order: the first one only, and when all bytes queued before it are written.
        if self.files.bytes_before(&self.outbox) != Some(0) {
            return None;
        }
        let file = self.files.queue.front_mut()?;
        match &mut file.state {
            FileState::Failed { fault, is_told } if !*is_told => {
                *is_told = true;
                Some(FileEnd { file: file.number, outcome: Err(*fault) })
            }
            _ => None,
        }
    }

    /// The guest was told of a failed file: the bytes queued behind it are sent now.
    pub fn forget_file(&mut self, number: u32) {
        // If the guest closed the connection because of it, nothing behind the file is sent.
        if matches!(self.phase, Phase::Ended(_)) {
            return;
        }
        let is_it = |file: &OutFile| file.number == number && file.has_failed();
        if self.files.queue.front().is_some_and(is_it) {
            self.files.queue.pop_front();
        }
    }

    /// Gives up the remaining files at the end of the connection; returns what the guest is told of each, and the files.
    pub fn give_up_files(&mut self) -> (Vec<FileEnd>, LeftFiles) {
        let complete = std::mem::take(&mut self.files.complete);
        let left = std::mem::take(&mut self.files.queue);
        let untold = left.iter().filter_map(OutFile::end_at_close);
        let ends = complete.into_iter().chain(untold).collect();
        self.outbox.hold_beside(0);
        (ends, LeftFiles(left))
    }

    /// Whether a file waits for a file thread or for its guest to be told.
    pub fn has_file_news(&self) -> bool {
        self.has_files() || !self.files.complete.is_empty()
    }

    /// Whether any file is queued.
    pub fn has_files(&self) -> bool {
        !self.files.queue.is_empty()
    }

    /// Whether the socket could be given bytes now.
    pub(super) fn has_something_to_write(&self) -> bool {
        match self.files.bytes_before(&self.outbox) {
            None => !self.outbox.is_empty(),
            Some(0) => self.files.is_front_writable(),
            Some(_) => true,
        }
    }

    /// Writes up to `may` queued bytes, to the end of one file at most. Returns their number, and whether a file is complete.
    pub(super) fn write_out(&mut self, may: usize) -> (usize, io::Result<bool>) {
        let Some(stream) = &mut self.stream else { return (0, Ok(false)) };
        let before_file = self.files.bytes_before(&self.outbox);
        let queued = self.outbox.len();
        let flushed = self.outbox.flush(may.min(before_file.unwrap_or(usize::MAX)), |pieces| {
            stream.write_vectored(pieces)
        });
        let written = queued - self.outbox.len();
        if flushed.is_err() || before_file != Some(written) {
            return (written, flushed.map(|()| false));
        }
        let (of_file, result) = self.files.write(stream, may - written);
        self.outbox.hold_beside(self.files.held());
        (written + of_file, result)
    }
}
