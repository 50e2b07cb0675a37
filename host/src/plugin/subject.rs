//! The fields that log lines about a plugin have in common, and the connection of a line.

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

/// Writes a log line of a level about a plugin. After `about`, the connection of the line, if it has one.
macro_rules! plugin_line {
    ($level:ident, $plugin:expr, about $subject:expr, $($fields:tt)*) => {{
        let (handler, connection) = $crate::plugin::subject::Subject::fields($subject);
        $crate::plugin::subject::plugin_line!($level, $plugin, handler, connection, $($fields)*)
    }};
    ($level:ident, $plugin:expr, $($fields:tt)*) => {
        tracing::$level!(
            plugin = $plugin.name(),
            tenant = $plugin.config.tenant,
            version = $plugin.version,
            $($fields)*
        )
    };
}
pub(crate) use plugin_line;

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
