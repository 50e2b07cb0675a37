//! The connection of a log line.

use tracing::field::{DebugValue, debug};

use crate::log::text::GuestText;

/// The connection of a log line.
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

    /// The fields `handler` and `connection` of a line; both none for a line without a connection.
    pub(super) fn fields(
        subject: Option<&Subject>,
    ) -> (Option<DebugValue<&GuestText>>, Option<u32>) {
        (subject.map(|it| debug(&it.handler)), subject.map(|it| it.connection))
    }
}
