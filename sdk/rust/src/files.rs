//! Files to a connection: EventMachine's `send_file_data` and `stream_file_data`.
//!
//! A path is one below a folder that `allow.read` names, as the plugin calls the folder.

use std::{cell::RefCell, collections::BTreeMap, fs, io, ops::Range, time::SystemTime};

pub use crate::bindings::sandloop::plugin::files::FileError;
use crate::{
    bindings::sandloop::plugin::{file_versions, files as host},
    deferrable::{DefaultDeferrable, Deferrable},
    host::calls,
    sockets::Socket,
};

/// EventMachine's: a larger file is streamed.
const SMALL: u64 = 32 * 1024;

/// The result of sending a file: the number of bytes, or why it was not sent or not completely.
pub type FileStreamer = DefaultDeferrable<u64, FileError>;

/// A file as it was when the plugin looked at it.
#[derive(Clone, Copy, Debug)]
pub struct FileVersion(file_versions::FileVersion);

impl FileVersion {
    /// Of a file of which the system says this; none where it does not say when the file was last written to.
    #[must_use]
    pub fn of(metadata: &fs::Metadata) -> Option<FileVersion> {
        FileVersion::new(metadata.len(), metadata.modified().ok()?)
    }

    /// The version of a file with this size and time of modification; none for times before 1970.
    #[must_use]
    pub fn new(size: u64, modified: SystemTime) -> Option<FileVersion> {
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let lower = since.as_secs() & u64::from(u32::MAX);
        Some(FileVersion(file_versions::FileVersion {
            size: size.into(),
            seconds: u32::try_from(lower).unwrap_or_default(),
            nanoseconds: since.subsec_nanos(),
        }))
    }
}

impl Socket {
    /// Sends a small file at once, as a copy in the plugin: all of it or nothing.
    ///
    /// # Errors
    /// The error of the file system, and `FileTooLarge` for a file of more than 32 KiB: stream it.
    pub fn send_file_data(&self, path: &str) -> io::Result<()> {
        // Opening a pipe or a device may block without end, so the type is checked first.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if SMALL < metadata.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.send_data(fs::read(path)?);
        Ok(())
    }

    /// Sends a file of any size behind what was sent before and before what is sent after, no faster than the peer reads.
    /// It does not enter the plugin. What is answered succeeds with the number of bytes when the operating system has
    /// all of them.
    ///
    /// A file that fails when a part of it was sent closes the connection: a stream with a hole in it is worse than none.
    pub fn stream_file_data(&self, path: &str) -> FileStreamer {
        let streamer = FileStreamer::new();
        match self.try_send_file(path, 0..u64::MAX, None) {
            Ok(file) => {
                let socket = self.clone();
                let answer = streamer.clone();
                on_sent(self, file, move |outcome| match outcome {
                    Ok(bytes) => answer.succeed(bytes),
                    Err(error) => {
                        if matches!(error, FileError::Changed | FileError::Failed) {
                            socket.close_connection();
                        }
                        answer.fail(error);
                    }
                });
            }
            Err(error) => streamer.fail(error),
        }
        streamer
    }

    /// Sends a part of a file, or with an end of `u64::MAX` all from the part's beginning on; `then` is called once with
    /// what became of it.
    ///
    /// # Errors
    /// `closed`, `closing`, `denied`, `limit`, `unsupported`: nothing is sent, and `then` is not called.
    pub fn send_file(
        &self,
        path: &str,
        part: Range<u64>,
        then: impl FnOnce(Result<u64, FileError>) + 'static,
    ) -> Result<(), FileError> {
        let file = self.try_send_file(path, part, None)?;
        on_sent(self, file, then);
        Ok(())
    }

    /// Like [`Socket::send_file`], if the file is unchanged; otherwise `then` gets `changed`, and nothing is sent.
    ///
    /// # Errors
    /// as [`Socket::send_file`].
    pub fn send_file_version(
        &self,
        path: &str,
        part: Range<u64>,
        version: FileVersion,
        then: impl FnOnce(Result<u64, FileError>) + 'static,
    ) -> Result<(), FileError> {
        let file = self.try_send_file(path, part, Some(version))?;
        on_sent(self, file, then);
        Ok(())
    }

    fn try_send_file(
        &self,
        path: &str,
        part: Range<u64>,
        version: Option<FileVersion>,
    ) -> Result<u32, FileError> {
        let length = (part.end != u64::MAX).then(|| part.end.saturating_sub(part.start).into());
        let part = host::FilePart { offset: part.start.into(), length };
        match version {
            None => calls::send_file(&self.host(), path, part),
            Some(FileVersion(version)) => calls::send_version(&self.host(), path, part, version),
        }
    }
}

type Then = Box<dyn FnOnce(Result<u64, FileError>)>;

thread_local! {
    /// By the number of the connection and that of the file.
    static SENT: RefCell<BTreeMap<(u32, u32), Then>> = const { RefCell::new(BTreeMap::new()) };
}

fn on_sent(socket: &Socket, file: u32, then: impl FnOnce(Result<u64, FileError>) + 'static) {
    let key = (socket.id(), file);
    SENT.with_borrow_mut(|sent| sent.insert(key, Box::new(then)));
}

/// What became of a file.
pub(crate) fn file_sent(socket: &Socket, file: u32, outcome: Result<u64, FileError>) {
    let key = (socket.id(), file);
    // Nothing is borrowed while the closure runs: it may send another one.
    let then = SENT.with_borrow_mut(|sent| sent.remove(&key));
    match (then, &outcome) {
        (Some(then), _) => then(outcome),
        (None, Err(error)) => {
            crate::warn!("connection {}: a file was not sent: {error}", key.0);
        }
        (None, Ok(_)) => {}
    }
}
