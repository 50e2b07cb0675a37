//! The connection that a line of the log is about.

use tracing::field::{DebugValue, debug};

use crate::log::text::GuestText;

/// What a line of the log says of its connection.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The connection's number.
    pub connection: u32,
    /// The name of its handler.
    pub handler: GuestText,
}

impl Subject {
    /// The number and the handler.
    pub(super) fn named(&self) -> (u32, GuestText) {
        (self.connection, self.handler.clone())
    }

    /// The fields `handler` and `connection` of a line, which may be about no connection.
    pub(super) fn fields(
        subject: Option<&Subject>,
    ) -> (Option<DebugValue<&GuestText>>, Option<u32>) {
        (subject.map(|it| debug(&it.handler)), subject.map(|it| it.connection))
    }
}
