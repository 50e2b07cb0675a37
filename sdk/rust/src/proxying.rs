//! Bytes from one connection to another, past the plugin: EventMachine's proxying.
//!
//! A TCP proxy is two connections that are proxied to each other:
//!
//! ```no_run
//! use sandloop::{CloseReason, Connection, Socket};
//!
//! struct Backend {
//!     socket: Socket,
//!     client: Socket,
//! }
//!
//! impl Connection for Backend {
//!     fn connection_completed(&mut self) {
//!         let both = self.client.proxy_incoming_to(&self.socket);
//!         if both.and_then(|()| self.socket.proxy_incoming_to(&self.client)).is_err() {
//!             self.socket.close_connection();
//!         }
//!         self.client.resume();
//!     }
//!
//!     fn unbind(&mut self, _: CloseReason) {
//!         self.client.close_connection_after_writing();
//!     }
//! }
//! ```
//!
//! Pause the client until then: what it sends early is the plugin's own otherwise.

pub use crate::bindings::sandloop::plugin::proxying::ProxyError;
use crate::{bindings::sandloop::plugin::proxying as host, host::calls, sockets::Socket};

/// How to proxy: by default without end, and as much may wait for the target as the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProxyOptions {
    /// Bytes that may wait in the target's outbox, at most; 0, or more than its high mark, is the high mark.
    pub buffer: u32,
    /// The number of bytes after which proxying stops, with [`proxy_completed`](crate::Connection::proxy_completed); 0 means
    /// unlimited.
    pub bytes: u64,
}

impl Socket {
    /// Has what this connection's peer sends go to `target`, in order and no faster than the target takes it. None of
    /// it enters the plugin.
    ///
    /// # Errors
    /// As [`ProxyError`] lists them.
    pub fn proxy_incoming_to(&self, target: &Socket) -> Result<(), ProxyError> {
        self.proxy_incoming_to_with(target, ProxyOptions::default())
    }

    /// As [`proxy_incoming_to`](Self::proxy_incoming_to), with a bound on what waits or a number of bytes.
    ///
    /// # Errors
    /// As [`ProxyError`] lists them.
    pub fn proxy_incoming_to_with(
        &self,
        target: &Socket,
        options: ProxyOptions,
    ) -> Result<(), ProxyError> {
        let ProxyOptions { buffer, bytes } = options;
        let options = host::ProxyOptions { buffer, bytes: bytes.into() };
        calls::proxy_incoming_to(&self.host(), &target.host(), options)
    }

    /// Stops proxying: input goes to `receive_data` again. Does nothing if it is not proxied.
    pub fn stop_proxying(&self) {
        calls::stop_proxying(&self.host());
    }

    /// Bytes that have gone over since this connection was last told to be proxied; still there in its `unbind`.
    #[must_use]
    pub fn get_proxied_bytes(&self) -> u64 {
        calls::get_proxied_bytes(&self.host()).into()
    }
}
