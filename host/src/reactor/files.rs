//! Sending files: answers of file threads, and results for the guest.

use crate::base::arena::ConnectionId;
use crate::base::retry::read_at;
use crate::engine::event::Event;
use crate::mail::post::{FileNews, Mail};
use crate::net::connection::files::{FileEnd, FileFault, FileJob};
use crate::reactor::Reactor;
use crate::workers::disposal::{Remaining, Remains};

/// The most files that are closed on the loop: each needs a system call.
const FILES_AT_ONCE: usize = 16;

impl Reactor {
    /// Handles the answer of a file thread.
    pub(super) fn file_news(&mut self, id: ConnectionId, file: u32, news: FileNews) {
        let Some(entry) = self.connections.get(id) else { return };
        let mut connection = entry.shared.lock();
        match news {
            FileNews::Opened(opened) => connection.file_opened(file, opened),
            FileNews::Read(read) => connection.file_read(file, read),
        }
        drop(connection);
        self.write_later(id);
    }

    /// The guest was told the result of a file.
    pub(super) fn file_was_told(&mut self, id: ConnectionId, end: &FileEnd) {
        let Some(entry) = self.connections.get(id).filter(|_| end.outcome.is_err()) else { return };
        entry.shared.lock().forget_file(end.file);
        self.write_later(id);
    }

    fn write_later(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        self.agenda.writes.push(tenant, id);
    }

    /// Delivers results, and has a file thread read what the page cache does not have.
    pub(super) fn go_on_with_files(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        let (instance, shared) = (entry.instance, entry.shared.clone());
        loop {
            let end = shared.lock().take_file_end();
            let Some(end) = end else { break };
            self.deliver(instance, Event::FileSent { connection: id, end });
        }
        let Some(job) = shared.lock().next_file_job() else { return };
        let (tenant, post, file) = (self.tenant_of(id), self.inbox.post(), job.file);
        let answer = self.setup.env.host.file_calls.add(tenant, move || {
            let news = FileNews::Read(read(&job));
            post.send(Mail::File { connection: id, file, news });
        });
        shared.lock().await_file(file, Box::new(answer));
    }

    /// A connection has ended: its guest is told of the remaining files before `unbind`.
    pub(super) fn give_up_files(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        let (instance, tenant) = (entry.instance, self.tenant_of(id));
        for end in self.close_files(id, tenant) {
            self.deliver(instance, Event::FileSent { connection: id, end });
        }
    }
}

impl Reactor {
    /// Closes the unsent files of a connection, off the loop if there are many; returns what its guest would be told.
    pub(super) fn close_files(&mut self, id: ConnectionId, tenant: usize) -> Vec<FileEnd> {
        let Some(entry) = self.connections.get(id) else { return Vec::new() };
        let (ends, left) = entry.shared.lock().give_up_files();
        if FILES_AT_ONCE < left.count() {
            self.setup.disposal.add(Remains { tenant, what: Remaining::Files(left) });
        }
        ends
    }
}

/// Reads the next piece; may block in the file system.
fn read(job: &FileJob) -> Result<Vec<u8>, FileFault> {
    read_at(&job.from, job.offset, job.length).map_err(|error| {
        tracing::debug!(%error, "a file cannot be read");
        FileFault::Failed
    })
}
