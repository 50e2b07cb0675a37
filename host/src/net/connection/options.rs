//! What a plugin wants of a connection's socket besides carrying bytes.

use crate::net::connection::tcp_options::{Keepalive, OptionError, SocketOptions, tcp};
use crate::net::connection::{Connection, Phase};

impl Connection {
    /// Has the system probe a silent peer, or not.
    pub fn set_keepalive(&mut self, keepalive: Option<Keepalive>) -> Result<(), OptionError> {
        if keepalive.is_some_and(|keepalive| !keepalive.is_in_range()) {
            return Err(OptionError::OutOfRange);
        }
        let options = SocketOptions { keepalive: Some(keepalive), ..self.options };
        self.set_options(options)
    }

    /// What its socket has of that.
    pub fn keepalive(&self) -> Option<Keepalive> {
        Keepalive::of(self.stream.as_ref()?)
    }

    /// Has small pieces go out at once, or not.
    pub fn set_nodelay(&mut self, nodelay: bool) -> Result<(), OptionError> {
        let options = SocketOptions { nodelay: Some(nodelay), ..self.options };
        self.set_options(options)
    }

    /// Whether small pieces go out at once.
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
            // It is set when it is connected.
            (None, _) => {}
        }
        self.options = options;
        Ok(())
    }
}
