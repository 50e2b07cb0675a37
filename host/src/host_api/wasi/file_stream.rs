//! A file as a stream: one piece at a time is read or written on a file thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::base::os;
use crate::base::retry::read_at;
use crate::plugin::file_calls::{FileAnswer, FileCalls};
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::semaphore::Permit;

/// The most bytes of one read or write.
pub(super) const PIECE: usize = 64 << 10;

/// How a stream makes its calls into the file system.
#[derive(Clone)]
pub(super) struct FileAccess {
    pub calls: FileCalls,
    pub tenant: usize,
    /// The budget of the pieces.
    pub memory: ByteBudget,
}

impl FileAccess {
    /// Reserves memory for one piece.
    fn room(&self) -> io::Result<Reservation> {
        let room = self.memory.reserve(PIECE as u64);
        room.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }
}

/// An open file, with the permit of its descriptor.
pub(super) struct OpenFile {
    pub file: Arc<File>,
    pub _descriptor: Option<Arc<Permit>>,
}

/// Reads a file from a position.
pub(super) struct FileInput {
    file: OpenFile,
    position: u64,
    threads: FileAccess,
    state: Input,
}

enum Input {
    Idle,
    UnderWay(FileAnswer<io::Result<Bytes>>, Reservation),
    Here { bytes: Bytes, _room: Reservation },
    Failed(io::Error),
    Ended,
}

impl FileInput {
    pub(super) fn new(file: OpenFile, position: u64, threads: FileAccess) -> FileInput {
        FileInput { file, position, threads, state: Input::Idle }
    }

    fn begin(&mut self, length: usize) {
        let (file, position) = (self.file.file.clone(), self.position);
        let read = move || read_at(&file, position, length.min(PIECE)).map(Bytes::from);
        self.state = match self.threads.room() {
            Ok(room) => Input::UnderWay(self.threads.calls.add(self.threads.tenant, read), room),
            Err(error) => Input::Failed(error),
        };
    }

    async fn settle(&mut self) {
        let Input::UnderWay(answer, _) = &mut self.state else { return };
        let read = answer.await.flatten();
        let Input::UnderWay(_, room) = std::mem::replace(&mut self.state, Input::Ended) else {
            return;
        };
        self.state = match read {
            Ok(bytes) if bytes.is_empty() => Input::Ended,
            Ok(bytes) => Input::Here { bytes, _room: room },
            Err(error) => Input::Failed(error),
        };
    }
}

#[async_trait::async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {
        if let Input::Idle = self.state {
            self.begin(PIECE);
        }
        self.settle().await;
    }
}

#[async_trait::async_trait]
impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &mut self.state {
            Input::Idle if size == 0 => Ok(Bytes::new()),
            Input::Idle => {
                self.begin(size);
                Ok(Bytes::new())
            }
            Input::UnderWay(..) => Ok(Bytes::new()),
            Input::Here { bytes, .. } => {
                let piece = bytes.split_to(bytes.len().min(size));
                if bytes.is_empty() {
                    self.state = Input::Idle;
                }
                self.position += piece.len() as u64;
                Ok(piece)
            }
            Input::Failed(_) => match std::mem::replace(&mut self.state, Input::Ended) {
                Input::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                _ => Err(StreamError::Closed),
            },
            Input::Ended => Err(StreamError::Closed),
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.settle().await;
        if let Input::Idle = self.state
            && 0 < size
        {
            self.begin(size);
            self.settle().await;
        }
        self.read(size)
    }
}

/// The position of the next piece.
#[derive(Clone, Copy)]
pub(super) enum WritePlace {
    At(u64),
    End,
}

/// Writes a file from a position, or appends.
pub(super) struct FileOutput {
    file: OpenFile,
    place: WritePlace,
    threads: FileAccess,
    state: Output,
}

enum Output {
    Ready,
    UnderWay { answer: FileAnswer<io::Result<usize>>, _room: Reservation },
    Failed(io::Error),
    Ended,
}

impl FileOutput {
    pub(super) fn new(file: OpenFile, place: WritePlace, threads: FileAccess) -> FileOutput {
        FileOutput { file, place, threads, state: Output::Ready }
    }

    async fn settle(&mut self) {
        let Output::UnderWay { answer, .. } = &mut self.state else { return };
        self.state = match answer.await.flatten() {
            Ok(written) => {
                if let WritePlace::At(position) = &mut self.place {
                    *position += written as u64;
                }
                Output::Ready
            }
            Err(error) => Output::Failed(error),
        };
    }

    /// The failure of the last write, reported once.
    fn failure(&mut self) -> StreamResult<()> {
        match std::mem::replace(&mut self.state, Output::Ended) {
            Output::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
            Output::Ended => Err(StreamError::Closed),
            other => {
                self.state = other;
                Ok(())
            }
        }
    }
}

fn write_at(file: &File, bytes: &[u8], place: WritePlace) -> io::Result<usize> {
    match place {
        WritePlace::At(position) => file.write_all_at(bytes, position)?,
        WritePlace::End => {
            let mut left = bytes;
            while !left.is_empty() {
                let written = match os::append(file, left) {
                    Err(rustix::io::Errno::INTR) => continue,
                    result => result?,
                };
                left = &left[written..];
            }
        }
    }
    Ok(bytes.len())
}

#[async_trait::async_trait]
impl Pollable for FileOutput {
    async fn ready(&mut self) {
        self.settle().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for FileOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.failure()?;
        if let Output::UnderWay { .. } = self.state {
            return Err(StreamError::trap("write without the leave of check-write"));
        }
        if PIECE < bytes.len() {
            return Err(StreamError::trap("write of more than check-write allows"));
        }
        let room = self.threads.room();
        let room = room.map_err(|error| StreamError::LastOperationFailed(error.into()))?;
        let (file, place) = (self.file.file.clone(), self.place);
        let write = move || write_at(&file, &bytes, place);
        let answer = self.threads.calls.add(self.threads.tenant, write);
        self.state = Output::UnderWay { answer, _room: room };
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // Nothing is buffered: the last write is in progress already.
        self.failure()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.failure()?;
        Ok(if let Output::Ready = self.state { PIECE } else { 0 })
    }

    /// Waits for the write in progress, so that no written bytes are lost.
    async fn cancel(&mut self) {
        self.settle().await;
    }
}
