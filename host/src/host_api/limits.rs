//! Limits that a guest's call has reached: counted, logged with the connection, and returned as an error.

use std::fmt::Display;

use crate::config::bound::{Bound, Limit};
use crate::config::model::Isolation;
use crate::contract::bindings::ErrorCode;
use crate::host_api::state::HostState;
use crate::plugin::subject::Subject;
use crate::quota::semaphore::{Permit, Semaphore};

impl HostState {
    /// Counts and logs that a bound of the plugin or tenant was reached; returns the error for the guest.
    pub(super) fn at_limit(&self, bound: &'static Bound) -> ErrorCode {
        self.plugin.at_limit(self.env.clock.now(), bound, || self.subject_names());
        ErrorCode::Limit
    }

    /// Like [`HostState::at_limit`], for a bound of another plugin or of the host, which is set to `value`.
    pub(super) fn at_limit_of(&self, bound: &'static Bound, value: impl Display) -> ErrorCode {
        let now = self.env.clock.now();
        self.plugin.at_limit_of(now, bound.into(), || value, || self.subject_names());
        ErrorCode::Limit
    }

    /// Counts and logs that the tenant has no file descriptor left; returns the error for the guest.
    pub(super) fn no_descriptor(&self) -> ErrorCode {
        let (now, limit) = (self.env.clock.now(), Limit::FileDescriptors);
        self.plugin.at_limit_of(now, limit, || "the system's", || self.subject_names());
        ErrorCode::Limit
    }

    /// Acquires a permit of a plugin's semaphore for this bound; otherwise returns the error for the guest.
    pub(super) fn permit(
        &self,
        bound: &'static Bound,
        semaphore: &Semaphore,
    ) -> Result<Permit, ErrorCode> {
        semaphore.try_acquire().ok_or_else(|| self.at_limit_of(bound, semaphore.limit()))
    }

    /// The connection of the running callback, for the log.
    pub(super) fn subject_names(&self) -> Option<Subject> {
        let single = self.plugin.config.isolation == Isolation::Connection;
        let subject = match self.subject {
            Some(id) => self.sockets.of(id),
            // In a sandbox of one connection timers and ticks are about that connection.
            None => self.sockets.only().filter(|_| single),
        };
        subject.map(|connection| {
            let connection = connection.lock();
            Subject { connection: connection.number, handler: connection.handler.clone() }
        })
    }
}
