//! Socket options of a connection that a plugin can set.

use crate::net::connection::tcp_options::{Keepalive, OptionError, SocketOptions, tcp};
use crate::net::connection::{Connection, Phase};

impl Connection {
    /// Turns keepalive probes on or off.
    pub fn set_keepalive(&mut self, keepalive: Option<Keepalive>) -> Result<(), OptionError> {
        if keepalive.is_some_and(|keepalive| !keepalive.is_in_range()) {
            return Err(OptionError::OutOfRange);
        }
        let options = SocketOptions { keepalive: Some(keepalive), ..self.options };
        self.set_options(options)
    }

    /// The keepalive settings of the socket; none if it does not probe.
    pub fn keepalive(&self) -> Option<Keepalive> {
        Keepalive::of(self.stream.as_ref()?)
    }

    /// Turns `TCP_NODELAY` on or off.
    pub fn set_nodelay(&mut self, nodelay: bool) -> Result<(), OptionError> {
        let options = SocketOptions { nodelay: Some(nodelay), ..self.options };
        self.set_options(options)
    }

    /// Whether `TCP_NODELAY` is on.
    pub fn nodelay(&self) -> bool {
        self.options.nodelay.unwrap_or(true)
    }

    fn set_options(&mut self, options: SocketOptions) -> Result<(), OptionError> {
        match (&self.stream, self.phase) {
            (_, Phase::Ended(_)) => return Err(OptionError::Closed),
            (Some(stream), _) => {
                tcp(stream).ok_or(OptionError::Unsupported)?;
                options.set_on(stream);
            }
            // Applied when the socket is connected.
            (None, _) => {}
        }
        self.options = options;
        Ok(())
    }
}
