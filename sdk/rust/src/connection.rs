//! The callbacks of one connection, as EventMachine names them.

use std::time::Duration;

use crate::types::CloseReason;

#[doc(inline)]
pub use crate::bindings::exports::sandloop::plugin::drain_handler::Drain;

/// One connection: the type's fields are its state, its methods are called with what happens.
///
/// An accepted connection is made, then told [`post_init`](Self::post_init),
/// [`receive_data`](Self::receive_data) any number of times, [`unbind`](Self::unbind). An outgoing one
/// is made and told `post_init` before it is connected; then
/// [`connection_completed`](Self::connection_completed), `receive_data`, `unbind`, or straight `unbind`
/// when it cannot be made.
///
/// One callback runs at a time in the whole instance, always: no callback is called inside another
/// one, whatever it does.
pub trait Connection: 'static {
    /// The connection exists. Called exactly once, first.
    fn post_init(&mut self) {}

    /// An outgoing connection is made. Called at most once; never for an accepted one.
    fn connection_completed(&mut self) {}

    /// TLS is there, from [`Socket::start_tls`](crate::Socket::start_tls) or a `tls://` listener: what was sent meanwhile goes
    /// out. EventMachine's `ssl_handshake_completed`. Called at most once; a handshake that fails is told to `unbind`, and
    /// [`Socket::tls_failure`](crate::Socket::tls_failure) says why.
    fn tls_completed(&mut self) {}

    /// Whether the peer is taken, by its certificate and those that lead to its authority, each as DER. EventMachine's
    /// `ssl_verify_peer`, once for the whole chain. Asked only where [`Verification`](crate::tls::Verification) says so.
    /// `false`, the default, ends the connection.
    fn verify_peer(&mut self, chain: &[Vec<u8>]) -> bool {
        let _ = chain;
        false
    }

    /// Bytes from the peer: at least one, in order, cut anywhere.
    fn receive_data(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The outbox was above its high mark and has fallen below the low one: a good moment to send more.
    fn drained(&mut self) {}

    /// The target that this connection was [proxied to](crate::Socket::proxy_incoming_to) has ended, and has had its own
    /// `unbind`. What comes next is told by `receive_data`.
    fn proxy_target_unbound(&mut self) {}

    /// As many bytes of this connection as were to be proxied have gone over.
    fn proxy_completed(&mut self) {}

    /// The connection is to come to its end within this time, since the host stops or its plugin is replaced; what is left of it
    /// then is cut off. A place to tell the peer and to close what waits for nothing. Called at most once. Timers, deferred work
    /// and messages go on.
    ///
    /// [`Drain::WhenIdle`], the default, has the host close it once nothing of it is under way: nothing is to be sent or read, no
    /// callback, deferred work or connect waits, and no timer that fires once before the end. After [`Drain::UntilClosed`] it goes
    /// on until the plugin closes it. Where its plugin is replaced the host closes nothing before the end: answer what comes, and
    /// close where the protocol has a place for it. EventMachine has no such event: its `stop` closes everything.
    fn draining(&mut self, within: Duration) -> Drain {
        let _ = within;
        Drain::WhenIdle
    }

    /// The connection has ended. Called exactly once, last; the connection is dropped after it.
    fn unbind(&mut self, reason: CloseReason) {
        let _ = reason;
    }
}
