//! What the operator is told about a guest's calls: which connection they were about, and which bound they met.

use std::fmt::Display;

use crate::config::bound::{Bound, Limit};
use crate::config::model::Isolation;
use crate::contract::bindings::ErrorCode;
use crate::host_api::state::HostState;
use crate::plugin::subject::Subject;
use crate::quota::semaphore::{Permit, Semaphore};

impl HostState {
    /// A bound of its plugin or its tenant was reached: counted, told, and the error for the guest.
    pub(super) fn at_limit(&self, bound: &'static Bound) -> ErrorCode {
        self.plugin.at_limit(self.env.clock.now(), bound, || self.subject_names());
        ErrorCode::Limit
    }

    /// As [`HostState::at_limit`], where what the bound is set to is somebody else's: `value`.
    pub(super) fn at_limit_of(&self, bound: &'static Bound, value: impl Display) -> ErrorCode {
        let now = self.env.clock.now();
        self.plugin.at_limit_of(now, bound.into(), || value, || self.subject_names());
        ErrorCode::Limit
    }

    /// There is no file descriptor left for its tenant: counted, told, and the error for the guest.
    pub(super) fn no_descriptor(&self) -> ErrorCode {
        let (now, limit) = (self.env.clock.now(), Limit::FileDescriptors);
        self.plugin.at_limit_of(now, limit, || "the system's", || self.subject_names());
        ErrorCode::Limit
    }

    /// A permit of a plugin's semaphore, which is this bound, or the error for the guest.
    pub(super) fn permit(
        &self,
        bound: &'static Bound,
        semaphore: &Semaphore,
    ) -> Result<Permit, ErrorCode> {
        semaphore.try_acquire().ok_or_else(|| self.at_limit_of(bound, semaphore.limit()))
    }

    /// The connection that the running callback is about, as the log names it.
    pub(super) fn subject_names(&self) -> Option<Subject> {
        let single = self.plugin.config.isolation == Isolation::Connection;
        let subject = match self.subject {
            Some(id) => self.sockets.of(id),
            // A timer or a tick in the sandbox of one connection is about that connection.
            None => self.sockets.only().filter(|_| single),
        };
        subject.map(|connection| {
            let connection = connection.lock();
            Subject { connection: connection.number, handler: connection.handler.clone() }
        })
    }
}
