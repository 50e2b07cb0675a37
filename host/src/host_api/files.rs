//! `files`, `file-versions`: files that the host sends on a connection without copying them through the guest.

use crate::contract::bindings::{
    ErrorCode, FileError, FilePart, FileVersion, file_versions, files,
};
use crate::host_api::command::Command;
use crate::host_api::sockets::Socket;
use crate::host_api::state::HostState;
use crate::mail::post::{FileNews, Mail};
use crate::net::connection::SendError;
use crate::net::connection::files::{FileAdmission, FileFault};
use crate::plugin::granted::Version;
use crate::quota::host_memory::{self, FILE_BYTES};

impl files::Host for HostState {
    fn send_file(&mut self, to: Socket, path: String, part: FilePart) -> Result<u32, FileError> {
        self.send(("files.send-file", None), &to, &path, part)
    }
}

impl file_versions::Host for HostState {
    fn send_version(
        &mut self,
        to: Socket,
        path: String,
        part: FilePart,
        version: FileVersion,
    ) -> Result<u32, FileError> {
        let version = Version {
            size: version.size.into(),
            seconds: version.seconds,
            nanoseconds: version.nanoseconds,
        };
        self.send(("file-versions.send-version", Some(version)), &to, &path, part)
    }
}

impl HostState {
    /// Sends a file for the call with this name: of this version, or of any.
    fn send(
        &mut self,
        (call, version): (&'static str, Option<Version>),
        to: &Socket,
        path: &str,
        part: FilePart,
    ) -> Result<u32, FileError> {
        let (id, connection) = self.sockets.get(to.rep()).ok_or(FileError::Closed)?.clone();
        connection.lock().takes_file()?;
        let granted = self.granted_path(call, path)?;
        let address = self.address.clone().ok_or(FileError::Denied)?;
        let tenant = &self.plugin.tenant;
        let index = tenant.index;
        let bytes = FILE_BYTES.saturating_add(host_memory::length(path));
        let kept = tenant.host_memory.reserve(bytes);
        let kept = kept.ok_or_else(|| limit(self.no_host_memory()))?;
        let descriptor = self.env.host.descriptors.acquire(index);
        let descriptor = descriptor.ok_or_else(|| limit(self.no_descriptor()))?;
        let (offset, length) = (u64::from(part.offset), part.length.map(u64::from));
        let mut locked = connection.lock();
        let file = locked.queue_file(FileAdmission::new(descriptor, kept));
        let answer = self.env.host.file_calls.add(index, move || {
            let opened = granted.open(offset, length, version);
            address.post.send(Mail::File { connection: id, file, news: FileNews::Opened(opened) });
        });
        locked.await_file(file, Box::new(answer));
        if locked.mark_dirty() {
            self.commands.push(Command::Reconcile { id });
        }
        Ok(file)
    }
}

/// A reached limit has the same error in both interfaces.
fn limit(_: ErrorCode) -> FileError {
    FileError::Limit
}

impl From<SendError> for FileError {
    fn from(error: SendError) -> FileError {
        match error {
            SendError::Closed => FileError::Closed,
            SendError::TooLong | SendError::NoPeer | SendError::NotGranted => {
                FileError::Unsupported
            }
            SendError::Closing
            | SendError::OutboxFull
            | SendError::OutboxesFull
            | SendError::NotNow => FileError::Closing,
        }
    }
}

impl From<FileFault> for FileError {
    fn from(fault: FileFault) -> FileError {
        match fault {
            FileFault::Closed => FileError::Closed,
            FileFault::Denied => FileError::Denied,
            FileFault::NotFound => FileError::NotFound,
            FileFault::NotAFile => FileError::NotAFile,
            FileFault::Changed => FileError::Changed,
            FileFault::Failed => FileError::Failed,
        }
    }
}
