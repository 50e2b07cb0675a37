//! One request's position among the answers of its connection.

use std::rc::Rc;

use super::{AfterResponse, Pipeline, Upgrade, output::JOINED};
use crate::{
    http::settings::Settings,
    transport::{FileSent, FileToSend},
};

/// One request's position among the answers. Clones are the same slot; what is written to a finished one is
/// discarded.
#[derive(Clone)]
pub(crate) struct Slot {
    pipeline: Pipeline,
    number: u64,
}

impl Slot {
    pub(super) fn new(pipeline: Pipeline, number: u64) -> Slot {
        Slot { pipeline, number }
    }

    /// Lets `write` add to the output.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> Option<T> {
        let mut inner = self.pipeline.0.borrow_mut();
        let (is_first, held) = inner.held(self.number)?;
        held.begun = true;
        let written = if is_first { write(&mut inner.out) } else { write(&mut held.bytes) };
        inner.flush_unless_corked();
        Some(written)
    }

    /// Writes an answer before the answer, such as `100 Continue`.
    pub(crate) fn write_interim(&self, bytes: &[u8]) {
        let mut inner = self.pipeline.0.borrow_mut();
        let Some((is_first, held)) = inner.held(self.number) else { return };
        if is_first {
            inner.out.extend_from_slice(bytes);
            inner.flush_unless_corked();
        } else {
            held.bytes.extend_from_slice(bytes);
        }
    }

    /// Sends bytes as they are, without a copy if they are many.
    pub(crate) fn send(&self, bytes: &[u8]) {
        if bytes.len() <= JOINED {
            self.write(|out| out.extend_from_slice(bytes));
            return;
        }
        let mut inner = self.pipeline.0.borrow_mut();
        let Some((is_first, held)) = inner.held(self.number) else { return };
        held.begun = true;
        if is_first {
            inner.flush();
            inner.transmit(bytes);
        } else {
            held.bytes.extend_from_slice(bytes);
        }
    }

    /// Has the host send a part of a file behind what was written, for the first slot; `then` is told what became of it, or
    /// dropped. Meanwhile the client has the timeout of an idle one.
    pub(crate) fn send_file(&self, file: FileToSend, then: FileSent) {
        let transport = {
            let mut inner = self.pipeline.0.borrow_mut();
            let Some((true, held)) = inner.held(self.number) else { return };
            held.begun = true;
            inner.flush();
            inner.begin_file();
            inner.transport.clone()
        };
        // Dropping `then` may use any response: nothing is borrowed here.
        let path = file.path.clone();
        if let Err(error) = transport.send_file(file, then) {
            crate::error!("connection {}: {path}: {error}", transport.id());
        }
    }

    /// The file is sent, or given up.
    pub(crate) fn file_sent(&self) {
        self.pipeline.0.borrow_mut().end_file();
    }

    /// Whether nothing is before it.
    pub(crate) fn is_first(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_some_and(|(is_first, _)| is_first)
    }

    /// The answer is complete.
    pub(crate) fn finish(&self, after: AfterResponse) {
        {
            let mut inner = self.pipeline.0.borrow_mut();
            let Some((_, held)) = inner.held(self.number) else { return };
            held.after = Some(after);
            inner.last |= after != AfterResponse::Keep;
        }
        self.pipeline.cork(|| self.pipeline.shift());
    }

    /// Whether the connection is to come to its end with this answer.
    pub(crate) fn is_to_be_last(&self) -> bool {
        let inner = self.pipeline.0.borrow();
        inner.draining && self.number + 1 == inner.first + inner.slots.len() as u64
    }

    /// The answer is complete, and what `make` makes has the connection after it.
    pub(crate) fn upgrade(&self, make: Upgrade) {
        self.pipeline.0.borrow_mut().upgrade = Some(make);
        self.finish(AfterResponse::Upgrade);
    }

    /// Whether the answer can still be given.
    pub(crate) fn is_open(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_some()
    }

    /// Whether something of the answer was written.
    pub(crate) fn is_begun(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_none_or(|(_, held)| held.begun)
    }

    /// Says whether the request's body is still coming.
    pub(crate) fn set_body_pending(&self, pending: bool) {
        if let Some((_, held)) = self.pipeline.0.borrow_mut().held(self.number) {
            held.body_pending = pending;
        }
    }

    /// Whether the request's body is still coming.
    pub(crate) fn is_body_pending(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_some_and(|(_, held)| held.body_pending)
    }

    /// Whether the client keeps up with the output, and this turn has budget left.
    pub(crate) fn has_room(&self) -> bool {
        let mut inner = self.pipeline.0.borrow_mut();
        !inner.turn.is_over() && inner.has_room(self.number)
    }

    /// Whether a producer that is not called for each piece may make one in this turn.
    pub(crate) fn has_time(&self) -> bool {
        self.pipeline.0.borrow_mut().turn.has_time()
    }

    /// A piece is about to be written.
    pub(crate) fn spend_piece(&self, bytes: usize, compressed: bool) {
        self.pipeline.0.borrow_mut().turn.spend_piece(bytes, compressed);
    }

    /// Calls `resume` once there is room; in a tick if there is room now.
    pub(crate) fn when_room(&self, resume: impl FnOnce() + 'static) {
        let mut inner = self.pipeline.0.borrow_mut();
        let Some((is_first, held)) = inner.held(self.number) else { return };
        let replaced = held.resume.replace(Box::new(resume));
        // The others wait until they are the first.
        if is_first {
            inner.call_when_room(&Rc::downgrade(&self.pipeline.0));
        }
        drop(inner);
        drop(replaced);
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(crate) fn settings(&self) -> Settings {
        self.pipeline.0.borrow().settings
    }
}
